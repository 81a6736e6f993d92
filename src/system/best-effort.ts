/**
 * Clean-up that must not change how things ended: it has a time limit of its own, is not stopped by the signal of the work
 * it cleans up after, and never throws. For a `finally` and for what comes after the work is done.
 */
import { describeError } from "../domain/errors.ts";
import { deadline } from "./deadline.ts";

/** Whoever hears what went wrong: a run's report, or a list that is looked at later. */
export interface Warnings {
  warning(message: string): void;
}

const defaultLimitMs = 30_000;

/**
 * True when `work` is done. False: it failed or ran out of time, and `report` was told; what was to be cleaned up is then
 * still there as far as anybody knows, so do not strike it from a journal. `what` completes "Could not …": "remove the
 * upload of mainnet.tar.zst".
 */
export async function bestEffort(
  report: Warnings,
  what: string,
  work: (signal: AbortSignal) => Promise<unknown>,
  limitMs: number = defaultLimitMs,
): Promise<boolean> {
  try {
    await deadline({ ms: limitMs, code: "CLEAN_UP_TIMEOUT", what: "it" }, work);
    return true;
  } catch (error) {
    try {
      report.warning(`Could not ${what}: ${describeError(error)}`);
    } catch {
      // Not even the report can be written; the first error counts.
    }
    return false;
  }
}
