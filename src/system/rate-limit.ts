/**
 * Bytes a second, kept over any number of readers or senders at once. A taker waits for the bytes that were taken
 * before it, not for its own: so a piece larger than a second's worth passes whole and the next one waits longer.
 */
import type { Clock } from "./clock.ts";
import { systemClock } from "./clock.ts";

export interface RateLimit {
  /** Resolves when `bytes` may pass; in the order of the calls. Rejects when the signal is aborted while it waits. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

/** What was not used lately may be made up for, but no more than this, so that a pause makes no flood. */
const burstMs = 100;

export function limitRate(bytesPerSecond: number, clock: Clock = systemClock): RateLimit {
  // When everything taken so far has passed.
  let paidUntil = -Infinity;
  return {
    async take(bytes, signal) {
      const now = clock.now();
      const startsAt = Math.max(paidUntil, now - burstMs);
      paidUntil = startsAt + (bytes / bytesPerSecond) * 1000;
      if (startsAt > now) await clock.sleep(startsAt - now, signal);
    },
  };
}
