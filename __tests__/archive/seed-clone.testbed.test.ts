/** A restore beside a chainstate that has most of it already, on file systems that share blocks: what is equal is not written. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  rmSync,
  statfsSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  hasFormatter,
  isRoot,
  mountLoop,
  type LoopFileSystem,
  type LoopMount,
} from "../freeze/loop-mount.ts";
import { archiveOf, unpack } from "./local-archive.ts";

const MiB = 1024 * 1024;
const segmentSizeOf = (): number => MiB;

for (const type of ["xfs", "btrfs", "ext4"] satisfies LoopFileSystem[]) {
  describe.skipIf(!isRoot || !hasFormatter(type))(`on ${type}`, () => {
    let mount: LoopMount | undefined;
    const at = (name: string): string => join(mount?.path ?? "", name);
    beforeAll(() => {
      mount = mountLoop(type, "1G");
    });
    afterAll(() => mount?.unmount());

    test("a large file is cloned, and only what differs is fetched and written", async () => {
      const [tree, seed, target] = [at("tree"), at("seed"), at("target")];
      mkdirSync(tree);
      const blobs = randomBytes(64 * MiB + 100);
      // Zeros stay holes in a new file; in a clone they must overwrite what stands there.
      blobs.fill(0, 8 * MiB, 10 * MiB);
      writeFileSync(join(tree, "blobs"), blobs);
      writeFileSync(join(tree, "shrunk"), randomBytes(3 * MiB));
      writeFileSync(join(tree, "linked"), randomBytes(3 * MiB));
      writeFileSync(join(tree, "small"), "small");
      const archive = await archiveOf(tree, at(""), { segmentSizeOf });

      cpSync(tree, seed, { recursive: true });
      writeAt(join(seed, "blobs"), 9 * MiB, Buffer.alloc(MiB, "x"));
      writeAt(join(seed, "blobs"), 20 * MiB, Buffer.alloc(10, "x"));
      truncateSync(join(seed, "blobs"), 60 * MiB);
      appendFileSync(join(seed, "shrunk"), randomBytes(MiB));
      writeFileSync(at("elsewhere"), randomBytes(3 * MiB));
      rmSync(join(seed, "linked"));
      symlinkSync(at("elsewhere"), join(seed, "linked"));

      const before = freeBytes(at(""));
      const result = await unpack(archive, target, { seeds: [seed] });
      execFileSync("diff", ["-r", tree, target]);
      // Zeros at 9 MiB, ten bytes at 20 MiB, five pieces behind the end; the linked file's three.
      expect(result.fetchedFrames).toBe(1 + 1 + 5 + 3);
      const written = before - freeBytes(at(""));
      // ext4 shares nothing.
      const [least, most] = type === "ext4" ? [60 * MiB, 90 * MiB] : [0, 16 * MiB];
      expect(written).toBeGreaterThan(least);
      expect(written).toBeLessThan(most);
    });
  });
}

function writeAt(file: string, position: number, bytes: Buffer): void {
  const text = bytes.toString("latin1");
  execFileSync("dd", [`of=${file}`, `seek=${position}`, "oflag=seek_bytes", "conv=notrunc", "status=none"], {
    input: text,
  });
}

function freeBytes(directory: string): number {
  execFileSync("sync", ["-f", directory]);
  const { bsize, bfree } = statfsSync(directory);
  return bsize * bfree;
}
