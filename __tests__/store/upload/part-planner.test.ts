import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decide,
  PartPlanner,
  type Choice,
  type Part,
  type PlannedFrame,
} from "../../../src/store/upload/part-planner.ts";
import { largestPlannedBytes } from "../../../src/store/upload/part-sizes.ts";
import type { PartLimits } from "../../../src/store/port.ts";

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;

/** A frame as the archive sees it: how large it is in the base (if it is there), and how large when it is sent. */
interface SourceFrame {
  readonly planned: PlannedFrame;
  readonly sentSize: number;
}

interface Run {
  readonly parts: readonly Part[];
  readonly choices: readonly Choice[];
  readonly size: number;
  readonly mostPending: number;
}

/** The smallest sink: does what the planner says and keeps the books the planner is checked against. */
function plan(
  frames: readonly SourceFrame[],
  options: ConstructorParameters<typeof PartPlanner>[0],
  tail = 1,
): Run {
  const planner = new PartPlanner<SourceFrame | undefined>(options);
  const parts: Part[] = [];
  const choices: Choice[] = [];
  let waiting = 0;
  let mostPending = 0;
  const placeAll = (): void => {
    for (let next = planner.next(); next !== undefined; next = planner.next()) {
      const { choice } = next;
      const frame = next.item!;
      waiting -= 1;
      choices.push(choice);
      parts.push(...planner.place(choice, choice === "copy" ? frame.planned.size : frame.sentSize));
    }
    mostPending = Math.max(mostPending, waiting);
  };
  for (const frame of frames) {
    waiting += 1;
    planner.offer(frame.planned, frame);
    placeAll();
  }
  planner.end();
  placeAll();
  expect(waiting).toBe(0);
  planner.offer({ kind: "bytes", size: tail }, undefined);
  parts.push(...planner.place("write", tail), ...planner.close());
  return { parts, choices, size: planner.position, mostPending };
}

/** Every byte of the object exactly once and in order, by the frames' own account of where they are. */
function expectEveryByteOnce(frames: readonly SourceFrame[], run: Run, tail = 1): void {
  type Piece = { mode: Choice; size: number; base: number | undefined };
  const wanted: Piece[] = frames.map((frame, index) => {
    const mode = run.choices[index]!;
    const base = frame.planned.kind === "reusable" && mode === "copy" ? frame.planned.baseOffset : undefined;
    return { mode, size: mode === "copy" ? frame.planned.size : frame.sentSize, base };
  });
  wanted.push({ mode: "write", size: tail, base: undefined });
  let offset = 0;
  for (const part of run.parts) {
    expect(part.place.offset).toBe(offset);
    offset += part.size;
    let rest = part.size;
    let base = part.kind === "copy" ? part.baseOffset : undefined;
    while (rest > 0) {
      const piece = wanted[0]!;
      expect(piece.mode).toBe(part.kind);
      expect(piece.base).toBe(base);
      const used = Math.min(rest, piece.size);
      rest -= used;
      piece.size -= used;
      if (base !== undefined) base += used;
      if (piece.base !== undefined) piece.base += used;
      if (piece.size === 0) wanted.shift();
    }
  }
  expect(wanted).toEqual([]);
  expect(offset).toBe(run.size);
}

function expectWithin(limits: PartLimits, run: Run): void {
  expect(run.parts.length).toBeLessThanOrEqual(limits.maxParts);
  expect(run.parts.map((part) => part.place.number)).toEqual(run.parts.map((_, index) => index + 1));
  const sizes = run.parts.map((part) => part.size);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(limits.maxPartSizeBytes);
  expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThanOrEqual(limits.minPartSizeBytes);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

function sentReusable(frames: readonly SourceFrame[], choices: readonly Choice[]): number {
  return sum(
    frames.map(({ planned }, i) =>
      planned.kind === "reusable" && choices[i] === "write" ? planned.size : 0,
    ),
  );
}

const patternOf = (maxFrames: number, maxSize: number): fc.Arbitrary<PlannedFrame[]> =>
  fc
    .array(
      fc.record({
        reusable: fc.boolean(),
        size: fc.integer({ min: 1, max: maxSize }),
        // Mostly where the last reused frame ended, sometimes elsewhere in the base.
        jump: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(1000) }),
      }),
      { maxLength: maxFrames },
    )
    .map((items) => {
      let base = 0;
      return items.map(({ reusable, size, jump }): PlannedFrame => {
        if (!reusable) return { kind: "bytes", size };
        base += jump;
        const frame = { kind: "reusable", size, baseOffset: base } as const;
        base += size;
        return frame;
      });
    });

/** The least that has to be sent, by trying every assignment; a plain restatement of the rules. */
function leastSent(frames: readonly PlannedFrame[], floor: number): number {
  let least = Infinity;
  for (let mask = 0; mask < 2 ** frames.length; mask += 1) {
    const parts: { mode: string; size: number; end?: number }[] = [];
    let sent = 0;
    let possible = true;
    frames.forEach((frame, index) => {
      const copy = Math.floor(mask / 2 ** index) % 2 === 1;
      if (copy && frame.kind !== "reusable") possible = false;
      if (!copy && frame.kind === "reusable") sent += frame.size;
      const mode = copy ? "copy" : "write";
      const base = copy && frame.kind === "reusable" ? frame.baseOffset : undefined;
      const last = parts.at(-1);
      if (last?.mode === mode && last.end === base) {
        last.size += frame.size;
        if (base !== undefined) last.end = base + frame.size;
      } else {
        parts.push({ mode, size: frame.size, ...(base === undefined ? {} : { end: base + frame.size }) });
      }
    });
    if (possible && parts.slice(0, -1).every((part) => part.size >= floor)) least = Math.min(least, sent);
  }
  return least;
}

describe("decide", () => {
  test("sends the least that is possible", () => {
    fc.assert(
      fc.property(patternOf(9, 8), fc.integer({ min: 1, max: 12 }), (frames, floor) => {
        const choices = decide(undefined, frames, { floor, ended: true, force: false });
        expect(choices.length).toBe(frames.length);
        const sent = sum(
          frames.map((frame, i) => (frame.kind === "reusable" && choices[i] === "write" ? frame.size : 0)),
        );
        expect(sent).toBe(leastSent(frames, floor));
      }),
      { numRuns: 300 },
    );
  });

  test("takes the smaller neighbour of an island that is too small, whichever side it is on", () => {
    const run = (size: number, baseOffset: number): PlannedFrame => ({ kind: "reusable", size, baseOffset });
    const island: PlannedFrame = { kind: "bytes", size: 4 };
    const left = [run(90, 0), run(1, 90), island, run(30, 91), run(90, 121)];
    expect(decide(undefined, left, { floor: 5, ended: true, force: false })).toEqual([
      "copy",
      "write",
      "write",
      "copy",
      "copy",
    ]);
    const right = [run(90, 0), run(30, 90), island, run(1, 120), run(90, 121)];
    expect(decide(undefined, right, { floor: 5, ended: true, force: false })).toEqual([
      "copy",
      "copy",
      "write",
      "write",
      "copy",
    ]);
  });
});

describe("part planner", () => {
  const relaxed: PartLimits = { minPartSizeBytes: 7, maxPartSizeBytes: 4000, maxParts: 10_000 };

  test("puts every byte in exactly one part, in order, within the limits, and sends the least possible", () => {
    fc.assert(
      fc.property(patternOf(60, 12), (pattern) => {
        const frames = pattern.map((planned) => ({ planned, sentSize: planned.size }));
        const run = plan(frames, { limits: relaxed, expectedSizeBytes: 0, canCopy: true });
        expectEveryByteOnce(frames, run);
        expectWithin(relaxed, run);
        const whole = decide(undefined, [...pattern, { kind: "bytes", size: 1 }], {
          floor: relaxed.minPartSizeBytes,
          ended: true,
          force: false,
        });
        expect(sentReusable(frames, run.choices)).toBe(sentReusable(frames, whole));
      }),
      { numRuns: 500 },
    );
  });

  test("holds when frames that are sent after all come out at other sizes", () => {
    const limitsOf = fc
      .record({ min: fc.integer({ min: 1, max: 40 }), factor: fc.integer({ min: 4, max: 50 }) })
      .map(({ min, factor }) => ({
        minPartSizeBytes: min,
        maxPartSizeBytes: min * factor,
        maxParts: 10_000,
      }));
    fc.assert(
      fc.property(
        patternOf(80, 60),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 80, maxLength: 80 }),
        limitsOf,
        fc.boolean(),
        (pattern, sizes, limits, canCopy) => {
          const frames = pattern.map((planned, i) => ({
            planned,
            sentSize: planned.kind === "bytes" ? planned.size : sizes[i]!,
          }));
          const run = plan(frames, { limits, expectedSizeBytes: 0, canCopy });
          expectEveryByteOnce(frames, run);
          expectWithin(limits, run);
          expect(!canCopy && run.choices.includes("copy")).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("plans anew when a neighbour that was sent came out smaller than it was in the base", () => {
    const limits = { minPartSizeBytes: 50, maxPartSizeBytes: 5_000, maxParts: 10_000 };
    const at = (size: number, baseOffset: number, sentSize = size): SourceFrame => ({
      planned: { kind: "reusable", size, baseOffset },
      sentSize,
    });
    // The island takes the frame of 20 on its right, cheaper than the 30 on its left. That is certain only when enough
    // small frames have followed, and they are certain with it. But then the 20 come out as 1.
    const small = Array.from({ length: 30 }, (_, index) => at(10, 220 + index * 10));
    const island = { planned: { kind: "bytes", size: 40 } as const, sentSize: 40 };
    const frames = [at(60, 0), at(60, 60), at(30, 120), island, at(20, 200, 1), ...small];
    const run = plan(frames, { limits, expectedSizeBytes: 0, canCopy: true });
    expect(run.choices.slice(0, 7)).toEqual(["copy", "copy", "copy", "write", "write", "write", "copy"]);
    expectEveryByteOnce(frames, run);
    expectWithin(limits, run);
  });

  test("copies an unchanged archive whole, but for the tail", () => {
    const size = 10 * MiB;
    const frames = Array.from({ length: 1000 }, (_, index) => ({
      planned: { kind: "reusable", size, baseOffset: index * size } as const,
      sentSize: size,
    }));
    const limits = { minPartSizeBytes: 5 * MiB, maxPartSizeBytes: 5 * GiB, maxParts: 10_000 };
    const run = plan(frames, { limits, expectedSizeBytes: 1000 * size, canCopy: true });
    expect(run.choices).not.toContain("write");
    expect(run.parts.filter((part) => part.kind === "write").map((part) => part.size)).toEqual([1]);
    expect(run.parts.length).toBeLessThan(60);
    expect(run.mostPending).toBeLessThan(4);
  });

  test.each([
    ["twenty thousand islands on AWS", 20_000, 8 * MiB, 10_000],
    ["three hundred gibibytes in a thousand parts", 20_000, 15 * MiB, 1_000],
    ["small frames in a thousand parts", 30_000, 256 * 1024, 1_000],
  ])("never needs more parts than there are: %s", (_, count, size, maxParts) => {
    const limits = { minPartSizeBytes: 5 * MiB, maxPartSizeBytes: 5 * GiB, maxParts };
    // Where parts are many, an archive is expected to be as small as chainstates' are.
    for (const estimate of [1, 1.5, 0.7, ...(maxParts === 10_000 ? [0.3] : [])]) {
      const frames = Array.from({ length: count }, (_, index) => ({
        planned:
          index % 2 === 0
            ? ({ kind: "bytes", size } as const)
            : ({ kind: "reusable", size, baseOffset: index * size } as const),
        sentSize: size,
      }));
      const run = plan(frames, { limits, expectedSizeBytes: count * size * estimate, canCopy: true });
      expectWithin(limits, run);
      expect(sum(run.parts.map((part) => part.size))).toBe(count * size + 1);
    }
  });

  test("keeps its promise about the largest object", () => {
    for (const maxParts of [1_000, 10_000]) {
      const limits = { minPartSizeBytes: 5 * MiB, maxPartSizeBytes: 5 * GiB, maxParts };
      const total = largestPlannedBytes(limits);
      const size = 30 * MiB;
      const frames = Array.from({ length: Math.floor(total / size) }, () => ({
        planned: { kind: "bytes", size } as const,
        sentSize: size,
      }));
      const run = plan(frames, { limits, expectedSizeBytes: total, canCopy: true });
      expectWithin(limits, run);
    }
    const aws = { minPartSizeBytes: 5 * MiB, maxPartSizeBytes: 5 * GiB, maxParts: 10_000 };
    expect(largestPlannedBytes(aws)).toBe(3_000 * GiB);
  });

  test("says so when an object outgrows the parts of its store", () => {
    const limits = { minPartSizeBytes: 10, maxPartSizeBytes: 100, maxParts: 8 };
    const frames = Array.from({ length: 100 }, () => ({
      planned: { kind: "bytes", size: 50 } as const,
      sentSize: 50,
    }));
    expect(() => plan(frames, { limits, expectedSizeBytes: 100, canCopy: true })).toThrow(
      expect.objectContaining({ code: "STORE_FULL" }),
    );
  });

  test("never has to hold more than a bounded number of frames", () => {
    // Islands and runs that leave two equally good ways open for ever.
    const frames = Array.from({ length: 4_000 }, (_, index) => ({
      planned:
        index % 3 === 0
          ? ({ kind: "bytes", size: 1 * MiB } as const)
          : ({ kind: "reusable", size: 3 * MiB, baseOffset: index * 3 * MiB } as const),
      sentSize: index % 3 === 0 ? 1 * MiB : 3 * MiB,
    }));
    const limits = { minPartSizeBytes: 5 * MiB, maxPartSizeBytes: 5 * GiB, maxParts: 10_000 };
    const run = plan(frames, { limits, expectedSizeBytes: 4_000 * 3 * MiB, canCopy: true });
    expectWithin(limits, run);
    expect(run.mostPending).toBeLessThan(150);
    const changed = sum(frames.map(({ planned }) => (planned.kind === "bytes" ? planned.size : 0)));
    const runs = 4_000 * 3 * MiB - changed;
    // Every second run can be copied; the rest is what the minimum forces.
    expect(sentReusable(frames, run.choices)).toBeLessThan(runs * 0.55);
  });
});
