/** Turns any thrown value into what a person needs: what happened, what to do about it, and the chain of causes. */
import { errorCodes, type ErrorCode } from "../domain/error-codes.ts";
import { ActionError } from "../domain/errors.ts";
import type { Redact } from "./secrets.ts";

export interface Explanation {
  /** UNEXPECTED for what was not thrown on purpose. */
  readonly code: ErrorCode;
  readonly sentence: string;
  /** What to do: the error's own hint, or what the table of codes says. */
  readonly hint: string;
  /** Where the documentation of the code is. */
  readonly page: string;
  readonly cancelled: boolean;
  /** Every cause below, outermost first, each on a line of its own; of what was not expected the stack too. May be empty. */
  readonly details: readonly string[];
}

const longestChain = 20;

export function explainError(
  error: unknown,
  redact: Redact,
  environment: Readonly<Record<string, string | undefined>> = {},
): Explanation {
  const expected = error instanceof ActionError;
  const message = error instanceof Error ? error.message || error.name : String(error);
  const code = expected ? error.code : "UNEXPECTED";
  return {
    code,
    sentence: redact(expected ? message : `Something unexpected happened: ${message}`),
    hint: redact((expected ? error.hint : undefined) ?? errorCodes[code][1]),
    page: pageOf(code, environment),
    cancelled: code === "CANCELLED",
    details: (expected ? expectedDetails(error) : [...chain(error), ...stackOf(error)]).map(redact),
  };
}

/** On the web where the runner says which repository and version the action is of; a local action has neither. */
function pageOf(code: ErrorCode, environment: Readonly<Record<string, string | undefined>>): string {
  const path = `docs/errors.md#${code.toLowerCase()}`;
  const { GITHUB_ACTION_REPOSITORY: repository = "", GITHUB_ACTION_REF: ref = "" } = environment;
  const isNamed = /^[\w.-]+\/[\w.-]+$/.test(repository) && /^[\w./-]+$/.test(ref);
  return isNamed ? `https://github.com/${repository}/blob/${ref}/${path}` : path;
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
