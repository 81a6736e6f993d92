/** What contestants are tried on: data, and how it grows. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { mountLoop, type LoopFileSystem } from "../__tests__/freeze/loop-mount.ts";
import { createChainstate } from "../simulator/chainstate.ts";
import { addNight, writeChainstate } from "./chainstate-data.ts";
import { Changes, type Changed } from "./changes.ts";
import { digestsOf, growHashKeyed, makeHashKeyed } from "./hash-keyed.ts";
import type { Places, S3Place } from "./peers.ts";
import { run } from "./timed.ts";

export interface BenchData {
  /** The chainstate. */
  readonly path: string;
  /** What changed, where that is counted. `number`: of the nights, and hours, so far. */
  grow(share: number, number: number): Changed | undefined;
  /** Throws unless `back` holds it. */
  assertRestored(places: Places): Promise<void>;
}

export interface DataOptions {
  readonly directory: string;
  readonly sizeBytes: number;
  readonly files: number;
}

/** Files in a chainstate's shape, quick to make, with a simulated node's databases beside them. */
export function shapedData({ directory, sizeBytes, files }: DataOptions): BenchData {
  const path = join(directory, "mainnet");
  createChainstate(path, { era: "nakamoto", height: 100, seed: "bench", blocksInWal: 0 });
  const shape = { sizeBytes, smallFiles: files, blocks: join(path, "chainstate/blocks") };
  const bulk = join(path, "bulk");
  writeChainstate(bulk, shape);
  return {
    path,
    grow(share, number) {
      addNight(bulk, shape, share, number);
      return undefined;
    },
    // Contestants restore to different depths; the bulk of the data and the block files must be there with every byte.
    assertRestored: async (places) =>
      await run(
        'found=$(find "$BACK" -type d -name bulk) && diff -r "$found" "$DATA/bulk" && diff -r "$found/../chainstate/blocks" "$DATA/chainstate/blocks"',
        places,
      ),
  };
}

/** Databases of a node's own at mainnet's ratio. */
export function hashKeyedData({ directory, sizeBytes, files }: DataOptions): BenchData {
  const path = join(directory, "mainnet");
  const shape = { data: path, sizeBytes, files };
  makeHashKeyed(shape);
  const changes = new Changes(path);
  const copy = join(directory, "copy");
  return {
    path,
    grow(share, number) {
      growHashKeyed(shape, share, number);
      return changes.since();
    },
    async assertRestored(places) {
      rmSync(copy, { recursive: true, force: true });
      await run(`cp -a --reflink=auto "$DATA" "${copy}"`, places);
      const found = execFileSync("find", [places.back, "-type", "d", "-name", "vm"], { encoding: "utf8" });
      const [wanted, got] = [digestsOf(copy), digestsOf(join(found.trim(), "../.."))];
      rmSync(copy, { recursive: true });
      if (wanted !== got) throw new Error(`What came back differs:\n${got}instead of\n${wanted}`);
    },
  };
}

export interface Ground {
  readonly directory: string;
  /** The same directory by another path. */
  readonly other: string;
  remove(): void;
}

/** A new file system in a file below `parent`, past the page cache; as root. */
export function mountGround(type: LoopFileSystem, parent: string, sizeBytes: number): Ground {
  mkdirSync(parent, { recursive: true });
  const mount = mountLoop(type, String(sizeBytes), parent);
  const device = execFileSync("findmnt", ["-no", "SOURCE", mount.path], { encoding: "utf8" }).trim();
  execFileSync("losetup", ["--direct-io=on", device]);
  const [directory, other] = [join(mount.path, "data"), join(mount.path, "other")];
  for (const place of [directory, other]) mkdirSync(place);
  execFileSync("mount", ["--bind", directory, other]);
  return {
    directory,
    other,
    remove() {
      execFileSync("umount", [other]);
      mount.unmount();
    },
  };
}

export interface OwnS3 extends S3Place {
  stop(): void;
}

/** A store in memory, as a process of its own. */
export async function serveOwnS3(): Promise<OwnS3> {
  const server = join(import.meta.dirname, "../__tests__/store/memory-s3.ts");
  const child = spawn(process.execPath, [server], { stdio: ["ignore", "pipe", "inherit"] });
  const stop = (): void => void child.kill("SIGTERM");
  for await (const endpoint of createInterface({ input: child.stdout }))
    return { endpoint, bucket: "bench", pid: child.pid ?? 0, stop };
  throw new Error("The store ended.");
}
