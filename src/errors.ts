/**
 * The one family of errors this program raises on purpose. Each has a stable `code` that callers branch on (nobody
 * matches message texts), a sentence a person understands, a `hint` of what to do, and the original in `cause`.
 * What the node's state is at that moment is added once, by the report, because only the command knows it.
 */

export interface ErrorDetails {
  /** What the reader should do about it, as an imperative sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** An expected failure. `code` is upper snake case and never changes its meaning. */
export class ActionError extends Error {
  override readonly name: string = "ActionError";
  readonly code: string;
  readonly hint: string | undefined;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
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

export function hasCode<C extends string>(error: unknown, code: C): error is Error & { code: C } {
  return error instanceof Error && "code" in error && error.code === code;
}

/** A one-line description of any thrown value, its causes included, for logs and for `cause` chains. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || error.name;
  return error.cause === undefined ? own : `${own} (${describeError(error.cause)})`;
}

/** Throws the signal's reason as a CancelledError if the signal has been aborted. */
export function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  throw signal.reason instanceof ActionError ? signal.reason : new CancelledError();
}
