/**
 * Restore from a store that is far away (20 ms, 50 MB/s a connection, by `shaping-proxy.ts`), by one stream into
 * `zstd -d | tar -x` and by us with the default concurrency. Prints one JSON with medians of the ratio.
 * `node bench/far-store.ts [--size bytes] [--runs n] [--latency ms] [--rate MB/s] [--dir DIR]`
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { createReadStream, existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { openLocalSink } from "../__tests__/archive/local-archive.ts";
import { openDirectoryView } from "../src/archive/write/directory-view.ts";
import { unpackArchive } from "../src/archive/read/reader.ts";
import { writeArchive } from "../src/archive/write/writer.ts";
import { openFrameSource } from "../src/store/frame-source.ts";
import { openStore } from "../src/store/registry.ts";
import { bundle } from "./bundle.ts";
import { writeChainstate } from "./chainstate-data.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: "string", default: "1000000000" },
    runs: { type: "string", default: "3" },
    latency: { type: "string", default: "20" },
    rate: { type: "string", default: "50" },
    dir: { type: "string", default: "/var/tmp/bench-far-store" },
  },
});
const { signal } = new AbortController();
const archive = join(values.dir, "archive.tar.zst");
const indexFile = `${archive}.index`;

/** A static server of `directory`, with ranges; a process of its own. */
function serve(directory: string): void {
  const server = createServer((request, response) => {
    const path = join(directory, new URL(request.url ?? "", "http://store").pathname);
    if (!existsSync(path)) {
      response.writeHead(404).end();
      return;
    }
    const { size, mtimeMs } = statSync(path);
    const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "");
    const start = Number(range?.[1] ?? 0);
    const end = Math.min(Number(range?.[2] ?? size - 1), size - 1);
    response.writeHead(range === null ? 200 : 206, {
      etag: `"${size}-${mtimeMs}"`,
      "content-length": end - start + 1,
      ...(range === null ? {} : { "content-range": `bytes ${start}-${end}/${size}` }),
    });
    if (request.method === "HEAD") response.end();
    else createReadStream(path, { start, end, highWaterMark: 256 * 1024 }).pipe(response);
  });
  server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${(server.address() as AddressInfo).port}`));
}

/** Starts a program that prints its address as its first line. */
async function start(
  ...argv: readonly string[]
): Promise<{ readonly address: string; readonly child: ChildProcess }> {
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const address of createInterface({ input: child.stdout })) return { address, child };
  throw new Error(`${argv.join(" ")} ended`);
}

async function pack(): Promise<void> {
  const data = join(values.dir, "mainnet");
  if (!existsSync(data)) writeChainstate(data, { sizeBytes: Number(values.size), smallFiles: 2_000 });
  const sink = await openLocalSink(archive);
  const view = await openDirectoryView({ directory: data });
  const concurrency = availableParallelism();
  await writeArchive({ view, rootName: "mainnet", sink, indexFile, level: 3, concurrency, signal });
  await sink.close();
}

function fresh(name: string): string {
  const target = join(values.dir, name);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  execFileSync("sync", ["-f", target]);
  return target;
}

async function timed(work: () => Promise<void> | void): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** Our side, as a process of its own, its start included. */
async function restore(url: string, target: string): Promise<void> {
  const concurrency = availableParallelism();
  const threads = Math.ceil(concurrency / 3);
  const store = await openStore({ scheme: "https", url }, { environment: process.env, threads });
  const source = await openFrameSource(store, "archive.tar.zst", signal);
  await unpackArchive({ source, indexFile, target, owner: "mine", concurrency, durable: false, signal });
  await store.close();
}

async function measure(): Promise<void> {
  mkdirSync(values.dir, { recursive: true });
  await pack();
  const server = await start(import.meta.filename, "serve", values.dir);
  const proxy = await start(
    join(import.meta.dirname, "shaping-proxy.ts"),
    server.address,
    values.latency,
    values.rate,
  );
  const url = `http://${proxy.address}`;
  const program = bundle(import.meta.filename, values.dir, ["archive-worker", "transfer-worker"]);
  const rounds: { readonly stream: number; readonly ours: number }[] = [];
  try {
    for (let n = 0; n < Number(values.runs); n += 1) {
      const byStream = fresh("by-stream");
      const stream = await timed(() => {
        const pipe = `curl -sf '${url}/archive.tar.zst' | zstd -dc | tar -xf - -C '${byStream}'`;
        execFileSync("bash", ["-o", "pipefail", "-c", pipe]);
      });
      const target = fresh("by-us");
      const ours = await timed(() => {
        execFileSync(process.execPath, [program, `--dir=${values.dir}`, "restore", url, target]);
      });
      rounds.push({ stream, ours });
      execFileSync("diff", ["-r", join(byStream, "mainnet"), target]);
    }
  } finally {
    for (const { child } of [proxy, server]) child.kill("SIGTERM");
    for (const name of ["by-stream", "by-us"])
      rmSync(join(values.dir, name), { recursive: true, force: true });
  }
  const ratios = rounds.map(({ stream, ours }) => stream / ours).toSorted((a, b) => a - b);
  const shape = { latencyMs: Number(values.latency), megabytesPerSecond: Number(values.rate) };
  const result = {
    shape,
    cpus: availableParallelism(),
    archiveBytes: statSync(archive).size,
    rounds,
    timesAsFast: ratios[Math.floor(ratios.length / 2)],
  };
  console.log(JSON.stringify(result, undefined, 2));
}

const [what, ...args] = positionals;
if (what === "serve") serve(args[0] ?? "");
else if (what === "restore") await restore(args[0] ?? "", args[1] ?? "");
else await measure();
