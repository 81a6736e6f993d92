/**
 * The one family of errors this program raises on purpose. Each has a stable `code` that callers branch on (nobody
 * matches message texts), a sentence a person understands, a `hint` of what to do, and the original in `cause`.
 * What the node's state is at that moment is added once, by the report, because only the command knows it.
 */

import type { ErrorCode } from "./error-codes.ts";

export interface ErrorDetails {
  /** What the reader should do about it, as an imperative sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** An expected failure. `code` stands in the table of `error-codes.ts`. */
export class ActionError extends Error {
  override readonly name: string = "ActionError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }
}

/** An input that cannot be used. Raised before anything is touched. */
export class InputError extends ActionError {
  override readonly name = "InputError";
  readonly input: string;

  constructor(input: string, message: string, hint?: string) {
    super("INPUT_INVALID", message, hint === undefined ? {} : { hint });
    this.input = input;
  }
}

/** The run was cancelled (SIGINT, SIGTERM) while it worked. */
export class CancelledError extends ActionError {
  override readonly name = "CancelledError";

  constructor(message = "The run was cancelled.") {
    super("CANCELLED", message);
  }
}

/** Codes of errors that the system or Node.js raise. */
export type SystemErrorCode =
  | "EACCES"
  | "EBADF"
  | "EBUSY"
  | "ECONNREFUSED"
  | "EDQUOT"
  | "EEXIST"
  | "ELOOP"
  | "ENOENT"
  | "ENOSPC"
  | "ENOTDIR"
  | "ENOTEMPTY"
  | "ENOTSUP"
  | "ENXIO"
  | "EPERM"
  | "ESRCH";

export function hasCode<C extends ErrorCode | SystemErrorCode>(
  error: unknown,
  code: C,
): error is Error & { code: C } {
  return error instanceof Error && "code" in error && error.code === code;
}

/** A one-line description of any thrown value, its causes included, for logs and for `cause` chains. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || error.name;
  return error.cause === undefined ? own : `${own} (${describeError(error.cause)})`;
}

/** Throws why the signal was aborted: the ActionError it was aborted with, TIME_LIMIT for a time limit, CANCELLED else. */
export function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  const reason: unknown = signal.reason;
  if (reason instanceof ActionError) throw reason;
  // Of `AbortSignal.timeout`, which does not say of what; `timeLimit` of system/deadline.ts does.
  if (reason instanceof Error && reason.name === "TimeoutError") {
    throw new ActionError("TIME_LIMIT", "A time limit of this program was reached.", {
      cause: reason,
      hint: "See what it waited for in the log, then run again.",
    });
  }
  throw new CancelledError();
}
