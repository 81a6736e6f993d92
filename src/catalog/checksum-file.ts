/** The text of a `.sha256` file as `sha256sum -c` reads it, and back. Names here never hold a newline or backslash. */

export function checksumFile(sha256: string, name: string): string {
  return `${sha256}  ${name}\n`;
}

/** The digest that a `.sha256` file gives for `name`; a file with one line only may name it otherwise. */
export function readChecksumFile(text: string, name: string): string | undefined {
  const lines = text
    .split("\n")
    .map((line) => /^([0-9a-fA-F]{64})(?: [ *](.*))?$/.exec(line.trimEnd()))
    .filter((line) => line !== null);
  const named = lines.find((line) => line[2]?.split("/").at(-1) === name);
  const found = named ?? (lines.length === 1 ? lines[0] : undefined);
  return found?.[1]?.toLowerCase();
}
