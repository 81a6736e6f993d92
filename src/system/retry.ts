/** Does something again that failed in a way known to pass: so many times, with pauses that grow and differ between hosts. */
import { throwIfAborted } from "../domain/errors.ts";
import { systemClock, type Clock } from "./clock.ts";

export interface Backoff {
  /** The pause after the first failure; each next one is twice as long. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

export interface RetryPolicy extends Backoff {
  /** The first included. */
  readonly attempts: number;
  /**
   * Whether this failure is known to pass; false: it is thrown at once. `afterMs`: it passes, and whoever refused said
   * when to come back (at most `longestAfterMs` is waited).
   */
  readonly passes: (error: unknown) => boolean | { readonly afterMs: number };
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Called before each pause. */
  readonly onRetry?: (retry: Retry) => void;
}

export interface Retry {
  readonly error: unknown;
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly pauseMs: number;
}

/** No server's wish makes a run wait longer. */
const longestAfterMs = 60_000;

/** Throws the last failure, the first that does not pass, or the signal's reason. `work` gets the attempt, from 1. */
export async function retry<T>(policy: RetryPolicy, work: (attempt: number) => Promise<T>): Promise<T> {
  const { signal, clock = systemClock } = policy;
  for (let attempt = 1; ; attempt += 1) {
    throwIfAborted(signal);
    try {
      return await work(attempt);
    } catch (error) {
      throwIfAborted(signal);
      const passes = policy.passes(error);
      if (passes === false || attempt >= policy.attempts) throw error;
      const afterMs = passes === true ? 0 : Math.min(Math.max(0, passes.afterMs), longestAfterMs);
      const pauseMs = Math.max(afterMs, backoffMs(policy, attempt));
      policy.onRetry?.({ error, attempt, pauseMs });
      await clock.sleep(pauseMs, signal);
    }
  }
}

/** The pause after so many failures in a row, half to one and a half times what doubling gives. */
export function backoffMs({ firstPauseMs, longestPauseMs }: Backoff, failures: number): number {
  return Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1)) * (0.5 + Math.random());
}

/** What a `Retry-After` header asks for: seconds or a date. Undefined where there is none that can be read. */
export function retryAfterMs(header: string | null | undefined, now: number): number | undefined {
  if (header === null || header === undefined || header.trim() === "") return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
