import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { throwIfAborted } from "../../src/domain/errors.ts";
import { bestEffort } from "../../src/system/best-effort.ts";
import { systemClock } from "../../src/system/clock.ts";
import { awaitWithin, deadline, timeLimit } from "../../src/system/deadline.ts";

const code = "STORE_STALLED" as const;
const limit = { ms: 20, code, what: "The answer of the store", hint: "Look at it." };
const forEver = async (): Promise<never> => await new Promise<never>(() => undefined);
const overdue = {
  code: "STORE_STALLED",
  message: "The answer of the store took longer than 0.02 s.",
  hint: "Look at it.",
};

describe("a deadline", () => {
  it("gives the result and the failure of work that ends in time", async () => {
    expect(await deadline({ ...limit, ms: 10_000 }, async () => 5)).toBe(5);
    const failure = new Error("its own");
    await expect(deadline(limit, async () => Promise.reject(failure))).rejects.toBe(failure);
    await expect(
      deadline(limit, () => {
        throw failure;
      }),
    ).rejects.toBe(failure);
  });

  it("fails with its own code, where the work listens to the signal and where it does not", async () => {
    await expect(deadline(limit, forEver)).rejects.toMatchObject(overdue);
    const listens = deadline(limit, async (signal) => await delay(60_000, undefined, { signal }));
    await expect(listens).rejects.toMatchObject(overdue);
    const asks = deadline(limit, async (signal) => await systemClock.sleep(60_000, signal));
    await expect(asks).rejects.toMatchObject(overdue);
  });

  it("starts again with each progress, and says that there was none", async () => {
    let done = 0;
    const moving = deadline({ ...limit, ms: 200 }, async (_, progressed) => {
      for (; done < 6; done += 1) {
        await delay(50);
        progressed();
      }
      return await forEver();
    });
    await expect(moving).rejects.toMatchObject({
      message: "The answer of the store made no progress for 0.2 s.",
    });
    expect(done).toBe(6);
  });

  it("ends with the reason of the signal around it, at once", async () => {
    const stop = new AbortController();
    const work = deadline({ ...limit, ms: 60_000, signal: stop.signal }, forEver);
    stop.abort();
    await expect(work).rejects.toMatchObject({ code: "CANCELLED" });
    const begun = deadline({ ...limit, signal: stop.signal }, async () => 1);
    await expect(begun).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("passes the signal around it on even after its end: a body is read after its response", async () => {
    const stop = new AbortController();
    const inner = await deadline({ ...limit, signal: stop.signal }, async (signal) => signal);
    stop.abort();
    expect(inner.aborted).toBe(true);
  });
});

describe("a time limit", () => {
  it("says what took how long, to whoever asks the signal", async () => {
    const signal = timeLimit(10, "CLEAN_UP_TIMEOUT", "The clean-up");
    await expect(systemClock.sleep(60_000, signal)).rejects.toMatchObject({
      code: "CLEAN_UP_TIMEOUT",
      message: "The clean-up took longer than 0.01 s.",
    });
  });

  it("of AbortSignal.timeout is no cancellation either", async () => {
    const signal = AbortSignal.timeout(1);
    await expect(systemClock.sleep(60_000, signal)).rejects.toMatchObject({ code: "TIME_LIMIT" });
    expect(() => throwIfAborted(AbortSignal.any([new AbortController().signal, signal]))).toThrow(
      "time limit",
    );
  });
});

describe("best effort", () => {
  const heard = () => {
    const lines: string[] = [];
    return { lines, warning: (line: string) => void lines.push(line) };
  };

  it("is true when the work is done", async () => {
    const report = heard();
    expect(await bestEffort(report, "remove x", async () => undefined)).toBe(true);
    expect(report.lines).toEqual([]);
  });

  it("is false and warns when it fails or takes too long, and never replaces what is on its way", async () => {
    const report = heard();
    const first = new Error("the first");
    const run = async (): Promise<void> => {
      try {
        throw first;
      } finally {
        expect(await bestEffort(report, "remove x", async () => Promise.reject(new Error("403")))).toBe(
          false,
        );
        expect(await bestEffort(report, "remove y", forEver, 10)).toBe(false);
      }
    };
    await expect(run()).rejects.toBe(first);
    expect(report.lines).toEqual([
      "Could not remove x: 403",
      "Could not remove y: it took longer than 0.01 s.",
    ]);
  });

  it("survives a report that fails", async () => {
    const broken = {
      warning: () => {
        throw new Error("no log");
      },
    };
    expect(await bestEffort(broken, "remove x", async () => Promise.reject(new Error("403")))).toBe(false);
  });
});

it("what is under way already may fail when nobody waits for it any more", async () => {
  const unheard: unknown[] = [];
  const hear = (reason: unknown): void => void unheard.push(reason);
  process.on("unhandledRejection", hear);
  try {
    const cancelled = AbortSignal.abort(new Error("cancelled"));
    const work = Promise.withResolvers<never>();
    await expect(awaitWithin({ ...limit, signal: cancelled }, work.promise)).rejects.toThrow("cancelled");
    work.reject(new Error("ended by force"));
    await delay(10);
    expect(unheard).toEqual([]);
    expect(await awaitWithin({ ...limit, ms: 10_000 }, Promise.resolve(5))).toBe(5);
  } finally {
    process.off("unhandledRejection", hear);
  }
});
