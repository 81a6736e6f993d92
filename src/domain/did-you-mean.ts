/** The word that was probably meant. */

/** The nearest of `candidates`, where one is near enough to be meant: a third of its letters wrong, three at most. */
export function closest(word: string, candidates: readonly string[], mostErrors = 3): string | undefined {
  const wanted = word.toLowerCase().replaceAll("_", "-");
  const ranked = candidates
    .map((candidate) => ({ candidate, errors: distance(wanted, candidate.toLowerCase()) }))
    .filter(
      ({ candidate, errors }) =>
        errors <= Math.min(mostErrors, Math.max(1, Math.floor(candidate.length / 3))),
    )
    .toSorted((a, b) => a.errors - b.errors);
  return ranked[0]?.candidate;
}

/** Letters added, lost, changed, or two neighbours swapped. */
function distance(a: string, b: string): number {
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) best = Math.min(best, (before[j - 2] ?? 0) + 1);
      next.push(best);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
