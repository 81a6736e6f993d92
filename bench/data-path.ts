/**
 * CPU time of each thread on the way to a store and back, per compressed GB, and the time it projects for 208 GiB:
 *
 *     node bench/data-path.ts [--size 2e9] [--files 1600] [--runs 3] [--dir /var/tmp/bench-data-path] [--json FILE]
 *
 * The store is in memory, speaks S3 over TLS and is a process of its own (`memory-s3.ts`). Ours runs bundled. The times are the
 * kernel's, of each thread (`/proc/PID/task`), which noise hardly moves.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { openDirectoryView } from "../src/archive/write/directory-view.ts";
import { unpackArchive } from "../src/archive/read/reader.ts";
import { writeArchive } from "../src/archive/write/writer.ts";
import { openFrameSource } from "../src/store/frame-source.ts";
import { openStore } from "../src/store/registry.ts";
import { PartSink } from "../src/store/upload/part-sink.ts";
import { bundle } from "./bundle.ts";
import { writeChainstate } from "./chainstate-data.ts";
import { median } from "./median.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: "string", default: "2e9" },
    files: { type: "string", default: "1600" },
    runs: { type: "string", default: "3" },
    dir: { type: "string", default: "/var/tmp/bench-data-path" },
    json: { type: "string" },
  },
});
const concurrency = cpus().length;

/** The side that is measured: `send DIR ENDPOINT` or `receive DIR ENDPOINT`. */
async function runChild([what = "", directory = "", endpoint = ""]: readonly string[]): Promise<void> {
  const { signal } = new AbortController();
  const s3 = { endpoint, region: "us-east-1", storageClass: "STANDARD" };
  const store = await openStore(
    { scheme: "s3", url: "s3://bench", bucket: "bench", prefix: "", s3 },
    { environment: process.env, threads: Math.ceil(concurrency / 3) },
  );
  const indexFile = join(values.dir, "index");
  if (what === "send") {
    const upload = await store.openUpload("archive", { signal });
    const sink = new PartSink({
      upload,
      limits: store.partLimits,
      expectedSizeBytes: Number(values.size),
      signal,
    });
    const view = await openDirectoryView({ directory });
    const rootName = basename(directory);
    const { size } = await writeArchive({ view, rootName, sink, indexFile, level: 3, concurrency, signal });
    await upload.complete();
    console.log(size);
  } else {
    const source = await openFrameSource(store, "archive", signal);
    const target = join(values.dir, "back");
    await unpackArchive({
      source,
      indexFile,
      target,
      owner: "archived",
      concurrency,
      durable: false,
      signal,
    });
    console.log(source.size);
  }
  await store.close();
}

interface Measured {
  readonly bytes: number;
  readonly seconds: number;
  /** CPU seconds by thread, the main one first, then the largest. */
  readonly threads: readonly { readonly name: string; readonly cpuSeconds: number }[];
  readonly peakMiB: number;
}

/** Clock ticks of the kernel a second. */
const ticks = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

async function measure(program: string, args: readonly string[], certificate: string): Promise<Measured> {
  const started = performance.now();
  const child = spawn(process.execPath, [program, `--dir=${values.dir}`, `--size=${values.size}`, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      NODE_EXTRA_CA_CERTS: certificate,
      AWS_ACCESS_KEY_ID: "bench",
      AWS_SECRET_ACCESS_KEY: "bench",
    },
  });
  const ended = new Promise<number | null>((done) => child.once("exit", done));
  const seen = new Map<string, { name: string; cpuSeconds: number }>();
  let peakMiB = 0;
  const look = (): void => {
    try {
      for (const id of readdirSync(`/proc/${child.pid}/task`)) {
        const stat = readFileSync(`/proc/${child.pid}/task/${id}/stat`, "latin1");
        const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / ticks;
        seen.set(id, { name: id === String(child.pid) ? "main" : name, cpuSeconds });
      }
      const status = readFileSync(`/proc/${child.pid}/status`, "latin1");
      peakMiB = Math.max(peakMiB, Number(/VmHWM:\s+(\d+)/u.exec(status)?.[1] ?? 0) / 1024);
    } catch {
      // A thread, or the process, ended between two looks: what was seen of it last counts.
    }
  };
  const timer = setInterval(look, 20);
  let bytes = 0;
  for await (const line of createInterface({ input: child.stdout })) bytes = Number(line);
  const seconds = (performance.now() - started) / 1000;
  clearInterval(timer);
  if ((await ended) !== 0) throw new Error(`${args.join(" ")} failed`);
  const threads = [...seen.values()].toSorted(
    (a, b) => Number(b.name === "main") - Number(a.name === "main") || b.cpuSeconds - a.cpuSeconds,
  );
  return { bytes, seconds, threads, peakMiB: Math.ceil(peakMiB) };
}

/** Of an archive, as the project's documents have it. */
const mainnetBytes = 208 * 2 ** 30;

/**
 * Hours are what the busiest resource needs: the main thread, all cores together, or the link. Each compressed GB costs `main` on the one
 * thread and `all` on every core.
 */
function project(main: number, all: number): unknown[] {
  return [1, 10, 25].flatMap((gigabits) =>
    [2, 4, 8, 16, 32].map((cores) => {
      const limits = { link: 8 / gigabits, cores: all / cores, "main thread": main };
      const [limit = "", seconds = 0] = Object.entries(limits).toSorted(([, a], [, b]) => b - a)[0] ?? [];
      return { gigabits, cores, minutes: Math.round((seconds * mainnetBytes) / 1e9 / 6) / 10, limit };
    }),
  );
}

/** A run with a quarter of the data, as many files, and one with all of it. */
interface Pair {
  readonly small: Measured;
  readonly large: Measured;
}

function cpuOf({ threads }: Measured): number {
  return threads.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}

/** What depends on the bytes is the difference of the two; the rest is the fixed part: start, files, index. */
function summarize(name: string, pairs: readonly Pair[]): unknown {
  const perGB = (pick: (run: Measured) => number): number =>
    median(
      pairs.map(({ small, large }) => (pick(large) - pick(small)) / ((large.bytes - small.bytes) / 1e9)),
    );
  const mainOf = ({ threads }: Measured): number => threads[0]?.cpuSeconds ?? 0;
  const [main, all] = [perGB(mainOf), perGB(cpuOf)];
  const rounded = (value: number): number => Number(value.toFixed(2));
  return {
    name,
    seconds: rounded(median(pairs.map(({ large }) => large.seconds))),
    compressedBytes: pairs[0]?.large.bytes,
    peakMiB: Math.max(...pairs.map(({ large }) => large.peakMiB)),
    mainPerGB: rounded(main),
    mainFixed: rounded(median(pairs.map(({ small }) => mainOf(small) - (main * small.bytes) / 1e9))),
    allPerGB: rounded(all),
    threads: pairs.map(({ large }) =>
      large.threads
        .filter(({ cpuSeconds }) => cpuSeconds >= 0.05)
        .map(({ name: thread, cpuSeconds }) => `${thread} ${cpuSeconds.toFixed(2)}`)
        .join(", "),
    ),
    projection: project(main, all),
  };
}

function dataOf(sizeBytes: number): string {
  const data = join(values.dir, `mainnet-${sizeBytes}-${values.files}`);
  if (!existsSync(data)) writeChainstate(data, { sizeBytes, smallFiles: Number(values.files) });
  return data;
}

/** A store of its own: what it holds is in its memory. */
async function thereAndBack(program: string, data: string): Promise<{ send: Measured; receive: Measured }> {
  const [key, certificate] = [join(values.dir, "key.pem"), join(values.dir, "certificate.pem")];
  const server = join(import.meta.dirname, "../__tests__/store/memory-s3.ts");
  const store = spawn(process.execPath, [server, key, certificate], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    for await (const endpoint of createInterface({ input: store.stdout })) {
      const send = await measure(program, ["send", data, endpoint], certificate);
      const receive = await measure(program, ["receive", data, endpoint], certificate);
      execFileSync("diff", ["-r", data, join(values.dir, "back")]);
      return { send, receive };
    }
    throw new Error("The store ended.");
  } finally {
    store.kill("SIGTERM");
    rmSync(join(values.dir, "back"), { recursive: true, force: true });
  }
}

async function compare(): Promise<void> {
  mkdirSync(values.dir, { recursive: true });
  const [key, certificate] = [join(values.dir, "key.pem"), join(values.dir, "certificate.pem")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
  execFileSync("openssl", [...request, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  const program = bundle(import.meta.filename, values.dir, ["archive-worker", "transfer-worker"]);
  const size = Number(values.size);
  const [few, much] = [dataOf(size / 4), dataOf(size)];
  const sent: Pair[] = [];
  const received: Pair[] = [];
  for (let n = 0; n < Number(values.runs); n += 1) {
    const small = await thereAndBack(program, few);
    const large = await thereAndBack(program, much);
    sent.push({ small: small.send, large: large.send });
    received.push({ small: small.receive, large: large.receive });
  }
  const report = {
    data: { size: values.size, files: values.files },
    cpus: concurrency,
    results: [summarize("send", sent), summarize("receive", received)],
  };
  const text = JSON.stringify(report, null, 2);
  console.log(text);
  if (values.json !== undefined) writeFileSync(values.json, `${text}\n`);
}

if (positionals.length > 0) await runChild(positionals);
else await compare();
