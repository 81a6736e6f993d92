/** A simulated node on a chainstate, a store and the action between them, all in one directory that is removed again. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { createChainstate } from "../../simulator/chainstate.ts";
import {
  freePort,
  makeNodeExecutable,
  patienceMs,
  waitForInfo,
  type NodeExecutable,
} from "../../simulator/launch.ts";
import { Job } from "../../simulator/runner.ts";
import { byProcess, type SupervisorKind } from "./supervisors.ts";

const fixture = fileURLToPath(
  new URL("../../../shared/fixtures/sbtc-regtest-chainstate.tar.xz", import.meta.url),
);
export const hasFixture = existsSync(fixture);

/** What a snapshot leaves out, or SQLite may make anew at any time. */
export const isScratch = (path: string): boolean => /(?:-shm|\.reorg|\.tmp)$|(?:^|\/)\._/.test(path);

export interface Setup {
  readonly directory: string;
  readonly chainstate: string;
  readonly store: string;
  readonly port: number;
  readonly executable: NodeExecutable;
  /** Inputs of a snapshot of this node into this store. */
  readonly snapshotInputs: Readonly<Record<string, string>>;
  job(inputs: Readonly<Record<string, string>>, env?: Readonly<Record<string, string>>): Job;
  pids(): readonly number[];
  /** What the node has said, in all its lives. */
  nodeLog(): string;
  height(): Promise<number>;
  /** Starts the node as its supervisor does. */
  start(): void;
  remove(): Promise<void>;
}

export interface SetupOptions {
  readonly nodeArguments?: readonly string[];
  readonly height?: number;
  readonly extraBytes?: number;
  /** Default true. */
  readonly running?: boolean;
  /** Where everything of it is made; default: the directory for temporary files. */
  readonly parent?: string;
  /** The chainstate's parent where that is not beside everything else: the mount point of a volume of its own. */
  readonly chainstateParent?: string;
  /** Makes the chainstate's directory, where it has to be something special. */
  readonly makeDirectory?: (path: string) => void;
  /** Changes the chainstate before the node is started. */
  readonly fill?: (chainstate: string) => void;
  /** For every job. */
  readonly env?: Readonly<Record<string, string>>;
  /** The chainstate is the real one of the fixtures, which the node holds open and leaves as it is. See `hasFixture`. */
  readonly real?: boolean;
  /** While a file of this name is in the chainstate, a node on it is a broken one; see `--broken-while`. */
  readonly brokenWhile?: string;
  /** The node's RPC opens when a file of this name is in the setup's directory, as it is at first. */
  readonly rpcOpensWith?: string;
  /** A node that was told to stop ends when a file of this name is in the setup's directory. */
  readonly endsWith?: string;
  /** While a file of this name is in the chainstate, a node on it panics a second after each start. */
  readonly panicsWhile?: string;
  /** Default: nobody, the node is a plain process. */
  readonly kind?: SupervisorKind;
}

export async function setUp(options: SetupOptions = {}): Promise<Setup> {
  const kind = options.kind ?? byProcess;
  const directory = mkdtempSync(join(options.parent ?? kind.parent, "e2e-"));
  const parent = options.chainstateParent ?? join(directory, "node");
  const chainstate = join(parent, options.real === true ? "stacks-node" : "mainnet");
  const store = join(directory, "store");
  mkdirSync(store);
  mkdirSync(parent, { recursive: true });
  options.makeDirectory?.(chainstate);
  if (options.real === true) execFileSync("tar", ["-xJf", fixture, "-C", parent]);
  else {
    createChainstate(chainstate, {
      era: "nakamoto",
      height: options.height ?? 60,
      seed: directory,
      extraBytes: options.extraBytes ?? 2_000,
    });
  }
  options.fill?.(chainstate);
  const executable = makeNodeExecutable(join(directory, "install"));
  const port = await freePort();
  const logFile = join(directory, "node.log");
  writeFileSync(logFile, "");
  const nodeArguments = [
    "--dir",
    chainstate,
    "--rpc-port",
    String(port),
    "--blocks-per-second",
    options.real === true ? "0" : "5",
    ...(options.brokenWhile === undefined ? [] : ["--broken-while", join(chainstate, options.brokenWhile)]),
    ...(options.rpcOpensWith === undefined
      ? []
      : ["--rpc-opens-with", join(directory, options.rpcOpensWith)]),
    ...(options.endsWith === undefined ? [] : ["--ends-with", join(directory, options.endsWith)]),
    ...(options.panicsWhile === undefined ? [] : ["--panics-while", join(chainstate, options.panicsWhile)]),
    ...(options.nodeArguments ?? []),
  ];
  if (options.rpcOpensWith !== undefined) writeFileSync(join(directory, options.rpcOpensWith), "");
  const supervisor = kind.supervise({ directory, executable, nodeArguments, logFile });
  const jobs: Job[] = [];
  const setup: Setup = {
    directory,
    chainstate,
    store,
    port,
    executable,
    snapshotInputs: {
      command: "snapshot",
      "chainstate-dir": chainstate,
      storage: `file://${store}`,
      ...supervisor.inputs,
      "rpc-url": `http://127.0.0.1:${port}`,
      "stop-timeout": "60s",
      "start-timeout": "60s",
      // It holds the real one open and makes no blocks.
      ...(options.real === true ? { "sync-blocks": "0" } : {}),
    },
    job(inputs, env) {
      const own = { HOME: directory, CHAINSTATE_SNAPSHOT_STATE_DIR: join(directory, "state") };
      const job = new Job(inputs, { env: { ...own, ...supervisor.env, ...options.env, ...env } });
      jobs.push(job);
      return job;
    },
    pids: () => pidsOf(port),
    nodeLog: () => readFileSync(logFile, "utf8"),
    async height() {
      return Number((await waitForInfo(port))["stacks_tip_height"]);
    },
    start: () => supervisor.start(),
    async remove() {
      supervisor.dispose();
      for (const pid of setup.pids()) process.kill(pid, "SIGTERM");
      for (let waited = 0; setup.pids().length > 0 && waited < 100; waited += 1) await pause(100);
      for (const job of jobs) job.remove();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  if (options.running ?? true) {
    supervisor.start();
    await waitForInfo(port);
  }
  return setup;
}

/** The nodes on this RPC port, in whatever namespace they run; zombies not among them. */
export function pidsOf(port: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        if (basename(readlinkSync(`/proc/${pid}/exe`)) !== "stacks-node") return false;
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(String(port));
      } catch {
        return false;
      }
    });
}

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Polls until `look` is true; throws after `timeoutMs`. */
export async function until(
  what: string,
  look: () => boolean | Promise<boolean>,
  timeoutMs = patienceMs,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await pause(100);
  }
}

/** One node runs and its RPC answers, within a minute: for the time after a kill. `slowness`: of a machine whose minutes are longer. */
export async function untilNodeRuns(setup: Setup, slowness = 1): Promise<void> {
  const answers = async (): Promise<boolean> => {
    if (setup.pids().length !== 1) return false;
    const signal = AbortSignal.timeout(10_000);
    return await fetch(`http://127.0.0.1:${setup.port}/v2/info`, { signal }).then(
      (response) => response.ok,
      () => false,
    );
  };
  await until("one node runs and answers", answers, slowness * 60_000);
}

/** Every entry of a tree with what a restore must bring back: type, mode, size, digest, link target, mtime in ms. */
export function treeOf(
  root: string,
  leaveOut: (path: string) => boolean = () => false,
): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (directory: string): void => {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      const key = relative(root, path);
      if (leaveOut(key)) continue;
      const stat = lstatSync(path);
      const mode = (stat.mode & 0o7777).toString(8);
      if (stat.isDirectory()) {
        found[key] = `directory ${mode}`;
        walk(path);
      } else if (stat.isSymbolicLink()) {
        found[key] = `symlink ${readlinkSync(path)}`;
      } else if (stat.isFile()) {
        const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
        found[key] = `file ${mode} ${stat.size} ${digest} ${Math.floor(stat.mtimeMs)}`;
      }
    }
  };
  walk(root);
  return found;
}

/** Ids of the snapshots a stranger would see in a directory store. */
export function visibleSnapshots(store: string): string[] {
  try {
    const catalog = JSON.parse(readFileSync(join(store, "catalog.json"), "utf8")) as {
      snapshots: { id: string }[];
    };
    return catalog.snapshots.map(({ id }) => id);
  } catch {
    return [];
  }
}
