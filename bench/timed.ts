/** A step of a contestant, timed, with what its processes computed and read: the kernel's counts, of all that were waited for. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Places, Step } from "./peers.ts";

const storePids = (process.env["BENCH_STORE_PIDS"] ?? "").split(",").filter((pid) => pid !== "");

export function storePidsOf({ s3 }: Places): readonly string[] {
  return s3?.pid === undefined ? storePids : [String(s3.pid)];
}

export interface Timed {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Processor time of the store meanwhile. */
  readonly storeSeconds: number;
  readonly sent?: number;
  /** From disks. */
  readonly readBytes: number;
  /** From files, pipes and sockets, whether they were in memory or not. */
  readonly takenBytes: number;
}

/** `isCold`: nothing is in the page cache (as root). */
export async function timed(step: Step, places: Places, isCold = false): Promise<Timed> {
  if (isCold) {
    await run("sync", places);
    writeFileSync("/proc/sys/vm/drop_caches", "3");
    // What they are made of is no data.
    await run('cat "$PROGRAM" "$ENTRIES"/* $(command -v tar pzstd restic) > /dev/null', places);
  }
  const started = performance.now();
  const [cpu, store] = [cpuOfChildren(), cpuOfStore(places)];
  const [read, taken] = [ioOf("read_bytes"), ioOf("rchar")];
  const sent = typeof step === "string" ? await run(step, places) : await step(places);
  const [cpuSeconds, storeSeconds] = [cpuOfChildren() - cpu, cpuOfStore(places) - store];
  const [readBytes, takenBytes] = [ioOf("read_bytes") - read, ioOf("rchar") - taken];
  await run('sync -f "$STORE"', places);
  const seconds = (performance.now() - started) / 1000;
  return {
    seconds,
    cpuSeconds,
    storeSeconds,
    readBytes,
    takenBytes,
    ...(sent === undefined ? {} : { sent }),
  };
}

/** Of this process and of all that it has waited for, and those they have. */
function ioOf(what: "read_bytes" | "rchar"): number {
  return Number(new RegExp(`^${what}: (\\d+)$`, "mu").exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
}

const ticksPerSecond = 100;
/** Of `/proc/PID/stat`, counted behind the name: own times, and those of children that were waited for. */
const [ownTicks, childTicks] = [11, 13];

function cpuOf(pid: string, at: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[at]) + Number(fields[at + 1])) / ticksPerSecond;
}

function cpuOfChildren(): number {
  return cpuOf("self", childTicks);
}

function cpuOfStore(places: Places): number {
  return storePidsOf(places).reduce((sum, pid) => sum + cpuOf(pid, ownTicks), 0);
}

export async function run(line: string, { data, store, back, s3: place }: Places): Promise<undefined> {
  const child = spawn("bash", ["-e", "-o", "pipefail", "-c", line], {
    env: {
      ...process.env,
      AWS_REGION: "us-east-1",
      PROGRAM: process.execPath,
      ENTRIES: process.env["ACTION_ENTRIES"] ?? join(import.meta.dirname, "../dist"),
      DATA: data,
      STORE: store,
      BACK: back,
      BUCKET: place?.bucket ?? "",
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`${line}\nended with ${code}: ${text}`);
  return undefined;
}
