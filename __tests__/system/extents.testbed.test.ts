/** On file systems that share blocks: where a file and its clone are said to share their bytes, the bytes are the same. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  constants,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sharedBytes, whyPlacesSayNothing } from "../../src/system/extents.ts";
import { mountOf } from "../../src/system/mounts.ts";
import { has } from "../tools.ts";
import {
  hasFormatter,
  isRoot,
  mountLoop,
  type LoopFileSystem,
  type LoopMount,
} from "../freeze/loop-mount.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const { signal } = new AbortController();

type Change =
  | {
      readonly kind: "write" | "punch" | "allocate" | "zero" | "map" | "clone" | "dedupe";
      readonly at: number;
      readonly size: number;
    }
  | { readonly kind: "truncate"; readonly at: number }
  | { readonly kind: "replace" | "append" | "sync" | "copy" };

const place = fc.nat({ max: 4 * MiB }).map((at) => at - (at % 512));
const length = fc.constantFrom(1, 512, 4 * KiB, 4 * KiB, 12 * KiB, 64 * KiB, 700 * KiB);
const changes = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("write" as const), at: place, size: length }) },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          "punch" as const,
          "allocate" as const,
          "zero" as const,
          "map" as const,
          "clone" as const,
          "dedupe" as const,
        ),
        at: place,
        size: length,
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("truncate" as const), at: place }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom("replace" as const, "append" as const, "sync" as const, "copy" as const),
      }),
    },
  ),
  { minLength: 1, maxLength: 12 },
);

for (const type of ["xfs", "btrfs"] satisfies LoopFileSystem[]) {
  describe.skipIf(!isRoot || !hasFormatter(type) || !has("filefrag"))(`on ${type}`, () => {
    let mount: LoopMount | undefined;
    const at = (name: string): string => join(mount?.path ?? "", name);
    beforeAll(() => {
      mount = mountLoop(type, "2G");
    });
    afterAll(() => mount?.unmount());

    test("this file system is one whose places say something", async () => {
      expect(whyPlacesSayNothing(await mountOf(at("")))).toBeUndefined();
    });

    test("whatever is done to a file, what it shares with its clone is the same in both", async () => {
      let spared = 0;
      await fc.assert(
        fc.asyncProperty(changes, fc.boolean(), async (done, isLate) => {
          const [live, last, now] = [at("live"), at("last"), at("now")];
          for (const path of [live, last, now]) rmSync(path, { force: true });
          writeFileSync(live, randomBytes(3 * MiB + 100));
          clone(live, last);
          for (const change of done) apply(live, last, change);
          if (!isLate) clone(live, now);
          // Without a clone what was written last has no place yet.
          spared += await requireSame(last, isLate ? live : now);
        }),
        { numRuns: Number(process.env["EXTENT_RUNS"] ?? 60) },
      );
      // What never spares anything would be right too.
      expect(spared).toBeGreaterThan(10 * MiB);
    });

    test("a page that was rewritten is told from those around it", async () => {
      const [live, last, now] = [at("live"), at("last"), at("now")];
      for (const path of [live, last, now]) rmSync(path, { force: true });
      writeFileSync(live, randomBytes(8 * MiB));
      clone(live, last);
      write(live, 5 * 4096, randomBytes(4096));
      clone(live, now);
      expect(await requireSame(last, now)).toBe(8 * MiB - 4096);
    });

    test("of a clone that was written to nothing is said that is not so", async () => {
      const [live, last] = [at("live"), at("last")];
      for (const path of [live, last]) rmSync(path, { force: true });
      writeFileSync(live, randomBytes(8 * MiB));
      clone(live, last);
      write(last, 100, Buffer.from("not as it was"));
      expect(await requireSame(last, live)).toBe(8 * MiB - 4096);
    });
  });
}

test.skipIf(!has("filefrag"))("elsewhere places say nothing", async () => {
  expect(whyPlacesSayNothing({ fsType: "ext4", options: [] })).toMatch(/ext4/);
  expect(whyPlacesSayNothing({ fsType: "xfs", options: ["rw", "rtdev=/dev/sdb"] })).toMatch(/realtime/);
});

/** Returns how many bytes are shared; each of them has to be the same. */
async function requireSame(one: string, other: string): Promise<number> {
  const [a, b] = [await open(one, "r"), await open(other, "r")];
  try {
    const shared = await sharedBytes(a, b, signal);
    if (typeof shared === "string") throw new Error(shared);
    const [before, after] = [readFileSync(one), readFileSync(other)];
    let bytes = 0;
    for (let index = 0; index < shared.count; index += 1) {
      const { start, end } = shared.at(index);
      const upTo = Math.min(end, before.length, after.length);
      if (!before.subarray(start, upTo).equals(after.subarray(start, upTo)))
        throw new Error(`the bytes from ${start} to ${upTo} are not the same`);
      bytes += Math.max(0, upTo - start);
    }
    return bytes;
  } finally {
    await a.close();
    await b.close();
  }
}

function clone(from: string, to: string): void {
  rmSync(to, { force: true });
  copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
}

function write(path: string, offset: number, bytes: Buffer): void {
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}

function apply(live: string, last: string, change: Change): void {
  const { size } = statSync(live);
  switch (change.kind) {
    case "write":
      return write(live, change.at, randomBytes(change.size));
    case "append":
      return write(live, size, randomBytes(5000));
    case "truncate":
      return truncateSync(live, Math.min(change.at, size));
    case "replace":
      writeFileSync(`${live}.new`, Buffer.concat([readFileSync(live).subarray(0, MiB), randomBytes(MiB)]));
      return renameSync(`${live}.new`, live);
    case "copy":
      // Back to what it was, without a byte being written.
      clone(last, `${live}.new`);
      return renameSync(`${live}.new`, live);
    case "sync": {
      const file = openSync(live, "r");
      fsyncSync(file);
      return closeSync(file);
    }
    case "map":
      return mapped(live, change.at, Math.max(1, Math.min(change.size, size - change.at)), size);
    case "punch":
      return fallocate(live, "--punch-hole", change);
    case "zero":
      return fallocate(live, "--zero-range", change);
    case "allocate":
      return fallocate(live, "--posix", change, "--keep-size");
    case "clone":
      return xfsIo(
        live,
        `reflink ${last} ${blocks(change.at + 64 * KiB)} ${blocks(change.at)} ${blocks(change.size) || 4096}`,
      );
    case "dedupe":
      return xfsIo(
        live,
        `dedupe ${last} ${blocks(change.at)} ${blocks(change.at)} ${blocks(change.size) || 4096}`,
      );
  }
}

const blocks = (bytes: number): number => bytes - (bytes % 4096);

function fallocate(
  path: string,
  how: string,
  { at, size }: { readonly at: number; readonly size: number },
  instead?: string,
): void {
  const argv = [instead ?? how, "--offset", String(at), "--length", String(size), path];
  execFileSync("fallocate", argv);
}

/** Ranges beyond an end are refused, which is as good. */
function xfsIo(path: string, command: string): void {
  spawnSync("xfs_io", ["-c", command, path], { stdio: "ignore" });
}

/** Through shared memory, which the file system hears of late. */
function mapped(path: string, at: number, length: number, size: number): void {
  if (at >= size) return;
  const command = ["-c", "mmap -rw 0 " + String(size), "-c", `mwrite -S ${1 + (at % 200)} ${at} ${length}`];
  execFileSync("xfs_io", [...command, path], { stdio: "ignore" });
}
