import { describe, expect, it } from "vitest";
import { retry, retryAfterMs, type RetryPolicy } from "../../src/system/retry.ts";
import { fakeClock } from "./fake-clock.ts";

const passing = new Error("passes");

function policy(changes: Partial<RetryPolicy> = {}) {
  return {
    attempts: 4,
    firstPauseMs: 100,
    longestPauseMs: 300,
    passes: (error: unknown) => error === passing,
    signal: new AbortController().signal,
    ...changes,
    clock: fakeClock(),
  };
}

describe("retry", () => {
  it.each([1, 2, 3, 4])("succeeds at attempt %i of four", async (good) => {
    const attempts: number[] = [];
    const result = await retry(policy(), async (attempt) => {
      attempts.push(attempt);
      if (attempt < good) throw passing;
      return "done";
    });
    expect([result, attempts]).toEqual(["done", [1, 2, 3, 4].slice(0, good)]);
  });

  it("throws the last failure when the attempts are used up, after pauses that double up to the longest", async () => {
    const used = policy();
    await expect(retry(used, async () => Promise.reject(passing))).rejects.toBe(passing);
    expect(used.clock.slept).toHaveLength(3);
    for (const [index, nominal] of [100, 200, 300].entries()) {
      expect(used.clock.slept[index]).toBeGreaterThanOrEqual(nominal * 0.5);
      expect(used.clock.slept[index]).toBeLessThan(nominal * 1.5);
    }
  });

  it("throws what does not pass at once", async () => {
    const used = policy();
    const lasting = new Error("lasts");
    await expect(retry(used, async () => Promise.reject(lasting))).rejects.toBe(lasting);
    expect(used.clock.slept).toEqual([]);
  });

  it("waits at least as long as it was told to, but no more than a minute or so", async () => {
    for (const [afterMs, waited] of [
      [5_000, 5_000],
      [3_600_000, 60_000],
    ] as const) {
      const used = policy({ attempts: 2, passes: () => ({ afterMs }) });
      await expect(retry(used, async () => Promise.reject(passing))).rejects.toBe(passing);
      expect(used.clock.slept).toEqual([waited]);
    }
  });

  it("ends when it is cancelled, in the work and in a pause", async () => {
    const stop = new AbortController();
    const work = retry(policy({ signal: stop.signal }), async () => {
      stop.abort();
      throw passing;
    });
    await expect(work).rejects.toMatchObject({ code: "CANCELLED" });
    const later = new AbortController();
    const pause = retry(policy({ signal: later.signal, onRetry: () => later.abort() }), async () => {
      throw passing;
    });
    await expect(pause).rejects.toMatchObject({ code: "CANCELLED" });
  });
});

it("reads Retry-After as seconds and as a date", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(retryAfterMs("7", now)).toBe(7_000);
  expect(retryAfterMs("Thu, 01 Jan 2026 00:00:30 GMT", now)).toBe(30_000);
  expect(retryAfterMs("Wed, 31 Dec 2025 00:00:00 GMT", now)).toBe(0);
  for (const header of [null, undefined, "", "soon"]) expect(retryAfterMs(header, now)).toBeUndefined();
});
