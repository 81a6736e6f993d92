/** A store that is too busy is asked again, later and later: the requests of a run, which all do so, become fewer by that. */
import { hasCode } from "../domain/errors.ts";
import { retry } from "../system/retry.ts";
import { StoreBusyError } from "./errors.ts";
import type { RequestLimits } from "./limits.ts";

const pauses = { firstPauseMs: 1_000, longestPauseMs: 30_000 };

/**
 * `work`, which throws STORE_BUSY when it was refused for that; thrown on after as many attempts as the limits allow. It gets the
 * attempt, from 1: what a store refused it may have done all the same.
 */
export async function patiently<T>(
  { busyAttempts }: RequestLimits,
  signal: AbortSignal,
  work: (attempt: number) => Promise<T>,
): Promise<T> {
  const passes = (error: unknown): boolean | { readonly afterMs: number } =>
    error instanceof StoreBusyError ? error : hasCode(error, "STORE_BUSY");
  return await retry({ ...pauses, attempts: busyAttempts, passes, signal }, work);
}
