/**
 * How long a job waits for a chainstate that is in the cache already: the seal looked at, the clone made, counted and
 * made writable. On XFS and btrfs, each made in a file and mounted (needs root), with real bytes.
 *
 *   node bench/clone.ts [GB] [small files]        default 10 0
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { openCache } from "../src/cache/cache.ts";
import { discardTree } from "../src/cache/clone.ts";
import { systemClock } from "../src/system/clock.ts";
import { mountLoop } from "../__tests__/freeze/loop-mount.ts";

const [gigabytes = 10, smallFiles = 0] = process.argv.slice(2).map(Number);
const { signal } = new AbortController();
const runs = 5;

function makeTree(tree: string): void {
  mkdirSync(join(tree, "vm"), { recursive: true });
  for (let at = 0; at < 10; at += 1) {
    const count = String(Math.round(gigabytes * 100));
    execFileSync("sh", [
      "-c",
      'head -c "$1"MB /dev/urandom > "$2"',
      "sh",
      count,
      join(tree, "vm", `${at}.sqlite`),
    ]);
  }
  for (let at = 0; at < smallFiles; at += 1) {
    const below = join(tree, "blocks", String(at % 1000));
    if (at < 1000) mkdirSync(below, { recursive: true });
    writeFileSync(join(below, String(at)), Buffer.alloc(500, at));
  }
  execFileSync("sync", ["-f", tree]);
}

process.stdout.write(`${gigabytes} GB in 10 files, ${smallFiles} small ones; median of ${runs}\n`);
for (const type of ["xfs", "btrfs"] as const) {
  const mount = mountLoop(type, `${Math.ceil(gigabytes * 1.2 + smallFiles / 100_000 + 2)}G`);
  try {
    const cache = await openCache(join(mount.path, "cache"), {
      clock: systemClock,
      signal,
      onInfo: () => undefined,
      limits: { keepFreeShare: 0 },
    });
    const make = async (tree: string): Promise<Record<string, string>> => {
      makeTree(tree);
      return await Promise.resolve({});
    };
    (await cache.fill("seed", { neededBytes: gigabytes * 1e9, make })).seed.release();
    for (const mayBeSubvolume of type === "btrfs" ? [true, false] : [false]) {
      const times: number[] = [];
      let method = "";
      for (let run = 0; run < runs; run += 1) {
        const into = join(mount.path, `clone-${run}`);
        const startedAt = performance.now();
        const seed = await cache.take("seed");
        if (seed === undefined) throw new Error("The cache does not have what it was given.");
        method = await seed.clone({ into, owner: "kept", mayBeSubvolume });
        times.push(performance.now() - startedAt);
        seed.release();
        await discardTree(into);
      }
      const median = times.toSorted((a, b) => a - b)[runs >> 1] ?? NaN;
      const all = times.map((ms) => (ms / 1000).toFixed(2)).join(" ");
      const load = loadavg()[0]?.toFixed(0) ?? "";
      process.stdout.write(`${type} ${method}: ${(median / 1000).toFixed(2)} s (${all}), load ${load}\n`);
    }
  } finally {
    mount.unmount();
  }
}
