import type { Retention } from "../../src/domain/options.ts";
import { array, assert, constantFrom, integer, property, record, boolean, option } from "fast-check";
import { describe, expect, test } from "vitest";
import { decideRetention, isoWeek, type Candidate } from "../../src/catalog/retention.ts";

const dayMs = 86_400_000;
/** No snapshot of these tests is dated later, but where one has to be. */
const farAhead = Date.UTC(2100, 0);

function snapshot(at: number | Date, more: Partial<Candidate> = {}): Candidate {
  const createdAt = new Date(at).toISOString();
  return {
    id: `s-${createdAt}`,
    createdAt,
    network: "mainnet",
    profile: "backup",
    verified: "none",
    pinned: false,
    ...more,
  };
}

function kept(snapshots: readonly Candidate[], rules: Retention, announced?: ReadonlySet<string>): string[] {
  return decideRetention(snapshots, rules, {
    now: farAhead,
    ...(announced === undefined ? {} : { announced }),
  })
    .filter(({ keep }) => keep)
    .map(({ id }) => id);
}

/**
 * The rules once more, said plainly: of the N most recent days (weeks, months) that have snapshots, the newest snapshot
 * each; the oldest snapshot of all too, if fewer than N places were taken before it. And what stays in any case.
 */
function plainly(snapshots: readonly Candidate[], rules: Retention): Set<string> {
  const newest = snapshots.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  const stay = new Set<string>();
  const monday = (at: Date): string => {
    const day = new Date(at);
    while (day.getUTCDay() !== 1) day.setUTCDate(day.getUTCDate() - 1);
    return day.toISOString().slice(0, 10);
  };
  const periods: [number | undefined, (candidate: Candidate) => string][] = [
    [rules.keepLast, ({ id }) => id],
    [rules.keepDaily, ({ createdAt }) => createdAt.slice(0, 10)],
    [rules.keepWeekly, ({ createdAt }) => monday(new Date(createdAt))],
    [rules.keepMonthly, ({ createdAt }) => createdAt.slice(0, 7)],
  ];
  const set = periods.filter(([count]) => (count ?? 0) > 0);
  if (set.length === 0) return new Set(newest.map(({ id }) => id));
  for (const [count = 0, periodOf] of set) {
    const recent = [...new Set(newest.map(periodOf))].slice(0, count);
    for (const period of recent) stay.add(newest.find((candidate) => periodOf(candidate) === period)!.id);
    if (recent.length < count) stay.add(newest.at(-1)!.id);
  }
  stay.add(newest[0]!.id);
  const proved = newest.find(({ verified }) => verified === "database");
  const checked = newest.find(({ verified }) => verified === "checksum");
  if (proved ?? checked) stay.add((proved ?? checked)!.id);
  for (const { id, pinned } of newest) if (pinned) stay.add(id);
  return stay;
}

const count = option(integer({ min: 0, max: 40 }), { nil: undefined });
const rulesOf = (drawn: {
  last?: number | undefined;
  daily?: number | undefined;
  weekly?: number | undefined;
  monthly?: number | undefined;
}): Retention => ({
  ...(drawn.last === undefined ? {} : { keepLast: drawn.last }),
  ...(drawn.daily === undefined ? {} : { keepDaily: drawn.daily }),
  ...(drawn.weekly === undefined ? {} : { keepWeekly: drawn.weekly }),
  ...(drawn.monthly === undefined ? {} : { keepMonthly: drawn.monthly }),
});
const rules = record({ last: count, daily: count, weekly: count, monthly: count }).map(rulesOf);

describe("retention", () => {
  test("over ten years of nightly snapshots, pruned every night, keeps exactly what the rules say", () => {
    const first = Date.UTC(2026, 0, 1, 2);
    const settings: Retention = { keepLast: 3, keepDaily: 7, keepWeekly: 5, keepMonthly: 12 };
    let present: Candidate[] = [];
    for (let night = 0; night < 3653; night += 1) {
      const jitterMs = ((night * 7919) % 3600) * 1000;
      present.push(
        snapshot(first + night * dayMs + jitterMs, {
          verified: night % 9 === 0 ? "database" : "none",
          pinned: night === 100,
        }),
      );
      const wanted = plainly(present, settings);
      const stay = new Set(kept(present, settings));
      present = present.filter(({ id }) => stay.has(id));
      expect(new Set(present.map(({ id }) => id))).toEqual(wanted);
    }
    // Months: twelve, days and weeks within the last two of them, the pin, the last verified; it has not piled up.
    expect(present.length).toBeLessThan(27);
    const months = new Set(present.map(({ createdAt }) => createdAt.slice(0, 7)));
    expect(months.size).toBe(13);
  });

  test("of any history by any rules is what they plainly say", () => {
    const candidate = record({
      minutes: integer({ min: 0, max: 60 * 24 * 900 }),
      verified: constantFrom<Candidate["verified"]>("none", "checksum", "database"),
      pinned: boolean(),
    });
    assert(
      property(array(candidate, { minLength: 1, maxLength: 60 }), rules, (drawn, rules) => {
        const distinct = new Map(drawn.map((one) => [one.minutes, one]));
        const snapshots = [...distinct.values()].map(({ minutes, ...rest }) =>
          snapshot(Date.UTC(2026, 0, 1) + minutes * 60_000, rest),
        );
        expect(new Set(kept(snapshots, rules))).toEqual(plainly(snapshots, rules));
      }),
      { numRuns: 1000 },
    );
  });

  test("keeps everything where no rule is set, and says why", () => {
    const all = [1, 2, 3].map((day) => snapshot(Date.UTC(2026, 0, day)));
    expect(
      decideRetention(all, {}, { now: farAhead }).every(
        ({ keep, reasons }) => keep && reasons.includes("no rule is set"),
      ),
    ).toBe(true);
    expect(decideRetention(all, { keepDaily: 0 }, { now: farAhead }).every(({ keep }) => keep)).toBe(true);
  });

  test("gives a reason for each decision", () => {
    const all = [1, 2, 3].map((day) => snapshot(Date.UTC(2026, 0, day), { pinned: day === 2 }));
    expect(decideRetention(all, { keepLast: 1 }, { now: farAhead })).toEqual([
      { id: all[2]!.id, keep: true, reasons: ["last 1", "newest"] },
      { id: all[1]!.id, keep: true, reasons: ["pinned"] },
      { id: all[0]!.id, keep: false, reasons: ["beyond keep-last 1"] },
    ]);
    expect(kept(all, { keepLast: 1 }, new Set([all[0]!.id]))).toContain(all[0]!.id);
  });

  test("counts each network and each profile by itself", () => {
    const all = [
      snapshot(Date.UTC(2026, 0, 1), { network: "testnet", id: "t" }),
      snapshot(Date.UTC(2026, 0, 2), { profile: "share", id: "s" }),
      ...[3, 4].map((day) => snapshot(Date.UTC(2026, 0, day))),
    ];
    expect(kept(all, { keepLast: 1 })).toEqual([all[3]!.id, "s", "t"]);
  });

  test.each([
    ["2026-01-01", "2026-W01"],
    ["2027-01-01", "2026-W53"],
    ["2027-01-03", "2026-W53"],
    ["2027-01-04", "2027-W01"],
    ["2024-12-30", "2025-W01"],
    ["2023-01-01", "2022-W52"],
    ["2020-12-31", "2020-W53"],
  ])("the ISO week of %s is %s", (day, week) => {
    expect(isoWeek(new Date(`${day}T23:59:59Z`))).toBe(week);
  });
});

describe("an incremental dump", () => {
  test("keeps those it is based on as long as it stays itself, and no longer", () => {
    const night = (at: number, requires: readonly number[]): Candidate =>
      snapshot(at * dayMs, {
        volumes: [
          {
            driver: "xfs",
            snapshot: `dump-${at}`,
            requires: requires.map((base) => snapshot(base * dayMs).id),
          },
        ],
      });
    const chain = [night(1, []), night(2, [1]), night(3, [1, 2]), night(4, []), night(5, [4])];
    const [, , third, fourth, fifth] = chain.map(({ id }) => id);
    expect(kept(chain, { keepLast: 1 })).toEqual([fifth, fourth]);
    expect(kept(chain, { keepLast: 3 })).toEqual([
      fifth,
      fourth,
      third,
      ...chain
        .slice(0, 2)
        .map(({ id }) => id)
        .toReversed(),
    ]);
  });
});
