import { ActionError } from "../domain/errors.ts";

export interface ExecResult {
  readonly argv: readonly string[];
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** A command could not be run or did not exit with 0 where it had to. */
export class CommandError extends ActionError {
  override readonly name = "CommandError";
  readonly result: ExecResult | undefined;

  constructor(message: string, details: { hint?: string; cause?: unknown; result?: ExecResult } = {}) {
    super("COMMAND_FAILED", message, details);
    this.result = details.result;
  }
}
