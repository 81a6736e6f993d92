/**
 * What the proof costs on a state of the shape of a large one: many keys, so that the upper nodes are full, and blocks
 * that each set some of them. Times are of the processor, so that what else runs on the machine does not count; with
 * `DIR` a chainstate that is there is proven instead.
 *
 *   node bench/proof.ts [KEYS] [BLOCKS] [DIR]      default 200,000 keys, 400 blocks of 100 values
 */
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createChainstate } from "../simulator/chainstate.ts";
import { randomFrom } from "../simulator/damage-proof.ts";
import { type JobReport, type MarfName, type ProofJob, runProofJob } from "../src/chainstate/proof/job.ts";
import { databasePaths } from "../simulator/schema.ts";

const keys = Number(process.argv[2] ?? 200_000);
const blocks = Number(process.argv[3] ?? 400);
const given = process.argv[4];
const keysPerBlock = 10_000;
const valuesPerBlock = 100;
const loading = Math.ceil(keys / keysPerBlock);
const night = { bytes: 2e9, blocks: 20_000 };
const all = { bytes: 300e9, blocks: 5_000_000 };

function build(dir: string): void {
  const random = randomFrom(1);
  createChainstate(dir, {
    era: "nakamoto",
    height: loading + blocks,
    blocksInWal: 0,
    lastEpoch2Height: 1,
    values: {
      count: (height) => (height <= loading ? keysPerBlock : valuesPerBlock),
      key: (height, i) => (height <= loading ? (height - 1) * keysPerBlock + i : random(keys)),
    },
  });
}

interface Cost {
  readonly report: JobReport;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
}

class Bench {
  readonly #dir: string;
  readonly #databases = new Map<string, DatabaseSync>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  #database(path: string): DatabaseSync {
    const database = this.#databases.get(path) ?? new DatabaseSync(join(this.#dir, path), { readOnly: true });
    this.#databases.set(path, database);
    return database;
  }

  async #run(job: ProofJob): Promise<Cost> {
    const cpu = process.cpuUsage();
    const begun = performance.now();
    const report = await runProofJob(job, {
      dir: this.#dir,
      database: (path) => this.#database(path),
      file: (path) => openSync(path, "r"),
      onProgress: () => undefined,
    });
    const { user, system } = process.cpuUsage(cpu);
    if (report.failureCount > 0) throw new Error(report.failures.join("; "));
    return { report, cpuSeconds: (user + system) / 1e6, wallSeconds: (performance.now() - begun) / 1000 };
  }

  async tries(marf: MarfName, after: number): Promise<Cost> {
    const path = join(this.#dir, `${databasePaths[marf]}.blobs`);
    const blobs = marf !== "sortition" && existsSync(path) ? path : null;
    const first = await this.#run({ kind: "first-row", marf, after, blobs });
    const rows = { from: after === 0 ? 0 : (first.report.firstRow ?? 0), to: null };
    const upTo = Number.MAX_SAFE_INTEGER;
    return await this.#run({ kind: "tries", marf, after, upTo, blobs, rows, cacheBytes: 96 * 1024 ** 2 });
  }

  async blocks(after: number): Promise<Cost> {
    return await this.#run({ kind: "blocks", after, upTo: Number.MAX_SAFE_INTEGER, hasBlockFiles: true });
  }
}

const minutes = (seconds: number): string =>
  seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;

const parent = given === undefined ? mkdtempSync(join(tmpdir(), "bench-proof-")) : undefined;
const dir = given ?? join(parent ?? "", "mainnet");
if (given === undefined) {
  const begun = performance.now();
  build(dir);
  console.log(`${keys} keys, ${blocks} blocks, built in ${Math.round((performance.now() - begun) / 1000)} s`);
}
const bench = new Bench(dir);
const after = given === undefined ? loading + 1 : 0;
let secondsPerByte = 0;
for (const marf of ["clarity", "index", "sortition"] as const) {
  // The first run is of cold code.
  await bench.tries(marf, after);
  const { report, cpuSeconds, wallSeconds } = await bench.tries(marf, after);
  const { tries, values, bytes } = report.counts;
  if (marf === "clarity") secondsPerByte = cpuSeconds / bytes;
  console.log(
    `${marf}: ${tries} tries, ${values} values, ${(bytes / 1e6).toFixed(2)} MB: ${(bytes / 1e6 / cpuSeconds).toFixed(1)} MB/s, ` +
      `${((cpuSeconds * 1e6) / values).toFixed(0)} µs a value (CPU ${cpuSeconds.toFixed(2)} s, wall ${wallSeconds.toFixed(2)} s)`,
  );
}
const { report, cpuSeconds } = await bench.blocks(after);
const perBlock = cpuSeconds / Math.max(1, report.counts.blocks);
console.log(`blocks: ${report.counts.blocks}, ${(perBlock * 1e6).toFixed(0)} µs each`);
for (const [what, size] of Object.entries({
  "a mainnet night (2 GB)": night,
  "all of mainnet (300 GB)": all,
}))
  console.log(
    `${what}: ${minutes(size.bytes * secondsPerByte + size.blocks * perBlock)} of one core, reads from memory`,
  );
const peak = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
console.log(`peak memory ${Math.round(Number(peak) / 1024)} MiB`);
if (parent !== undefined && process.env["KEEP"] === undefined)
  rmSync(parent, { recursive: true, force: true });
else console.log(dir);
