/** Errors on their way from a thread to the one that asked: they lose their class there, so what counts of them goes as plain data. */
import type { ErrorCode } from "../domain/error-codes.ts";
import { ActionError, describeError } from "../domain/errors.ts";

export interface ThreadFailure {
  readonly code: ErrorCode;
  readonly text: string;
  readonly hint: string | undefined;
  readonly cause: string | undefined;
}

/** `otherwise`: the code of an error that has none. */
export function failureOf(error: unknown, otherwise: ErrorCode): ThreadFailure {
  return {
    code: error instanceof ActionError ? error.code : otherwise,
    text: error instanceof Error ? error.message : String(error),
    hint: error instanceof ActionError ? error.hint : undefined,
    cause: error instanceof Error && error.cause !== undefined ? describeError(error.cause) : undefined,
  };
}

export function errorOf({ code, text, hint, cause }: ThreadFailure): ActionError {
  return new ActionError(code, text, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}
