/**
 * How long a node is down beyond its own stop and start, and how much a running one is slowed: the committed action, run
 * as a runner runs it, on a simulated node. Prints the tables of docs/freezing.md. Needs root for loop mounts.
 *
 *   node bench/downtime.ts [GB …] [--pairs N]        default 1 4 16, 5 pairs
 *   TMPDIR says where; what pads the files was never written, so 16 GB take little room
 *   --volumes         the same on btrfs by subvolume snapshots, and nothing else
 *   --place zfs:/tank by that freezer, on what is mounted there, and nothing else; may be given several times
 *
 * A pair is a bare stop and start of the node, and one with a snapshot in between, one right after the other.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { createChainstate } from "../simulator/chainstate.ts";
import { freePort, makeNodeExecutable, startDetached, waitForInfo } from "../simulator/launch.ts";
import { Job } from "../simulator/runner.ts";
import { mountLoop, type LoopFileSystem } from "../__tests__/freeze/loop-mount.ts";
import { pause, pidsOf } from "../__tests__/e2e/support.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: "string", default: "5" },
    volumes: { type: "boolean", default: false },
    place: { type: "string", multiple: true, default: [] },
  },
});
const pairs = Number(values.pairs);

/** Phases of the log whose time is downtime, in their order, by the words they begin with. */
const phases = [
  "Stop ",
  "Verify the node",
  "Check chainstate",
  "Look at its files",
  "Freeze by",
  "Start ",
] as const;

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

/** A name as block files have: below directories of its first letters. */
function blockPath(dir: string, at: number): string {
  const name = ((at * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, "0").repeat(8);
  return join(dir, "chainstate/blocks", name.slice(0, 4), name.slice(4, 8), name);
}

/**
 * A chainstate of that size, most of it in block files, which every way of freezing archives whole: blocks of the disk that
 * are there and owned, but were never written.
 */
function makeChainstate(
  dir: string,
  gigabytes: number,
  smallFiles = 0,
  kind: "blocks" | "other" = "blocks",
): void {
  createChainstate(dir, { era: "nakamoto", height: 400, blocksInWal: 100, extraBytes: 4000 });
  for (let at = 0; at < gigabytes * 4; at += 1) {
    const path = blockPath(dir, 1_000_000 + at);
    mkdirSync(dirname(path), { recursive: true });
    execFileSync("fallocate", ["-l", "250000000", path]);
  }
  for (let at = 0; at < smallFiles; at += 1) {
    // Block files are read where they are; others have to be cloned.
    const block = blockPath(dir, at);
    const path = kind === "blocks" ? block : join(dir, "small", basename(block).slice(0, 2), basename(block));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, Buffer.alloc(1500, at));
  }
  execFileSync("sync", ["-f", dir]);
}

/** A node on `dir` that runs in a session of its own, as one that a supervisor started. */
class Bed {
  readonly dir: string;
  readonly base: string;
  readonly port: number;
  readonly #executable;

  constructor(base: string, port: number, dir = join(base, "mainnet")) {
    this.base = base;
    this.dir = dir;
    this.port = port;
    this.#executable = makeNodeExecutable(join(base, "install"));
  }

  async start(): Promise<void> {
    startDetached(this.#executable, this.#arguments());
    await waitForInfo(this.port);
  }

  /** Seconds from SIGTERM to the first answer of the next one. */
  async bareOutage(): Promise<number> {
    const startedAt = performance.now();
    await this.stop();
    await this.start();
    return (performance.now() - startedAt) / 1000;
  }

  async stop(): Promise<void> {
    for (const pid of this.pids) process.kill(pid, "SIGTERM");
    while (this.pids.length > 0) await pause(10);
  }

  get pids(): readonly number[] {
    return pidsOf(this.port);
  }

  async height(): Promise<number> {
    return Number((await waitForInfo(this.port))["stacks_tip_height"]);
  }

  /** A whole run of the action; the store is emptied after it, so that every run sends everything. */
  async snapshot(inputs: Readonly<Record<string, string>>) {
    const store = join(this.base, "store");
    mkdirSync(store, { recursive: true });
    const job = new Job(
      {
        command: "snapshot",
        "chainstate-dir": this.dir,
        storage: `file://${store}`,
        "node-manager": "process",
        "rpc-url": `http://127.0.0.1:${this.port}`,
        ...inputs,
      },
      { env: { HOME: this.base, CHAINSTATE_SNAPSHOT_STATE_DIR: join(this.base, "state") } },
    );
    try {
      const { main } = await job.run();
      if (main.exitCode !== 0) throw new Error(main.log);
      return {
        downtimeSeconds: Number(main.outputs["downtime-seconds"]),
        phaseSeconds: phaseTimes(main.log),
        manifest: JSON.parse(readFileSync(main.outputs["manifest-path"] ?? "", "utf8")) as {
          cut: { method: string };
          archive: { tarSize: number };
        },
      };
    } finally {
      job.remove();
      rmSync(store, { recursive: true, force: true });
    }
  }

  #arguments(): string[] {
    return [
      "--dir",
      this.dir,
      "--rpc-port",
      String(this.port),
      "--blocks-per-second",
      "2",
      "--stop-delay-ms",
      "100",
    ];
  }
}

/** Seconds of every phase that the log says were done, by its title. */
function phaseTimes(log: string): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const [, title = "", amount = "", unit] of log.matchAll(/^▸ (.+): done in ([\d.]+) (ms|s|min)/gm)) {
    const seconds = Number(amount) * { ms: 0.001, s: 1, min: 60 }[unit as "ms" | "s" | "min"];
    times.set(title, (times.get(title) ?? 0) + seconds);
  }
  return times;
}

function timeOf(times: ReadonlyMap<string, number>, start: string): number {
  return [...times].find(([title]) => title.startsWith(start))?.[1] ?? Number.NaN;
}

const row = (label: string, numbers: readonly number[]): string =>
  `| ${label} | ${numbers.map((each) => each.toFixed(2)).join(" | ")} |`;

async function measureFrozen(bed: Bed, freezer: string, label: string): Promise<void> {
  const bare: number[] = [];
  const ours: number[] = [];
  const parts = phases.map((): number[] => []);
  await bed.start();
  for (let pair = 0; pair < pairs; pair += 1) {
    bare.push(await bed.bareOutage());
    const taken = await bed.snapshot({ downtime: "short", "freeze-with": freezer });
    ours.push(taken.downtimeSeconds);
    for (const [at, phase] of phases.entries()) parts[at]?.push(timeOf(taken.phaseSeconds, phase));
  }
  await bed.stop();
  const beyond = ours.map((seconds, at) => seconds - (bare[at] ?? Number.NaN));
  console.log(row(label, [median(bare), median(ours), median(beyond), ...parts.map(median)]));
}

/** The archive of a stopped node against that of one that is back, in pairs. */
async function compareArchiving(bed: Bed): Promise<void> {
  const ratios: number[] = [];
  const [cold, frozen]: [number[], number[]] = [[], []];
  await bed.start();
  for (let pair = 0; pair < pairs; pair += 1) {
    for (const downtime of pair % 2 === 0 ? (["full", "short"] as const) : (["short", "full"] as const)) {
      const inputs = downtime === "short" ? { downtime, "freeze-with": "sqlite" } : { downtime };
      const { phaseSeconds, manifest } = await bed.snapshot(inputs);
      if (manifest.archive.tarSize < 1.5e9) throw new Error("The archive holds not what was to be archived.");
      (downtime === "full" ? cold : frozen).push(timeOf(phaseSeconds, "Archive to"));
    }
    ratios.push((frozen.at(-1) ?? Number.NaN) / (cold.at(-1) ?? Number.NaN));
  }
  await bed.stop();
  console.log("\n| archive while the node is down, s | while it is back, s | ratio |\n| --- | --- | --- |");
  console.log(row(median(cold).toFixed(2), [median(frozen), median(ratios)]));
}

async function measureLive(bed: Bed): Promise<void> {
  await bed.start();
  const pids = bed.pids;
  const first = await bed.height();
  const seconds = 15;
  await pause(seconds * 1000);
  const before = ((await bed.height()) - first) / seconds;
  const [from, startedAt] = [await bed.height(), performance.now()];
  const { downtimeSeconds, manifest } = await bed.snapshot({
    downtime: "none",
    "rate-limit-read": "64MiB",
    parallelism: "1",
  });
  const during = ((await bed.height()) - from) / ((performance.now() - startedAt) / 1000);
  const same = pids.join() === bed.pids.join();
  await bed.stop();
  console.log("\n| cut | downtime, s | blocks/s before | during | ratio | the same process |");
  console.log("| --- | --- | --- | --- | --- | --- |");
  console.log(
    `${row(manifest.cut.method, [downtimeSeconds, before, during, during / before])} ${same ? "yes" : "no"} |`,
  );
}

/** What the table of docs/freezing.md has. */
async function measureFileSystems(): Promise<void> {
  for (const gigabytes of sizes) {
    for (const [type, freezer, smallFiles] of [
      ["ext4", "sqlite", 0],
      ["ext4", "sqlite", 20_000],
      ["xfs", "reflink", 0],
      ["xfs", "reflink", 20_000],
    ] as const) {
      if (smallFiles > 0 && gigabytes > 1) continue;
      await withMount(type, gigabytes, async (bed) => {
        makeChainstate(bed.dir, gigabytes, smallFiles, type === "ext4" ? "blocks" : "other");
        const label = `\`${freezer}\`, ${type}, ${gigabytes} GB, ${smallFiles || "few"} files`;
        await measureFrozen(bed, freezer, label);
      });
    }
  }
  await withMount("ext4", 4, async (bed) => {
    makeChainstate(bed.dir, 1);
    // Something to compress: what was never written reads as zeros.
    execFileSync("sh", [
      "-c",
      'head -c 600M /dev/urandom | base64 -w0 > "$1"',
      "sh",
      blockPath(bed.dir, 1_000_000),
    ]);
    await compareArchiving(bed);
    await measureLive(bed);
  });
}

async function measureSubvolumes(): Promise<void> {
  for (const gigabytes of sizes) {
    await withMount("btrfs", gigabytes, async (bed) => {
      execFileSync("btrfs", ["-q", "subvolume", "create", bed.dir]);
      makeChainstate(bed.dir, gigabytes);
      await measureFrozen(bed, "btrfs", `\`btrfs\`, ${gigabytes} GB, few files`);
    });
  }
}

/** Everything but the chainstate is somewhere else: it is small, and what is beside the chainstate is snapshotted with it. */
async function measurePlace(place: string): Promise<void> {
  const [freezer = "", parent = ""] = place.split(":");
  for (const gigabytes of sizes) {
    const base = mkdtempSync(join(tmpdir(), "bench-"));
    const dir = join(parent, "mainnet");
    try {
      const bed = new Bed(base, await freePort(), dir);
      makeChainstate(dir, gigabytes);
      await measureFrozen(bed, freezer, `\`${freezer}\` at ${parent}, ${gigabytes} GB`);
    } finally {
      for (const made of [base, dir]) rmSync(made, { recursive: true, force: true });
    }
  }
}

async function withMount(
  type: LoopFileSystem,
  gigabytes: number,
  work: (bed: Bed) => Promise<void>,
): Promise<void> {
  const mount = mountLoop(type, `${gigabytes + 4}G`);
  try {
    const base = join(mount.path, "bench");
    mkdirSync(base);
    await work(new Bed(base, await freePort()));
  } finally {
    mount.unmount();
  }
}

console.log(
  `Medians of ${pairs} pairs. Load average ${loadavg()
    .map((each) => each.toFixed(1))
    .join(", ")} on ${availableParallelism()} processors.\n`,
);
console.log(
  `| freezer, file system, size, files | bare, s | ours, s | beyond, s | stop | verify | check | look again | freeze | start |`,
);
console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
const sizes = positionals.length > 0 ? positionals.map(Number) : [1, 4, 16];
if (values.place.length > 0) for (const place of values.place) await measurePlace(place);
else if (values.volumes) await measureSubvolumes();
else await measureFileSystems();
