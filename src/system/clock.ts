/** Time as a port, so that waits can be tested without waiting. */
import { setTimeout as delay } from "node:timers/promises";
import { throwIfAborted } from "../domain/errors.ts";

export interface Clock {
  /**
   * Milliseconds since the epoch, whole. Within a process it only goes forward: a clock that is set while a run goes on
   * neither ends a wait too early or never, nor makes a downtime of a day.
   */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted before. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Math.floor(performance.timeOrigin + performance.now()),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      if (signal !== undefined) throwIfAborted(signal);
      throw error;
    }
  },
};
