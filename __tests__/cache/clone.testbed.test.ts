/** Clones on file systems that share blocks: fast whatever their size, independent, and without room of their own. */
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { discardTree } from "../../src/cache/clone.ts";
import {
  hasFormatter,
  isRoot,
  mountLoop,
  type LoopFileSystem,
  type LoopMount,
} from "../freeze/loop-mount.ts";
import { cloneInto, describeTree, makeTree, open } from "./support.ts";

const megabytes = 512;

for (const [type, method] of [
  ["xfs", "reflink"],
  ["btrfs", "snapshot"],
  ["ext4", "copy"],
] satisfies [LoopFileSystem, string][]) {
  describe.skipIf(!isRoot || !hasFormatter(type))(`on ${type}`, () => {
    let mount: LoopMount | undefined;
    const at = (name: string): string => join(mount?.path ?? "", name);
    const freeBytes = (): number => {
      execFileSync("sync", ["-f", at("")]);
      const { bavail, bsize } = statfsSync(at(""));
      return bavail * bsize;
    };
    beforeAll(() => {
      mount = mountLoop(type, "4G");
    });
    afterAll(() => mount?.unmount());

    test(`half a gigabyte is cloned by ${method}`, async () => {
      const cache = await open(at("cache"));
      expect(cache.sharesBlocks).toBe(type !== "ext4");
      const { seed } = await cache.fill("one", {
        neededBytes: megabytes * 2 ** 20,
        async make(tree) {
          makeTree(tree, "one");
          const big = join(tree, "chainstate", "vm", "marf.sqlite.blobs");
          execFileSync("sh", [
            "-c",
            'head -c "$1"M /dev/urandom > "$2" && sync "$2"',
            "sh",
            String(megabytes),
            big,
          ]);
          return await Promise.resolve({});
        },
      });
      const before = freeBytes();
      const startedAt = performance.now();
      expect(await seed.clone(cloneInto(at("clone")))).toBe(method);
      const ms = performance.now() - startedAt;
      // A quarter of what a copy takes at the very least, even on a busy machine.
      expect(before - freeBytes() > (megabytes * 2 ** 20) / 4).toBe(type === "ext4");
      expect(type === "ext4" || ms < 10_000).toBe(true);

      const pristine = describeTree(seed.tree);
      appendFileSync(join(at("clone"), "chainstate/vm/marf.sqlite.blobs"), "a trie");
      appendFileSync(join(at("clone"), "burnchain/shared.sqlite"), "a block");
      expect(describeTree(seed.tree)).toEqual(pristine);
      seed.release();

      // Taken again after a clone: cloning changes nothing that the seal looks at.
      const again = await cache.take("one");
      expect(await again?.clone({ ...cloneInto(at("mine")), owner: "mine" })).toBe(
        type === "btrfs" ? "reflink" : method,
      );
      again?.release();
      for (const name of ["clone", "mine"]) await discardTree(at(name));
      const full = { neededBytes: Number.MAX_SAFE_INTEGER, make: () => Promise.resolve({}) };
      await expect(cache.fill("two", full)).rejects.toMatchObject({ code: "CACHE_FULL" });
      expect(readdirSync(at("cache/seeds"))).toEqual([]);
      expect(existsSync(at("cache/going")) && readdirSync(at("cache/going"))).toEqual([]);
    });
  });
}
