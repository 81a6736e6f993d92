/** Ends a request on which nothing moves, for clients that have no such limit of their own. */
import { throwIfAborted } from "../errors.ts";
import { StoreError } from "./errors.ts";

export interface ProgressLimit {
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal;
  /** For the message. */
  readonly url: string;
}

/** `work` gets a signal that is aborted after `idleTimeoutMs` without a call of `progressed`. STORE_STALLED. */
export async function withProgressLimit<T>(
  limit: ProgressLimit,
  work: (stop: AbortSignal, progressed: () => void) => Promise<T>,
): Promise<T> {
  throwIfAborted(limit.signal);
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), limit.idleTimeoutMs);
  try {
    return await work(AbortSignal.any([limit.signal, stalled.signal]), () => timer.refresh());
  } catch (error) {
    throwIfAborted(limit.signal);
    if (!stalled.signal.aborted) throw error;
    throw new StoreError("STORE_STALLED", `${limit.url} stopped answering.`, {
      hint: "Check the store's health and the network to it, then run again.",
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}
