/** Turns any thrown value into what a person needs: what happened, what to do about it, and the chain of causes. */
import { ActionError } from "../errors.ts";
import type { Redact } from "./secrets.ts";

export interface Explanation {
  /** "CANCELLED", "INPUT_INVALID" …; "UNEXPECTED" for what was not thrown on purpose. */
  readonly code: string;
  readonly sentence: string;
  readonly hint: string | undefined;
  readonly cancelled: boolean;
  /** Every cause below, outermost first, each on a line of its own; of what was not expected the stack too. May be empty. */
  readonly details: readonly string[];
}

const longestChain = 20;

export function explainError(error: unknown, redact: Redact): Explanation {
  const expected = error instanceof ActionError;
  const message = error instanceof Error ? error.message || error.name : String(error);
  return {
    code: expected ? error.code : "UNEXPECTED",
    sentence: redact(expected ? message : `Something unexpected happened: ${message}`),
    hint: expected
      ? error.hint && redact(error.hint)
      : "This is a fault in the action itself. Please report it with the details from the log.",
    cancelled: expected && error.code === "CANCELLED",
    details: (expected ? expectedDetails(error) : [...chain(error), ...stackOf(error)]).map(redact),
  };
}

/** Without a cause there is nothing to say that the sentence does not say. */
function expectedDetails(error: Error): readonly string[] {
  const lines = chain(error);
  return lines.length > 1 ? lines : [];
}

function chain(error: unknown): readonly string[] {
  return causes(error).slice(0, longestChain);
}

function causes(error: unknown, depth = 0): readonly string[] {
  if (depth >= longestChain) return [];
  const mark = depth === 0 ? "" : `${"  ".repeat(depth - 1)}because: `;
  if (!(error instanceof Error)) return [`${mark}${String(error)}`];
  const code = "code" in error && typeof error.code === "string" ? ` [${error.code}]` : "";
  const below: unknown[] = error.cause === undefined ? [] : [error.cause];
  if (error instanceof AggregateError) below.push(...(error.errors as unknown[]));
  if (error instanceof SuppressedError) below.push(error.error, error.suppressed);
  return [`${mark}${error.name}${code}: ${error.message}`, ...below.flatMap((one) => causes(one, depth + 1))];
}

function stackOf(error: unknown): readonly string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  return error.stack.split("\n").filter((line) => line.trimStart().startsWith("at "));
}
