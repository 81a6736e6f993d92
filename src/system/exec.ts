/**
 * The only place that starts processes. Three ways, by purpose: `query` for short questions (bounded, output kept),
 * `run` for long work that must stop when the run is cancelled, `spawnDetached` for what has to outlive the job.
 * No shell unless the caller asks for one; secrets never go into argv.
 */
import { spawn } from "node:child_process";
import { openSync, closeSync } from "node:fs";
import { getExecOutput } from "@actions/exec";
import { ActionError, throwIfAborted } from "../errors.ts";

export interface ExecResult {
  readonly argv: readonly string[];
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

export interface QueryOptions {
  /** Default 30 s. The limit is kept by coreutils' `timeout`, so it holds even after this process is gone. */
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
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

/** Asks a command a short question. Resolves whatever its exit code; a missing executable has exit code 127. */
export async function query(argv: readonly string[], options: QueryOptions = {}): Promise<ExecResult> {
  const timeoutMs = options.timeoutMs ?? 30_000;
  const bounded = ["-k", "5", String(Math.ceil(timeoutMs / 1000)), ...argv];
  const startedAt = performance.now();
  const output = await getExecOutput("timeout", bounded, {
    silent: true,
    ignoreReturnCode: true,
    env: { ...definedEnv(process.env), LC_ALL: "C", ...options.env },
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
  /** What the child is sent on abort or time-out; default SIGTERM. Never SIGKILL for anything that guards a node. */
  readonly killSignal?: NodeJS.Signals;
}

const keptOutputChars = 64 * 1024;

/**
 * Runs a long command in its own process group and waits. On abort or time-out the group is signalled and awaited.
 * Resolves whatever the exit code (the last 64 Ki characters of output are kept); throws CommandError when it cannot
 * be started and the signal's reason when aborted.
 */
export async function run(argv: readonly string[], options: RunOptions): Promise<ExecResult> {
  throwIfAborted(options.signal);
  const [command, ...args] = argv;
  if (command === undefined) throw new CommandError("No command given.");
  const child = spawn(command, args, {
    detached: true,
    env: { ...process.env, LC_ALL: "C", ...options.env },
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  let timedOut = false;
  const collect = (name: "stdout" | "stderr"): void => {
    let rest = "";
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      output[name] = (output[name] + text).slice(-keptOutputChars);
      if (options.onLine === undefined) return;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) options.onLine(line);
    });
  };
  collect("stdout");
  collect("stderr");
  // A child that does not read its input must not end this process with EPIPE; its exit code tells the story.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.input);
  const endGroup = (): void => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, options.killSignal ?? "SIGTERM");
    } catch {
      // The group ended between the look and the signal.
    }
  };
  options.signal.addEventListener("abort", endGroup, { once: true });
  const timer = setTimeout(() => {
    timedOut = true;
    endGroup();
  }, options.timeoutMs);
  try {
    const ended = await new Promise<{ exitCode: number | null; signal: string | null }>((resolve, reject) => {
      child.once("error", (cause) =>
        reject(
          new CommandError(`Cannot run ${command}.`, {
            cause,
            hint: `Install ${command} or put it on PATH.`,
          }),
        ),
      );
      child.once("close", (exitCode, signal) => resolve({ exitCode, signal }));
    });
    throwIfAborted(options.signal);
    return { argv, ...ended, ...output, timedOut };
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", endGroup);
  }
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

function definedEnv(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}
