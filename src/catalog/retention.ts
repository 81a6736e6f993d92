/**
 * Which snapshots stay: a pure decision, with the meaning restic's `forget` gives to keep-last, -daily, -weekly and
 * -monthly (https://restic.readthedocs.io/en/stable/060_forget.html), in UTC. Rules apply to each network and profile by
 * itself: a snapshot made for sharing is no backup, and testnet does not use up mainnet's days.
 */
import type { Retention } from "../domain/options.ts";
import { byLatest, byNewest, isAfter, takenAt, type CatalogEntry } from "./catalog.ts";

export type Candidate = Pick<
  CatalogEntry,
  "id" | "createdAt" | "network" | "profile" | "verified" | "pinned"
> &
  Partial<Pick<CatalogEntry, "volumes" | "sequence" | "imported">> & {
    readonly cut?: { readonly at?: string | undefined };
  };

export interface Decision {
  readonly id: string;
  readonly keep: boolean;
  /** Why it stays, e.g. "daily 2026-11-22"; for one that goes: the rule that would have had to keep it. */
  readonly reasons: readonly string[];
}

export interface RetentionFacts {
  readonly now: number;
  /** Ids that a running restore reads. */
  readonly announced?: ReadonlySet<string>;
  /** What this very run has published: it stays, whatever any clock says. */
  readonly published?: string | undefined;
}

/**
 * One decision for each snapshot, newest first. Without any rule everything stays. Whatever the rules say, of each network
 * and profile the newest and the newest verified one stay. A snapshot dated after now takes the place of no other: it is
 * judged by the date of the one that was cut after it, and stays as long as there is none.
 */
export function decideRetention(
  snapshots: readonly Candidate[],
  rules: Retention,
  { now, announced = new Set(), published }: RetentionFacts,
): readonly Decision[] {
  const reasons = new Map<string, string[]>(snapshots.map(({ id }) => [id, []]));
  const keep = (id: string | undefined, reason: string): void => {
    if (id !== undefined) reasons.get(id)?.push(reason);
  };
  const buckets = bucketsOf(rules);
  for (const group of groups(snapshots)) {
    const newest = group.toSorted(byNewest);
    const dated = dateAll(newest, now);
    if (buckets.length === 0) for (const { id } of newest) keep(id, "no rule is set");
    for (const bucket of buckets) fill(bucket, dated, keep);
    const byRank = group.toSorted(byLatest(now));
    keep(byRank[0]?.id, "newest");
    keep(newestVerified(byRank)?.id, "newest verified");
    const judged = new Set(dated.map(({ id }) => id));
    for (const { id, pinned } of newest) {
      if (!judged.has(id)) keep(id, "dated after now");
      if (pinned) keep(id, "pinned");
      if (id === published) keep(id, "published by this run");
      if (announced.has(id)) keep(id, "a restore reads it");
    }
  }
  for (const { id, volumes = [] } of snapshots.toSorted(byNewest)) {
    // What is required names all it requires itself, so one look is enough.
    if ((reasons.get(id) ?? []).length === 0) continue;
    for (const base of new Set(volumes.flatMap(({ requires = [] }) => requires)))
      keep(base, `${id} is based on it`);
  }
  return snapshots.toSorted(byNewest).map(({ id }) => {
    const found = reasons.get(id) ?? [];
    return found.length > 0
      ? { id, keep: true, reasons: found }
      : {
          id,
          keep: false,
          reasons: [`beyond ${buckets.map(({ name, count }) => `keep-${name} ${count}`).join(", ")}`],
        };
  });
}

interface Dated {
  readonly id: string;
  readonly at: Date;
}

/** With the date to judge each by, newest first; without those of which nothing says that they are not of the future. */
function dateAll(newest: readonly Candidate[], now: number): readonly Dated[] {
  const dated: Dated[] = [];
  for (const entry of newest) {
    const next = dated.at(-1);
    if (!isAfter(entry, now)) dated.push({ id: entry.id, at: new Date(takenAt(entry)) });
    else if (entry.sequence !== undefined && next !== undefined) dated.push({ id: entry.id, at: next.at });
  }
  return dated;
}

interface Bucket {
  readonly name: string;
  readonly count: number;
  /** Snapshots of one bucket value compete for one place; the newest gets it. */
  readonly valueOf: (at: Date, position: number) => string;
}

function bucketsOf(rules: Retention): readonly Bucket[] {
  const all: readonly Bucket[] = [
    { name: "last", count: rules.keepLast ?? 0, valueOf: (_, position) => String(position + 1) },
    { name: "daily", count: rules.keepDaily ?? 0, valueOf: (at) => at.toISOString().slice(0, 10) },
    { name: "weekly", count: rules.keepWeekly ?? 0, valueOf: isoWeek },
    { name: "monthly", count: rules.keepMonthly ?? 0, valueOf: (at) => at.toISOString().slice(0, 7) },
  ];
  return all.filter(({ count }) => count > 0);
}

/** As restic does it: the newest of each value, and the very oldest while there are places left. */
function fill(bucket: Bucket, newest: readonly Dated[], keep: (id: string, reason: string) => void): void {
  const taken = new Set<string>();
  for (const [position, { id, at }] of newest.entries()) {
    if (taken.size === bucket.count) return;
    const value = bucket.valueOf(at, position);
    const isTaken = taken.has(value);
    if (isTaken && position !== newest.length - 1) continue;
    keep(id, isTaken ? `${bucket.name}, oldest` : `${bucket.name} ${value}`);
    taken.add(value);
  }
}

/** Its databases were opened and checked, or, where none was, at least its bytes. */
function newestVerified(newest: readonly Candidate[]): Candidate | undefined {
  return (
    newest.find(({ verified }) => verified === "database") ??
    newest.find(({ verified }) => verified === "checksum")
  );
}

function groups(snapshots: readonly Candidate[]): readonly (readonly Candidate[])[] {
  return [...Map.groupBy(snapshots, ({ network, profile }) => `${profile} ${network}`).values()];
}

/** "2026-W47": weeks start on Monday, and the week with the year's first Thursday is its first. */
export function isoWeek(at: Date): string {
  const dayMs = 86_400_000;
  const weekday = (at.getUTCDay() + 6) % 7;
  const thursday = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() - weekday + 3));
  const yearStart = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.floor((thursday.getTime() - yearStart) / dayMs / 7) + 1;
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, "0")}`;
}
