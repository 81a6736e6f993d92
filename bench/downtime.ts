/**
 * How long a node is down beyond its own stop and start, and how much a running one is slowed. Prints a table for
 * docs/freezing.md. Needs root for the loop-mounted file systems.
 *
 *   node bench/downtime.ts [GB …]        default 1 4 16
 *   TMPDIR says where; images are sparse, so 16 GB take little room
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { openDirectoryView } from "../src/archive/directory-view.ts";
import type { FrameSink } from "../src/archive/transport.ts";
import { writeArchive } from "../src/archive/writer.ts";
import { chainstateRules } from "../src/chainstate/freeze-rules.ts";
import { isBlobs, selectEntries } from "../src/chainstate/layout.ts";
import type { Freezer, FreezeRequest, ViewOf } from "../src/freeze/port.ts";
import { reflinkFreezer } from "../src/freeze/reflink.ts";
import { sqliteFreezer } from "../src/freeze/sqlite.ts";
import { limitRate } from "../src/system/rate-limit.ts";
import { createChainstate } from "../simulator/chainstate.ts";
import { freePort, makeNodeExecutable, startNode, waitForInfo } from "../simulator/launch.ts";
import type { NodeExecutable, RunningNode } from "../simulator/launch.ts";
import { mountLoop } from "../__tests__/freeze/loop-mount.ts";

const pairs = 5;
const { signal } = new AbortController();
const selection = selectEntries("backup");
const viewOf: ViewOf = (directory, selection) =>
  openDirectoryView({ directory, selection, followLink: isBlobs });
const limits = { minFreeBytes: 1 };

let runs = 0;
const requestFor = (base: string): FreezeRequest => ({
  chainstateDir: join(base, "mainnet"),
  stateDir: join(base, "state"),
  runId: `bench-${(runs += 1)}`,
  selection,
  signal,
});

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

/** A chainstate padded to the size: blocks of the disk that are there and owned, but were never written. */
function makeChainstate(base: string, gigabytes: number, smallFiles: number, kind: "blocks" | "other"): void {
  const dir = join(base, "mainnet");
  createChainstate(dir, { era: "nakamoto", height: 400, blocksInWal: 100, extraBytes: 4000 });
  for (const [path, share] of [
    ["chainstate/vm/clarity/marf.sqlite.blobs", 0.7],
    ["chainstate/vm/index.sqlite.blobs", 0.3],
  ] as const) {
    const at = join(dir, path);
    const length = Math.floor(gigabytes * 1e9 * share);
    execFileSync("fallocate", ["-o", String(statSync(at).size), "-l", String(length), at]);
  }
  for (let at = 0; at < smallFiles; at += 1) {
    // Spread over directories as hashes are.
    const name = ((at * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, "0").repeat(8);
    // Block files are read where they are; others have to be cloned.
    const below =
      kind === "blocks"
        ? join(dir, "chainstate/blocks", name.slice(0, 4), name.slice(4, 8))
        : join(dir, "small", name.slice(0, 2));
    mkdirSync(below, { recursive: true });
    writeFileSync(join(below, name), Buffer.alloc(1500, at));
  }
  execFileSync("sync", ["-f", base]);
}

async function stop(node: RunningNode): Promise<void> {
  node.child.kill("SIGTERM");
  await node.ended;
}

/** Seconds from the request to stop to the first answer after the start, with `between` done while the node is down. */
async function downtime(
  executable: NodeExecutable,
  base: string,
  between: () => Promise<void>,
): Promise<number> {
  const port = await freePort();
  const args = ["--dir", join(base, "mainnet"), "--rpc-port", String(port), "--blocks-per-second", "2"];
  const before = startNode(executable, [...args, "--stop-delay-ms", "100"]);
  await waitForInfo(port, 60_000);
  const startedAt = performance.now();
  await stop(before);
  await between();
  const after = startNode(executable, args);
  await waitForInfo(port, 60_000);
  const seconds = (performance.now() - startedAt) / 1000;
  await stop(after);
  return seconds;
}

async function measureFrozen(freezer: Freezer, base: string, label: string): Promise<void> {
  const executable = makeNodeExecutable(base);
  const without: number[] = [];
  const withFreeze: number[] = [];
  const freezing: number[] = [];
  const work: number[] = [];
  // As the action does before it stops the node.
  const { usable, reason } = await freezer.probe(requestFor(base));
  if (!usable) throw new Error(reason);
  for (let pair = 0; pair < pairs; pair += 1) {
    without.push(await downtime(executable, base, async () => undefined));
    let release: (() => Promise<void>) | undefined;
    withFreeze.push(
      await downtime(executable, base, async () => {
        const startedAt = performance.now();
        const startedCpu = process.cpuUsage();
        const frozen = await freezer.freeze(requestFor(base), true);
        freezing.push((performance.now() - startedAt) / 1000);
        const { user, system } = process.cpuUsage(startedCpu);
        work.push((user + system) / 1e6);
        release = () => frozen.release();
      }),
    );
    await release?.();
  }
  const row = [
    median(without),
    median(withFreeze),
    median(withFreeze) - median(without),
    median(freezing),
    median(work),
  ];
  console.log(`| ${label} | ${row.map((each) => each.toFixed(2)).join(" | ")} |`);
}

/** Takes frames and forgets them, no faster than the limit. */
function sinkAt(bytesPerSecond: number): FrameSink {
  const limit = limitRate(bytesPerSecond);
  let offset = 0;
  return {
    async append(frame, placed) {
      const bytes = frame.kind === "bytes" ? frame.bytes : await frame.materialize();
      await limit.take(bytes.byteLength, signal);
      placed({ offset, compressedSize: bytes.byteLength, reused: false });
      offset += bytes.byteLength;
    },
    finish: async (tail) => {
      tail();
    },
  };
}

async function heightAfter(port: number, milliseconds: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return Number((await waitForInfo(port))["stacks_tip_height"]);
}

async function measureLive(base: string, seconds: number): Promise<void> {
  const executable = makeNodeExecutable(base);
  const port = await freePort();
  const dir = join(base, "mainnet");
  const node = startNode(executable, ["--dir", dir, "--rpc-port", String(port), "--blocks-per-second", "10"]);
  try {
    await waitForInfo(port, 60_000);
    const first = await heightAfter(port, 1000);
    const before = (await heightAfter(port, seconds * 1000)) - first;
    const frozen = await sqliteFreezer({ viewOf, rules: chainstateRules, limits }).freeze(
      requestFor(base),
      false,
    );
    try {
      const stopped = new AbortController();
      const writing = writeArchive({
        view: frozen.view,
        rootName: "mainnet",
        sink: sinkAt(4e6),
        indexFile: join(base, "index.json.zst"),
        level: 3,
        concurrency: 1,
        signal: stopped.signal,
      }).catch((error: unknown) => {
        if (!stopped.signal.aborted) throw error;
      });
      const from = Number((await waitForInfo(port))["stacks_tip_height"]);
      const during = (await heightAfter(port, seconds * 1000)) - from;
      await frozen.assertHeld();
      stopped.abort();
      await writing;
      console.log(
        `| live, ${seconds} s | ${(before / seconds).toFixed(1)} blocks/s | ${(during / seconds).toFixed(1)} blocks/s | ${(during / before).toFixed(2)} | pid unchanged: ${node.child.exitCode === null} |`,
      );
    } finally {
      await frozen.release();
    }
  } finally {
    await stop(node);
  }
}

console.log(
  `Medians of ${pairs}. Load average ${loadavg()
    .map((each) => each.toFixed(1))
    .join(", ")} on ${availableParallelism()} processors.\n`,
);
const sizes = process.argv.slice(2).map(Number);
console.log(
  "| freezer, file system, size, files | stop + start, s | with the freeze, s | beyond, s | freeze alone, s |",
);
console.log("| --- | --- | --- | --- | --- |");
for (const gigabytes of sizes.length > 0 ? sizes : [1, 4, 16]) {
  for (const [type, smallFiles] of [
    ["ext4", 0],
    ["ext4", 20_000],
    ["xfs", 0],
    ["xfs", 20_000],
  ] as const) {
    if (smallFiles > 0 && gigabytes > 1) continue;
    const mount = mountLoop(type, `${gigabytes + 3}G`);
    try {
      const base = join(mount.path, "bench");
      makeChainstate(base, gigabytes, smallFiles, type === "ext4" ? "blocks" : "other");
      const freezer =
        type === "ext4"
          ? sqliteFreezer({ viewOf, rules: chainstateRules, limits })
          : reflinkFreezer({ viewOf });
      await measureFrozen(
        freezer,
        base,
        `${freezer.name}, ${type}, ${gigabytes} GB, ${smallFiles || "few"} files`,
      );
      if (type === "ext4" && smallFiles === 0 && gigabytes === 1) await measureLive(base, 10);
      rmSync(base, { recursive: true });
    } finally {
      mount.unmount();
    }
  }
}
