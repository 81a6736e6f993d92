/** Simulated nodes in real surroundings: what the beds of the conformance suite share. */
import type { NodeOptions } from "../../src/domain/options.ts";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "vitest";
import { freePort, makeNodeExecutable, patienceMs } from "../../simulator/launch.ts";
import type { NodeExecutable } from "../../simulator/launch.ts";
import type { NodeContext } from "../../src/node/context.ts";
import type { Clock } from "../../src/system/clock.ts";
import type { Privilege } from "../../src/system/privilege.ts";
import { isAlive, readName, readStat } from "../../src/system/proc.ts";
import { systemClock } from "../../src/system/clock.ts";
import type { NodeSetup } from "../conformance/node-control.ts";
import { memoryDirectory } from "../tools.ts";

export interface Surroundings {
  readonly directory: string;
  /** Above the mode directory, as a node's `working_dir`. */
  readonly workingDir: string;
  readonly chainstateDir: string;
  readonly logFile: string;
  readonly executable: NodeExecutable;
  readonly rpcUrl: string;
  /** The node's arguments, after the launcher. */
  readonly nodeArguments: readonly string[];
  readonly log: () => string;
  readonly options: (overrides?: Partial<NodeOptions>) => NodeOptions;
  remove(): void;
}

/** In memory where there is such a place: a loaded disk would make every start of a node take seconds. */
const memory = memoryDirectory();

/** `share`: a directory that a supervisor in a container of its own sees under the same path. */
export async function makeSurroundings(setup: NodeSetup, share?: string): Promise<Surroundings> {
  const directory = mkdtempSync(path.join(share ?? tmpdir(), "node-control-"));
  const workingDir = mkdtempSync(path.join(share ?? memory, "node-control-"));
  const chainstateDir = path.join(workingDir, "mainnet");
  const logFile = path.join(directory, "node.log");
  const port = await freePort();
  const rpcUrl = `http://127.0.0.1:${port}`;
  return {
    directory,
    workingDir,
    chainstateDir,
    logFile,
    executable: makeNodeExecutable(directory),
    rpcUrl,
    nodeArguments: [
      `--dir=${chainstateDir}`,
      `--rpc-port=${port}`,
      `--stop-delay-ms=${setup.stopDelayMs}`,
      ...(setup.crashOnStop === true ? ["--crash-on-stop"] : []),
    ],
    log: () => (existsSync(logFile) ? readFileSync(logFile, "utf8") : ""),
    options: (overrides = {}) => ({
      manager: "auto",
      name: "stacks-node",
      rpcUrl,
      stopTimeoutMs: 60_000,
      startTimeoutMs: patienceMs,
      startNode: "as-before",
      syncBlocks: 0,
      syncRequired: false,
      syncTimeoutMs: 60_000,
      sudo: "auto",
      ...overrides,
    }),
    remove: () => {
      for (const made of [directory, workingDir]) rmSync(made, { recursive: true, force: true });
    },
  };
}

/** What a run makes of its options; the environment is this process's own, at the time of the call. */
export function contextOf(
  options: NodeOptions,
  chainstateDir: string,
  privilege: Privilege,
  clock: Clock = systemClock,
): NodeContext {
  return { options, chainstateDir, privilege, clock, environment: { ...process.env } };
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Starts a shell line that outlives its shell, as init's child; returns its pid. `line` must not end with "&". */
export function startOrphan(line: string): number {
  return Number(
    execFileSync("/bin/sh", ["-c", `exec 3>&1 >/dev/null; setsid ${line} 3>&- & echo $! >&3`], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }),
  );
}

/** Starts a `sleep`, as init's child, that has the file open, with `first` done before; returns its pid once it has. */
export async function holdOpen(file: string, seconds = 600, first = ":"): Promise<number> {
  const pid = startOrphan(`sh -c ${quote(`${first}; exec 9<${quote(file)}; exec sleep ${seconds}`)}`);
  await expect.poll(() => readName(pid) ?? "gone").toMatch(/^(?:sleep|gone)$/);
  return pid;
}

/** Ends a process that a test started: asked first, killed after ten seconds. */
export async function endProcess(pid: number): Promise<void> {
  const stat = readStat(pid);
  if (stat === undefined || !isAlive(stat)) return;
  process.kill(pid, "SIGTERM");
  for (let looks = 0; looks < 100 && isAlive(stat); looks += 1) await systemClock.sleep(100);
  if (isAlive(stat)) process.kill(pid, "SIGKILL");
}
