/** A store as it looks from here, in its own time: what a number of requests at once moves. */
import { describe, expect, test } from "vitest";
import { Limiter } from "../../src/system/concurrency.ts";
import { Pace } from "../../src/system/pace.ts";

const MB = 1_000_000;

interface Run {
  readonly pace: Pace;
  /** Numbers that were tried, in order. */
  readonly tried: readonly number[];
}

/** Requests of 4 MB for so many seconds; `moves`: bytes a second, all together. */
function run(
  { seconds, first = 16, most = 64 }: { seconds: number; first?: number; most?: number },
  moves: (atOnce: number, second: number) => number,
  wants = Infinity,
): Run {
  let nowMs = 0;
  const pace = new Pace({ first, most, now: () => nowMs });
  const tried = [first];
  while (nowMs < seconds * 1000) {
    if (wants > pace.atOnce) pace.full();
    const atOnce = Math.min(wants, pace.atOnce);
    nowMs += (4 * MB * 1000) / moves(atOnce, nowMs / 1000);
    pace.ended(4 * MB);
    if (pace.atOnce !== tried.at(-1)) tried.push(pace.atOnce);
  }
  return { pace, tried };
}

describe("the number of requests at once", () => {
  test("grows where each connection gives little, to the most", () => {
    expect(run({ seconds: 60 }, (atOnce) => atOnce * 5 * MB).tried).toEqual([16, 32, 64]);
  });

  test("stays where the link, or the processor, is full, and is tried again twice a minute", () => {
    expect(run({ seconds: 10 }, () => 100 * MB).tried).toEqual([16, 32, 16]);
    expect(run({ seconds: 75 }, () => 100 * MB).tried).toEqual([16, 32, 16, 32, 16, 32, 16]);
  });

  test("goes back to what was enough", () => {
    const link = 150 * MB;
    expect(run({ seconds: 20 }, (atOnce) => Math.min(link, atOnce * 5 * MB)).tried).toEqual([16, 32, 64, 32]);
  });

  test("goes back where more move less", () => {
    expect(run({ seconds: 20 }, (atOnce) => (atOnce > 16 ? 20 : 80) * MB).tried).toEqual([16, 32, 16]);
  });

  test("grows later, when the link has become another", () => {
    const later = (atOnce: number, second: number): number => (second < 20 ? 50 * MB : atOnce * 5 * MB);
    const { tried } = run({ seconds: 60 }, later);
    expect(tried.slice(0, 3)).toEqual([16, 32, 16]);
    expect(tried.at(-1)).toBe(64);
  });

  test("is not tried where nobody waits for a place", () => {
    expect(run({ seconds: 60 }, (atOnce) => atOnce * 5 * MB, 10).tried).toEqual([16]);
  });

  test("is never more than the most, nor doubled past it", () => {
    expect(run({ seconds: 60, most: 40 }, (atOnce) => atOnce * 5 * MB).tried).toEqual([16, 32]);
  });
});

test("a limiter begins as many as its pace allows", async () => {
  let nowMs = 0;
  const limiter = new Limiter({ count: new Pace({ first: 2, most: 8, now: () => nowMs }) });
  const ends: (() => void)[] = [];
  let underWay = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise<void>((resolve) => ends.push(resolve));
    underWay -= 1;
  };
  const all = Array.from({ length: 60 }, async () => await limiter.add(work, 1));
  const mostWhen: number[] = [];
  for (let ended = 0; ended < 60; ended += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    mostWhen.push(most);
    // Each has the same speed, whatever the others do.
    nowMs += 1000 / ends.length;
    ends.shift()?.();
  }
  await Promise.all(all);
  await limiter.drain();
  expect([...new Set(mostWhen)]).toEqual([2, 4, 8]);
});
