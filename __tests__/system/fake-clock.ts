/** A clock that sleeps in no time, and remembers for how long it was asked to. */
import { throwIfAborted } from "../../src/domain/errors.ts";
import type { Clock } from "../../src/system/clock.ts";

export interface FakeClock extends Clock {
  readonly slept: readonly number[];
}

export function fakeClock(start = 0): FakeClock {
  const slept: number[] = [];
  let now = start;
  return {
    slept,
    now: () => now,
    async sleep(ms, signal) {
      if (signal !== undefined) throwIfAborted(signal);
      slept.push(ms);
      now += ms;
    },
  };
}
