/**
 * Gives the simulated node what supervisors and process lists see of a real one: an executable named `stacks-node`. The
 * running process is a copy of Node by that name, so the base name of `/proc/<pid>/exe` is right; in front of it stands
 * a launcher of the same name that takes the real node's command line (`stacks-node version`, `stacks-node --dir …`).
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { chmodSync, constants, copyFileSync, linkSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";

/**
 * How long is waited for what has to come: it costs nothing where it comes, and on a machine with more to do than it has
 * processors everything takes many times as long.
 */
export const patienceMs = 240_000;

export interface NodeExecutable {
  /** `<dir>/bin/stacks-node`, a shell script that replaces itself by `binary`: for units, containers, `version`. */
  readonly launcher: string;
  /** `<dir>/lib/stacks-node`, what runs. */
  readonly binary: string;
  /** The simulator's program, the first argument of `binary`. */
  readonly program: string;
}

/** Tests have it built. */
const program = process.env["SIMULATED_NODE"] ?? resolve(import.meta.dirname, "node.ts");

/** Makes both below `dir`. Cheap: a hard link of the running Node where the file system allows it. */
export function makeNodeExecutable(dir: string, name = "stacks-node"): NodeExecutable {
  const binary = join(dir, "lib", name);
  const launcher = join(dir, "bin", name);
  mkdirSync(join(dir, "lib"), { recursive: true });
  mkdirSync(join(dir, "bin"), { recursive: true });
  try {
    linkSync(process.execPath, binary);
  } catch {
    copyFileSync(process.execPath, binary, constants.COPYFILE_FICLONE);
  }
  const flags = "--disable-warning=ExperimentalWarning";
  writeFileSync(launcher, `#!/bin/sh\nexec '${binary}' ${flags} '${program}' "$@"\n`);
  chmodSync(launcher, 0o755);
  return { launcher, binary, program };
}

export interface RunningNode {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Everything it has printed on stderr. */
  log(): string;
  readonly ended: Promise<{ readonly exitCode: number | null; readonly signal: NodeJS.Signals | null }>;
}

/** Starts a node as a child of this process; the caller ends it. `args` as in `node.ts`. */
export function startNode(executable: NodeExecutable, args: readonly string[]): RunningNode {
  const argv = ["--disable-warning=ExperimentalWarning", executable.program, ...args];
  const child = spawn(executable.binary, argv, { stdio: ["ignore", "ignore", "pipe"] });
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const ended = new Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }>((done) => {
    child.once("close", (exitCode, signal) => done({ exitCode, signal }));
  });
  if (child.pid === undefined) throw new Error(`cannot start ${executable.binary}`);
  return { child, pid: child.pid, log: () => text, ended };
}

/**
 * Starts a node in a session of its own, as init's child: a node whose parent lives is one that somebody keeps, and the
 * action leaves that to its supervisor. Returns its pid.
 */
export function startDetached(executable: NodeExecutable, args: readonly string[]): number {
  const line = 'exec 3>&1 >/dev/null; setsid "$@" 3>&- </dev/null 2>/dev/null & echo $! >&3';
  const flags = "--disable-warning=ExperimentalWarning";
  const words = ["-c", line, "sh", executable.binary, flags, executable.program, ...args];
  return Number(execFileSync("/bin/sh", words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
}

/** Resolves with the answer of `/v2/info` once the node gives one; rejects after `patienceMs`. */
export async function waitForInfo(rpcPort: number): Promise<Record<string, unknown>> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${rpcPort}/v2/info`, {
        signal: AbortSignal.timeout(10_000),
      });
      if (response.ok) return (await response.json()) as Record<string, unknown>;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    if (Date.now() > deadline) throw new Error(`no answer of the RPC on port ${rpcPort} in ${patienceMs} ms`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/**
 * A port that nobody listens on at this moment, below those that the kernel gives to outgoing connections: a node that is
 * stopped and started again finds it free.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + randomInt(20_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((done) => {
      server.once("error", () => done(false));
      server.listen(port, "127.0.0.1", () => done(true));
    });
    await new Promise((done) => server.close(done));
    if (isFree) return port;
  }
}
