import { expect, it } from "vitest";
import { poll, type PollOptions } from "../../src/system/poll.ts";
import { fakeClock } from "./fake-clock.ts";

function options(changes: Partial<PollOptions> = {}) {
  return {
    everyMs: 100,
    limitMs: 1_000,
    signal: new AbortController().signal,
    ...changes,
    clock: fakeClock(),
  };
}

it("looks until there is an answer, false and null among them", async () => {
  for (const answer of ["here", false, 0, null]) {
    const used = options();
    let looks = 0;
    expect(await poll(used, () => ((looks += 1) === 3 ? answer : undefined))).toBe(answer);
    expect(used.clock.slept).toEqual([100, 100]);
  }
});

it("is over after its time, with a last look at the end, and after one look where there is no time", async () => {
  const used = options({ limitMs: 250 });
  let looks = 0;
  expect(await poll(used, () => void (looks += 1))).toBeUndefined();
  expect([looks, used.clock.now(), ...used.clock.slept]).toEqual([4, 250, 100, 100, 50]);
  expect(await poll(options({ limitMs: 0 }), () => "at once")).toBe("at once");
});

it("lets pauses grow from the first to the longest", async () => {
  const used = options({ everyMs: [20, 28] });
  await poll(used, () => undefined);
  expect(used.clock.slept.slice(0, 4)).toEqual([20, 24, 28, 28]);
});

it("gives up where nothing moves any more, and not as long as something does", async () => {
  const still = options({ noProgressMs: 300, progress: () => "60 %" });
  await poll(still, () => undefined);
  expect(still.clock.now()).toBe(300);
  let percent = 0;
  const moving = options({ noProgressMs: 300, progress: () => Math.min(3, percent) });
  await poll(moving, () => void (percent += 1));
  expect(moving.clock.now()).toBe(500);
});

it("looks again after a failure that says nothing, and throws any other at once", async () => {
  const passing = new Error("connection reset");
  const passes = (error: unknown): boolean => error === passing;
  let looks = 0;
  const answer = await poll(options({ passes }), async () => {
    looks += 1;
    if (looks < 3) throw passing;
    return looks;
  });
  expect(answer).toBe(3);
  await expect(poll(options({ passes }), async () => Promise.reject(passing))).rejects.toBe(passing);
  const other = new Error("denied");
  await expect(poll(options({ passes }), async () => Promise.reject(other))).rejects.toBe(other);
});

it("ends when it is cancelled", async () => {
  const stop = new AbortController();
  const looking = poll(options({ signal: stop.signal }), () => {
    stop.abort();
    return undefined;
  });
  await expect(looking).rejects.toMatchObject({ code: "CANCELLED" });
});
