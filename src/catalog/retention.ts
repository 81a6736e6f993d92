/**
 * Which snapshots stay: a pure decision, with the meaning restic's `forget` gives to keep-last, -daily, -weekly and
 * -monthly (https://restic.readthedocs.io/en/stable/060_forget.html), in UTC. Rules apply to each network and profile by
 * itself: a snapshot made for sharing is no backup, and testnet does not use up mainnet's days.
 */
import type { Retention } from "../config.ts";
import { byNewest, type CatalogEntry } from "./catalog.ts";

export type Candidate = Pick<
  CatalogEntry,
  "id" | "createdAt" | "network" | "profile" | "verified" | "pinned"
> &
  Partial<Pick<CatalogEntry, "volumes">>;

export interface Decision {
  readonly id: string;
  readonly keep: boolean;
  /** Why it stays, e.g. "daily 2026-11-22"; for one that goes: the rule that would have had to keep it. */
  readonly reasons: readonly string[];
}

/**
 * One decision for each snapshot, newest first. Without any rule everything stays. `announced`: ids that a running
 * restore reads. Whatever the rules say, of each network and profile the newest and the newest verified one stay.
 */
export function decideRetention(
  snapshots: readonly Candidate[],
  rules: Retention,
  announced: ReadonlySet<string> = new Set(),
): readonly Decision[] {
  const reasons = new Map<string, string[]>(snapshots.map(({ id }) => [id, []]));
  const keep = (id: string | undefined, reason: string): void => {
    if (id !== undefined) reasons.get(id)?.push(reason);
  };
  const buckets = bucketsOf(rules);
  for (const group of groups(snapshots)) {
    const newest = group.toSorted(byNewest);
    if (buckets.length === 0) for (const { id } of newest) keep(id, "no rule is set");
    for (const bucket of buckets) fill(bucket, newest, keep);
    keep(newest[0]?.id, "newest");
    keep(newestVerified(newest)?.id, "newest verified");
    for (const { id, pinned } of newest) {
      if (pinned) keep(id, "pinned");
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
function fill(
  bucket: Bucket,
  newest: readonly Candidate[],
  keep: (id: string, reason: string) => void,
): void {
  let left = bucket.count;
  let last: string | undefined;
  for (const [position, { id, createdAt }] of newest.entries()) {
    if (left === 0) return;
    const value = bucket.valueOf(new Date(createdAt), position);
    if (value === last && position !== newest.length - 1) continue;
    keep(id, value === last ? `${bucket.name}, oldest` : `${bucket.name} ${value}`);
    last = value;
    left -= 1;
  }
}

/** Its databases were opened and proved, or, where none was, at least its bytes. */
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
