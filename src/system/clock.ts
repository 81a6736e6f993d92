/** Time as a port, so that waits can be tested without waiting. */
import { setTimeout as delay } from "node:timers/promises";
import { throwIfAborted } from "../errors.ts";

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted before. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      if (signal !== undefined) throwIfAborted(signal);
      throw error;
    }
  },
};
