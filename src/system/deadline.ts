/**
 * Time limits. What runs out of time fails with an error that says what took how long; it never looks as if the run had
 * been cancelled.
 */
import type { ErrorCode } from "../domain/error-codes.ts";
import { ActionError, throwIfAborted } from "../domain/errors.ts";

export interface TimeLimit {
  readonly ms: number;
  /** Of the error. */
  readonly code: ErrorCode;
  /** Begins a sentence: "The upload's removal". */
  readonly what: string;
  readonly hint?: string;
}

/** A signal that is aborted after `ms`, for work that takes nothing but a signal. It keeps no process alive. */
export function timeLimit(ms: number, code: ErrorCode, what: string, hint?: string): AbortSignal {
  const controller = new AbortController();
  const limit = { ms, code, what, ...(hint === undefined ? {} : { hint }) };
  setTimeout(() => controller.abort(overdue(limit, "took longer than")), ms).unref();
  return controller.signal;
}

/**
 * Runs `work` for at most `ms`: then its signal is aborted and the error is thrown at once, even where the work does not
 * listen. Each call of `progressed` starts the time again, which makes it a limit on standing still. With `signal`,
 * throws its reason as soon as it is aborted.
 */
export async function deadline<T>(
  limit: TimeLimit & { readonly signal?: AbortSignal },
  work: (signal: AbortSignal, progressed: () => void) => Promise<T>,
): Promise<T> {
  const { signal } = limit;
  if (signal !== undefined) throwIfAborted(signal);
  const stop = new AbortController();
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => undefined);
  let restarted = false;
  const timer = setTimeout(() => {
    const error = overdue(limit, restarted ? "made no progress for" : "took longer than");
    stopped.reject(error);
    stop.abort(error);
  }, limit.ms);
  const onAbort = (): void => stopped.reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    // Not only until this call ends: a response's body, say, is still read with it afterwards.
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const running = work(either, () => {
      restarted = true;
      timer.refresh();
    });
    // Where the limit wins, the work may still fail, with nobody left to hear it.
    running.catch(() => undefined);
    return await Promise.race([running, stopped.promise]);
  } catch (error) {
    // What the work throws because it was stopped says less than why it was stopped.
    if (signal !== undefined) throwIfAborted(signal);
    if (stop.signal.aborted) throw stop.signal.reason;
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** The same for what is under way already and cannot be stopped. */
export async function awaitWithin<T>(
  limit: TimeLimit & { readonly signal?: AbortSignal },
  work: Promise<T>,
): Promise<T> {
  // Where the signal is aborted by now nobody would hear of its failure, which ends the process.
  work.catch(() => undefined);
  return await deadline(limit, async () => await work);
}

function overdue({ ms, code, what, hint }: TimeLimit, how: string): ActionError {
  return new ActionError(code, `${what} ${how} ${spell(ms)}.`, hint === undefined ? {} : { hint });
}

function spell(ms: number): string {
  return ms < 120_000 ? `${ms / 1000} s` : `${Math.round(ms / 6000) / 10} min`;
}
