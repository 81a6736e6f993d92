/**
 * The only place that starts processes. Three ways, by purpose: `query` for short questions (bounded, output kept),
 * `run` for long work that must stop when the run is cancelled, `spawnDetached` for what has to outlive the job.
 * No shell unless the caller asks for one; secrets never go into argv.
 */
import { spawn } from "node:child_process";
import { openSync, closeSync } from "node:fs";
import { getExecOutput } from "@actions/exec";
import type { Readable } from "node:stream";
import { throwIfAborted } from "../domain/errors.ts";
import { ChildSupervisor, type EndOptions } from "./child-end.ts";
import { CommandError, type ExecResult } from "./command-error.ts";
import { inheritedEnvironment } from "./environment.ts";

export { CommandError, type ExecResult } from "./command-error.ts";

export interface QueryOptions {
  /** Default 30 s. The limit is kept by coreutils' `timeout`, so it holds even after this process is gone. */
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Asks a command a short question. Resolves whatever its exit code; a missing executable has exit code 127. */
export async function query(argv: readonly string[], options: QueryOptions = {}): Promise<ExecResult> {
  const timeoutMs = options.timeoutMs ?? 30_000;
  const bounded = ["-k", "5", String(Math.ceil(timeoutMs / 1000)), ...argv];
  const startedAt = performance.now();
  const output = await getExecOutput("timeout", bounded, {
    silent: true,
    ignoreReturnCode: true,
    env: inheritedEnvironment(options.env),
    ...(options.input === undefined ? {} : { input: Buffer.from(options.input) }),
  });
  // Null when a signal ended `timeout`, whatever the type says: its own SIGKILL, which it sends to its whole group, to a command
  // that SIGTERM did not end (one that waits for a frozen file system, say), or the one that ended the command.
  const exitCode = output.exitCode as number | null;
  const isOver = performance.now() - startedAt >= timeoutMs;
  return {
    argv,
    exitCode,
    signal: null,
    stdout: output.stdout,
    stderr: output.stderr,
    timedOut: exitCode === 124 || exitCode === 137 || (exitCode === null && isOver),
  };
}

/** `query`, and an error unless it exits with 0. */
export async function queryOk(argv: readonly string[], options: QueryOptions = {}): Promise<string> {
  const result = await query(argv, options);
  if (result.exitCode !== 0) throw failed(result);
  return result.stdout;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Called with each line of stdout and stderr as it comes. */
  readonly onLine?: (line: string) => void;
  /** SIGKILL for the group so long after SIGTERM (default 10 s); "never" for what guards, stops or starts a node. */
  readonly killAfterMs?: EndOptions["killAfterMs"];
  /** Asks it to end, and how it ended is returned, as if it had by itself. SIGKILL follows after `killAfterMs`. */
  readonly stop?: { readonly signal: AbortSignal; readonly killAfterMs: number };
}

const keptOutputChars = 64 * 1024;
/** What a command left in the background may hold its pipes for as long as it likes. */
const pipesAfterExitMs = 1_000;

/**
 * Runs a long command in its own process group and waits for its exit. On abort or time-out the group is ended. Resolves
 * whatever the exit code (the last 64 Ki characters of output are kept); throws CommandError when it cannot be started
 * and the signal's reason when aborted.
 */
export async function run(argv: readonly string[], options: RunOptions): Promise<ExecResult> {
  throwIfAborted(options.signal);
  const [command, ...args] = argv;
  if (command === undefined) throw new CommandError("No command given.");
  const child = spawn(command, args, {
    detached: true,
    env: inheritedEnvironment(options.env),
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  const { killAfterMs } = options;
  const supervisor = new ChildSupervisor(child, {
    command,
    pipesAfterExitMs,
    ...(killAfterMs === undefined ? {} : { killAfterMs }),
  });
  const [stdout, stderr] = [child.stdout, child.stderr].map((pipe) => keepOutput(pipe, options.onLine));
  // A child that does not read its input must not end this process with EPIPE; its exit code tells the story.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.input);
  let timedOut = false;
  const onAbort = (): void => supervisor.stop();
  options.signal.addEventListener("abort", onAbort, { once: true });
  const { stop } = options;
  const onStop = (): void => supervisor.stop(stop?.killAfterMs);
  stop?.signal.addEventListener("abort", onStop, { once: true });
  const timer = setTimeout(() => {
    timedOut = true;
    supervisor.stop();
  }, options.timeoutMs);
  child.once("exit", () => clearTimeout(timer));
  try {
    const ended = await supervisor.ended;
    throwIfAborted(options.signal);
    return { argv, ...ended, stdout: stdout?.() ?? "", stderr: stderr?.() ?? "", timedOut };
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", onAbort);
    stop?.signal.removeEventListener("abort", onStop);
  }
}

/** Reads a pipe by lines and keeps its end; what is returned is called when it has ended, for the line without a newline. */
function keepOutput(pipe: Readable | null, onLine: RunOptions["onLine"]): () => string {
  let kept = "";
  let rest = "";
  pipe?.setEncoding("utf8").on("data", (text: string) => {
    kept = (kept + text).slice(-keptOutputChars);
    if (onLine === undefined) return;
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  return () => {
    if (rest !== "") onLine?.(rest);
    return kept;
  };
}

/** `run`, and an error unless it exits with 0 within its time. */
export async function runOk(argv: readonly string[], options: RunOptions): Promise<ExecResult> {
  const result = await run(argv, options);
  if (result.exitCode !== 0 || result.timedOut) throw failed(result);
  return result;
}

export interface DetachOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  /** Files that stdout and stderr are appended to; /dev/null by default. */
  readonly stdout?: string;
  readonly stderr?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Starts a process that outlives this one: its own session, no inherited stdio, exactly the environment given.
 * Returns its pid once it runs.
 */
export async function spawnDetached(argv: readonly string[], options: DetachOptions): Promise<number> {
  const [command, ...args] = argv;
  if (command === undefined) throw new CommandError("No command given.");
  const stdout = openSync(options.stdout ?? "/dev/null", "a");
  const stderr = openSync(options.stderr ?? "/dev/null", "a");
  try {
    const child = spawn(command, args, {
      detached: true,
      cwd: options.directory,
      env: options.env,
      stdio: ["ignore", stdout, stderr],
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (cause) => reject(new CommandError(`Cannot start ${command}.`, { cause })));
    });
    child.unref();
    if (child.pid === undefined) throw new CommandError(`Cannot start ${command}.`);
    return child.pid;
  } finally {
    closeSync(stdout);
    closeSync(stderr);
  }
}

function failed(result: ExecResult): CommandError {
  const how = result.timedOut
    ? "took too long"
    : `ended with ${result.signal ?? `exit code ${result.exitCode}`}`;
  const said = (result.stderr.trim() || result.stdout.trim()).slice(-500);
  return new CommandError(
    `\`${shortened(result.argv.join(" "))}\` ${how}${said === "" ? "." : `: ${said}`}`,
    {
      result,
    },
  );
}

/** A person knows a command by its beginning; `result` has the whole. */
function shortened(command: string): string {
  return command.length <= 100 ? command : `${command.slice(0, 99)}…`;
}
