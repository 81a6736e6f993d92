/**
 * A lock between processes (and, on network file systems that pass locks on, between hosts) that needs no judgement of
 * who is still alive: the kernel's own `flock`, held by a child that ends when its input closes. However this process
 * dies, the pipe closes and the lock is free; the lock file itself means nothing and stays where it is.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { ActionError, throwIfAborted } from "../domain/errors.ts";
import { deadline } from "./deadline.ts";

export interface FileLockOptions {
  /** How long to wait for whoever holds it. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Runs `work` while `file` (made if missing) is locked. LOCK_TIMEOUT, LOCK_UNAVAILABLE. */
export async function withFileLock<T>(
  file: string,
  options: FileLockOptions,
  work: () => Promise<T>,
): Promise<T> {
  throwIfAborted(options.signal);
  // Only -x, which busybox has too; the child says it holds the lock by one empty line.
  const child = spawn("flock", ["-x", file, "sh", "-c", "echo; exec cat >/dev/null"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  // The child may be gone before its input is closed; there is nothing to say then.
  child.stdin.on("error", () => undefined);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  try {
    await acquired(child, file, options);
    return await work();
  } finally {
    child.stdin.end();
    if (child.exitCode === null && child.pid !== undefined) await ended;
  }
}

async function acquired(
  child: ChildProcess,
  file: string,
  { timeoutMs, signal }: FileLockOptions,
): Promise<void> {
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-500)));
  const hint =
    "Another run seems to be stuck on this host or another one that shares the directory; see what holds the file (fuser, lslocks).";
  const limit = {
    ms: timeoutMs,
    code: "LOCK_TIMEOUT",
    what: `The wait for the lock of ${file}`,
    hint,
  } as const;
  try {
    await deadline({ ...limit, signal }, async () => {
      await new Promise<void>((resolve, reject) => {
        child.stdout?.once("data", () => resolve());
        child.once("error", (cause) => reject(unavailable(file, "flock cannot be run", cause)));
        child.once("close", () => reject(unavailable(file, said.trim() || "flock ended at once")));
      });
    });
  } catch (error) {
    child.kill("SIGTERM");
    throw error;
  }
}

function unavailable(file: string, why: string, cause?: unknown): ActionError {
  return new ActionError("LOCK_UNAVAILABLE", `${file} cannot be locked: ${why}.`, {
    hint: "The directory must be writable, its file system must know flock (NFS: with its lock service), and the command flock (util-linux) must be installed.",
    ...(cause === undefined ? {} : { cause }),
  });
}
