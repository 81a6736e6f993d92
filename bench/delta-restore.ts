/**
 * A restore of tonight's snapshot where yesterday's chainstate is, by the whole action (dist), against reading both once from the disk
 * and against a restore with nothing there. Prints one JSON.
 *
 *     node bench/delta-restore.ts [--size 1e9] [--files 7000] [--night 0.02] [--runs 5] [--dir DIR] [--json FILE]
 *
 * The page cache is emptied before each time, where this is root. On XFS or btrfs (`--dir`) large files are cloned.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { zstdDecompressSync } from "node:zlib";
import { createChainstate } from "../simulator/chainstate.ts";
import { Job } from "../simulator/runner.ts";
import { addNight, writeChainstate } from "./chainstate-data.ts";
import { median } from "./median.ts";

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "1e9" },
    files: { type: "string", default: "7000" },
    night: { type: "string", default: "0.02" },
    runs: { type: "string", default: "5" },
    dir: { type: "string", default: "/var/tmp/bench-delta" },
    json: { type: "string" },
  },
});

interface Index {
  readonly frames: readonly { readonly sha256: string; readonly compressedSize: number }[];
}

const at = (name: string): string => join(values.dir, name);
const chainstate = at("mainnet");
const yesterday = at("yesterday");
const target = at("restored/mainnet");
const storage = `file://${at("store")}`;

async function act(
  inputs: Readonly<Record<string, string>>,
): Promise<{ readonly seconds: number; readonly outputs: Readonly<Record<string, string>> }> {
  const job = new Job(
    { storage, "node-manager": "none", check: "none", ...inputs },
    { env: { CHAINSTATE_SNAPSHOT_STATE_DIR: at("state") } },
  );
  try {
    const started = performance.now();
    const { main, post } = await job.run();
    execFileSync("sync", ["-f", values.dir]);
    const seconds = (performance.now() - started) / 1000;
    if (main.exitCode !== 0 || post.exitCode !== 0) throw new Error(main.log + post.log);
    return { seconds, outputs: main.outputs };
  } finally {
    job.remove();
  }
}

async function snapshot(): Promise<Index> {
  const { outputs } = await act({ command: "snapshot", "chainstate-dir": chainstate, downtime: "full" });
  const index = join(at("store"), "snapshots", outputs["snapshot-id"] ?? "", "index.json.zst");
  return JSON.parse(zstdDecompressSync(readFileSync(index)).toString()) as Index;
}

function emptyCache(): void {
  execFileSync("sync");
  if (process.geteuid?.() === 0) writeFileSync("/proc/sys/vm/drop_caches", "3");
}

function readBoth(): number {
  emptyCache();
  const started = performance.now();
  execFileSync("bash", ["-c", 'tar -cf - "$@" 2>/dev/null | cat >/dev/null', "bash", yesterday, chainstate]);
  return (performance.now() - started) / 1000;
}

async function restore(
  more: Readonly<Record<string, string>>,
): Promise<{ readonly seconds: number; readonly fetchedBytes: number }> {
  rmSync(target, { recursive: true, force: true });
  emptyCache();
  const { seconds, outputs } = await act({ command: "restore", "chainstate-dir": target, ...more });
  for (const part of ["bulk", "chainstate/blocks"])
    execFileSync("diff", ["-r", join(chainstate, part), join(target, part)]);
  return { seconds, fetchedBytes: Number(outputs["fetched-bytes"]) };
}

rmSync(values.dir, { recursive: true, force: true });
mkdirSync(at("store"), { recursive: true });
createChainstate(chainstate, { era: "nakamoto", height: 100, seed: "bench", blocksInWal: 0 });
const shape = {
  sizeBytes: Number(values.size),
  smallFiles: Number(values.files),
  blocks: join(chainstate, "chainstate/blocks"),
};
writeChainstate(join(chainstate, "bulk"), shape);
const first = await snapshot();
cpSync(chainstate, yesterday, { recursive: true, preserveTimestamps: true });
addNight(join(chainstate, "bulk"), shape, Number(values.night), 0);
const second = await snapshot();
const known = new Set(first.frames.map(({ sha256 }) => sha256));
const bytesOf = (frames: Index["frames"]): number =>
  frames.reduce((sum, { compressedSize }) => sum + compressedSize, 0);
const changedBytes = bytesOf(second.frames.filter(({ sha256 }) => !known.has(sha256)));

const rounds = [];
for (let round = 0; round < Number(values.runs); round += 1) {
  const readSeconds = readBoth();
  const delta = await restore({ "seed-from": yesterday });
  const whole = await restore({});
  rounds.push({
    readSeconds,
    deltaSeconds: delta.seconds,
    wholeSeconds: whole.seconds,
    fetchedBytes: delta.fetchedBytes,
  });
}
rmSync(values.dir, { recursive: true, force: true });
const report = {
  size: shape.sizeBytes,
  archiveBytes: bytesOf(second.frames),
  changedBytes,
  fetchedOfChanged: median(rounds.map(({ fetchedBytes }) => fetchedBytes / changedBytes)),
  deltaOfReading: median(rounds.map(({ deltaSeconds, readSeconds }) => deltaSeconds / readSeconds)),
  deltaOfWhole: median(rounds.map(({ deltaSeconds, wholeSeconds }) => deltaSeconds / wholeSeconds)),
  rounds,
};
console.log(JSON.stringify(report, null, 2));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
