import { expect, test } from "vitest";
import type { Clock } from "../../src/system/clock.ts";
import { limitRate } from "../../src/system/rate-limit.ts";

function fakeClock(): Clock & { advance(ms: number): void } {
  let now = 1000;
  return {
    now: () => now,
    advance: (ms) => {
      now += ms;
    },
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      now += ms;
    },
  };
}

const { signal } = new AbortController();

test("over any while, no more than the rate and a short burst passes", async () => {
  const clock = fakeClock();
  const limit = limitRate(1000, clock);
  const startedAt = clock.now();
  let taken = 0;
  for (const bytes of [10, 500, 3000, 1, 1, 4000, 20, 2500]) {
    await limit.take(bytes, signal);
    const allowed = ((clock.now() - startedAt) / 1000) * 1000 + 100;
    expect(taken).toBeLessThanOrEqual(allowed + 0.001);
    taken += bytes;
  }
  await limit.take(1, signal);
  expect(clock.now() - startedAt).toBeCloseTo(taken - 100, 3);
});

test("an idle hour is not made up for", async () => {
  const clock = fakeClock();
  const limit = limitRate(1000, clock);
  await limit.take(1, signal);
  clock.advance(3_600_000);
  const resumedAt = clock.now();
  for (let at = 0; at < 10; at += 1) await limit.take(100, signal);
  expect(clock.now() - resumedAt).toBeGreaterThanOrEqual(800);
});

test("takers at once share one rate, in order", async () => {
  const limit = limitRate(100_000);
  const startedAt = performance.now();
  const order: number[] = [];
  await Promise.all(
    [0, 1, 2, 3].map(async (each) => {
      await limit.take(10_000, signal);
      order.push(each);
    }),
  );
  expect(order).toEqual([0, 1, 2, 3]);
  expect(performance.now() - startedAt).toBeGreaterThan(180);
});

test("a waiting taker hears the abort", async () => {
  const limit = limitRate(1);
  await limit.take(1000, signal);
  await expect(limit.take(1, AbortSignal.timeout(20))).rejects.toMatchObject({ code: "TIME_LIMIT" });
});
