/**
 * Archiving and unpacking against `tar | pzstd` and `pzstd | tar`, in one run on one machine:
 *
 *     node bench/archive.ts [--size 3e9] [--files 20000] [--runs 5] [--dir /var/tmp/bench-archive] [--memory] [--json FILE]
 *
 * Each round runs both sides one after the other, so a busy machine hurts both alike; what counts is the median of the
 * rounds' ratios. Ours runs bundled, as a process of its own, start included, and its peak memory is the kernel's (VmHWM).
 * `--memory` measures that on 30 GB (sparse) and on 500,000 files instead. Not for ext4 without a journal: for minutes after files were
 * removed it looks whether an inode that it gives out was just freed, whoever comes next.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { openDirectoryView } from "../src/archive/write/directory-view.ts";
import { unpackArchive } from "../src/archive/read/reader.ts";
import { writeArchive } from "../src/archive/write/writer.ts";
import { openLocalSink, openLocalSource } from "../__tests__/archive/local-archive.ts";
import { bundle } from "./bundle.ts";
import { writeChainstate } from "./chainstate-data.ts";
import { median } from "./median.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: "string", default: "3e9" },
    files: { type: "string", default: "20000" },
    runs: { type: "string", default: "5" },
    level: { type: "string", default: "3" },
    concurrency: { type: "string", default: String(cpus().length) },
    dir: { type: "string", default: "/var/tmp/bench-archive" },
    json: { type: "string" },
    memory: { type: "boolean", default: false },
  },
});

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Only of ours: of the other side several processes work at once. */
  readonly peakMiB?: number;
}

/** The side that is measured, as a process of its own: `pack DIR FILE` or `unpack FILE DIR`. */
async function runChild([what = "", from = "", to = ""]: readonly string[]): Promise<void> {
  const { signal } = new AbortController();
  const concurrency = Number(values.concurrency);
  if (what === "pack") {
    const view = await openDirectoryView({ directory: from });
    const sink = await openLocalSink(to);
    const rootName = basename(from);
    const level = Number(values.level);
    await writeArchive({ view, rootName, sink, indexFile: `${to}.index`, level, concurrency, signal });
    await sink.close();
  } else {
    const source = await openLocalSource(from);
    const indexFile = `${from}.index`;
    await unpackArchive({
      source,
      indexFile,
      target: to,
      owner: "archived",
      concurrency,
      durable: false,
      signal,
    });
    await source.close();
  }
  const status = readFileSync("/proc/self/status", "latin1");
  writeFileSync(`${values.dir}/peak`, /VmHWM:\s+(\d+)/.exec(status)?.[1] ?? "0");
}

function measure(argv: readonly string[], isOurs: boolean): Measured {
  execFileSync("sync");
  const [command = "", ...rest] = argv;
  const times = join(values.dir, "times");
  const started = performance.now();
  const run = spawnSync("bash", [
    "-c",
    `TIMEFORMAT='%U %S'; { time "$@"; } 2> '${times}'`,
    "bash",
    command,
    ...rest,
  ]);
  const seconds = (performance.now() - started) / 1000;
  const report = readFileSync(times, "utf8");
  if (run.status !== 0) throw new Error(`${argv.join(" ")} failed: ${report}`);
  const [user = 0, system = 0] = (report.trim().split("\n").at(-1) ?? "").split(" ").map(Number);
  const peak = isOurs ? { peakMiB: Number(readFileSync(join(values.dir, "peak"), "utf8")) / 1024 } : {};
  return { seconds, cpuSeconds: user + system, ...peak };
}

/** As the action is run: a bundle, with its worker beside it. */
let bundled = "";

function ours(...args: readonly string[]): Measured {
  const options = [`--dir=${values.dir}`, `--level=${values.level}`, `--concurrency=${values.concurrency}`];
  return measure([process.execPath, bundled, ...options, ...args], true);
}

function theirs(pipe: string): Measured {
  return measure(["bash", "-o", "pipefail", "-c", pipe], false);
}

function compare(name: string, rounds: readonly { readonly ours: Measured; readonly theirs: Measured }[]) {
  const of = (pick: (round: (typeof rounds)[number]) => number): number =>
    Number(median(rounds.map(pick)).toFixed(3));
  return {
    name,
    rounds: rounds.length,
    ratio: of((round) => round.ours.seconds / round.theirs.seconds),
    oursSeconds: of((round) => round.ours.seconds),
    theirsSeconds: of((round) => round.theirs.seconds),
    cpuRatio: of((round) => round.ours.cpuSeconds / round.theirs.cpuSeconds),
    oursPeakMiB: Math.ceil(Math.max(...rounds.map((round) => round.ours.peakMiB ?? 0))),
  };
}

function compareSpeed(): unknown[] {
  const data = join(values.dir, `mainnet-${values.size}-${values.files}`);
  if (!existsSync(data))
    writeChainstate(data, { sizeBytes: Number(values.size), smallFiles: Number(values.files) });
  const [mine, other] = [join(values.dir, "ours.tar.zst"), join(values.dir, "theirs.tar.zst")];
  const [mineBack, otherBack] = [join(values.dir, "ours"), join(values.dir, "theirs")];
  const packing = `tar -cf - -C '${dirname(data)}' '${basename(data)}' | pzstd -q -f -${values.level} -o '${other}'`;
  const rounds = Array.from({ length: Number(values.runs) }, (_, n) => n);
  const clear = (...paths: string[]): void =>
    paths.forEach((path) => rmSync(path, { recursive: true, force: true }));
  const alternate = (n: number, one: () => Measured, two: () => Measured) => {
    if (n % 2 === 0) return { ours: one(), theirs: two() };
    const second = two();
    return { ours: one(), theirs: second };
  };
  // Everything is read once before, so that neither side pays for a cold cache.
  execFileSync("bash", ["-c", `tar -cf - '${data}' 2>/dev/null | cat > /dev/null`]);
  const packed = rounds.map((n) => {
    clear(mine, other);
    return alternate(
      n,
      () => ours("pack", data, mine),
      () => theirs(packing),
    );
  });
  const unpacked = rounds.map((n) => {
    clear(mineBack, otherBack);
    mkdirSync(otherBack, { recursive: true });
    return alternate(
      n,
      () => ours("unpack", mine, mineBack),
      () => theirs(`pzstd -q -dc '${other}' | tar -xf - -C '${otherBack}'`),
    );
  });
  execFileSync("diff", ["-r", data, mineBack]);
  const sizeRatio = Number((statSync(mine).size / statSync(other).size).toFixed(4));
  clear(mineBack, otherBack, mine, other, `${mine}.index`);
  return [
    { ...compare("archive / (tar | pzstd)", packed), sizeRatio },
    compare("unpack / (pzstd | tar)", unpacked),
  ];
}

function measureMemory(): unknown[] {
  const sparse = join(values.dir, "sparse");
  const many = join(values.dir, "many");
  if (!existsSync(sparse)) {
    writeChainstate(sparse, { sizeBytes: 200e6, smallFiles: 100 });
    truncateSync(join(sparse, "chainstate/vm/clarity/marf.sqlite.blobs"), 30e9);
  }
  if (!existsSync(many)) writeChainstate(many, { sizeBytes: 600e6, smallFiles: 500_000 });
  return [sparse, many].map((data) => {
    const [file, back] = [join(values.dir, "memory.tar.zst"), join(values.dir, "back")];
    const packed = ours("pack", data, file);
    const unpacked = ours("unpack", file, back);
    rmSync(back, { recursive: true, force: true });
    rmSync(file);
    return {
      name: `peak memory, ${basename(data)}`,
      packMiB: Math.ceil(packed.peakMiB ?? 0),
      unpackMiB: Math.ceil(unpacked.peakMiB ?? 0),
      packSeconds: Number(packed.seconds.toFixed(1)),
      unpackSeconds: Number(unpacked.seconds.toFixed(1)),
    };
  });
}

if (positionals.length > 0) {
  await runChild(positionals);
} else {
  bundled = bundle(import.meta.filename, values.dir, ["archive-worker"]);
  const results = values.memory ? measureMemory() : compareSpeed();
  const { size, files, level, concurrency } = values;
  const report = {
    data: values.memory ? {} : { size, files },
    level,
    concurrency,
    cpus: cpus().length,
    results,
  };
  console.log(JSON.stringify(report, null, 2));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}
