/**
 * The node's own inspector executes the last blocks again and compares the state that comes of each with what the chainstate
 * has. It opens databases as a node does and writes into them, so it is given a copy.
 */
import { ActionError, describeError, throwIfAborted } from "../../domain/errors.ts";
import type { ExecResult } from "../../system/exec.ts";
import type { ProgramRunner } from "./runner.ts";
import { Words } from "./words.ts";

export interface ReplayRequest {
  readonly programs: ProgramRunner;
  readonly inspector: string;
  readonly blocks: number;
  /** The copy's mode directory. */
  readonly chainstateDir: string;
  /** Of the network; without one `network`. */
  readonly configFile?: string;
  /** `--network-config NAME`; empty: mainnet. */
  readonly network?: readonly string[];
  readonly home: string;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** A mainnet block takes up to some seconds; this is for one that hangs. */
const limitMs = 24 * 3600_000;

/** Returns how many blocks were executed. REPLAY_FAILED. */
export async function replayBlocks(request: ReplayRequest): Promise<number> {
  const { programs, inspector, blocks, chainstateDir, configFile, home, signal, say } = request;
  const network = configFile === undefined ? (request.network ?? []) : ["--config", configFile];
  const argv = [inspector, ...network, "validate-block", chainstateDir, "last", String(blocks)];
  const words = new Words(say);
  let ended: ExecResult;
  try {
    const options = { signal, timeoutMs: limitMs, onLine: words.hear };
    ended = await programs.run({ argv, home, configFile, network: "none", ...options });
  } catch (cause) {
    throwIfAborted(signal);
    throw failed(`could not be run: ${describeError(cause)}`, cause);
  }
  words.tellLast(ended.exitCode === 0 ? 3 : 40);
  if (ended.timedOut) throw failed("did not end within a day");
  if (ended.exitCode !== 0)
    throw failed(`ended with ${ended.signal ?? `exit code ${ended.exitCode}`}: ${words.lastLine}`);
  if (words.panic !== undefined) throw failed(`ended with exit code 0 after a panic: ${words.panic}`);
  const count = replayedBlocks(ended.stdout);
  // With nothing to look at it ends with 0, too.
  if (count === 0) throw failed(`does not say that it has replayed a block: ${words.lastLine}`);
  return count;
}

/** "Finished validating 30 blocks in 4s". 0: it says nothing of the kind. */
function replayedBlocks(stdout: string): number {
  return Number(/\bvalidating (\d+) blocks? in\b/.exec(stdout)?.[1] ?? 0);
}

function failed(what: string, cause?: unknown): ActionError {
  return new ActionError("REPLAY_FAILED", `The replay of the last blocks ${what}.`, { cause });
}
