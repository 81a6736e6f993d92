/**
 * What can go wrong with a store, by code. The first three are part of the port's contract and callers branch on them;
 * the others are for people: what the store would not do, and what to change.
 */
import { ActionError, type ErrorDetails } from "../domain/errors.ts";
import { proxyHint } from "../system/proxy.ts";

export class ObjectNotFoundError extends ActionError {
  override readonly name = "ObjectNotFoundError";

  constructor(url: string, cause?: unknown) {
    super("OBJECT_NOT_FOUND", `${url} does not exist.`, {
      hint: "If a snapshot lost it, use another one; `command: list` shows what the storage holds.",
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** The object is no longer the version the caller is bound to. */
export class ObjectChangedError extends ActionError {
  override readonly name = "ObjectChangedError";

  constructor(url: string, cause?: unknown) {
    super("OBJECT_CHANGED", `${url} is not the version any more that this run began to read.`, {
      hint: "It was replaced, or several servers answer for it and differ. Run again; the new version is read from its start.",
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** A conditional write lost: the key exists, or is another version than the caller saw. */
export class PreconditionFailedError extends ActionError {
  override readonly name = "PreconditionFailedError";

  constructor(url: string, cause?: unknown) {
    super("PRECONDITION_FAILED", `${url} was written by another process in the meantime.`, {
      hint: "Read it again and repeat the change.",
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

export type StoreErrorCode =
  /** Wrong, expired or missing credentials. */
  | "STORE_CREDENTIALS"
  /** The credentials are good and the right is missing. */
  | "STORE_DENIED"
  /** No such bucket, container or directory. */
  | "STORE_NOT_FOUND"
  | "STORE_READ_ONLY"
  | "STORE_FULL"
  | "STORE_REGION"
  | "STORE_CLOCK"
  /** The endpoint is plain http on the public internet. */
  | "STORE_PLAIN_HTTP"
  | "STORE_REDIRECT_REFUSED"
  /** No connection to the endpoint can be made. */
  | "STORE_UNREACHABLE"
  /** It has more to do than it takes, from this run or from others. */
  | "STORE_BUSY"
  /** The connection stands and nothing moves on it. */
  | "STORE_STALLED"
  /** The store cannot do what was asked, whatever the rights. */
  | "STORE_UNSUPPORTED"
  /** An object is not as long as it has to be, or an upload does not add up. */
  | "STORE_MISMATCH"
  | "STORE_FAILED";

export class StoreError extends ActionError {
  override readonly name = "StoreError";
  override readonly code: StoreErrorCode;
  /** The same request may succeed a moment later. */
  readonly mayPass: boolean;

  constructor(code: StoreErrorCode, message: string, details: ErrorDetails = {}, mayPass = false) {
    super(code, message, details);
    this.code = code;
    this.mayPass = mayPass;
  }
}

/** STORE_BUSY with the store's own word on when to come back. */
export class StoreBusyError extends StoreError {
  readonly afterMs: number;

  constructor(message: string, details: ErrorDetails, afterMs = 0) {
    super("STORE_BUSY", message, details);
    this.afterMs = afterMs;
  }
}

/** An error that a caller of the port may see as it is. */
export function isPortError(error: unknown): error is ActionError {
  return error instanceof ActionError;
}

/** What a store's own word for a failure comes to. */
export interface Meaning {
  readonly code: StoreErrorCode;
  /** Goes on after the object's URL. */
  readonly sentence: string;
  readonly hint: string;
}

export const tooShort: Meaning = {
  code: "STORE_MISMATCH",
  sentence: "ends before the range that was asked for",
  hint: "The object is damaged or is not what its index says; verify the snapshot.",
};

export const busy: Meaning = {
  code: "STORE_BUSY",
  sentence: "has too much to do and goes on refusing",
  hint: "Run again later; if it stays, ask whoever runs the store how many requests it takes.",
};

/** HTTP statuses that mean it. */
export const busyStatuses: ReadonlySet<number> = new Set([429, 503]);

/** A range that the object does not have. */
export function beyondEnd(
  url: string,
  range: { readonly offset: number; readonly length: number },
  size: number,
): StoreError {
  return new StoreError(
    "STORE_MISMATCH",
    `${url} has ${size} bytes; bytes ${range.offset} to ${range.offset + range.length - 1} were asked for.`,
    { hint: "The object is damaged or is not what its index says; verify the snapshot." },
  );
}

export function tooLarge(url: string, atMostBytes: number): ActionError {
  return new ActionError("OBJECT_TOO_LARGE", `${url} has more than ${atMostBytes} bytes.`, {
    hint: "No object of its kind is that large: see who can write to the storage.",
  });
}

/** `trouble`: what `system/proxy.ts` says that the proxy did. */
export function stoppedByProxy(url: string, trouble: string, cause: unknown): StoreError {
  const details = { hint: proxyHint, cause };
  return new StoreError("STORE_UNREACHABLE", `${url} cannot be reached: ${trouble}.`, details, true);
}

export function uploadClosed(url: string): StoreError {
  return new StoreError("STORE_FAILED", `The upload of ${url} has been completed or taken back.`);
}
