/** The freezers on the file systems people use, each made in a file and mounted. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reflinkFreezer } from "../../src/freeze/reflink.ts";
import { chooseFreezer, freezersInOrder } from "../../src/freeze/registry.ts";
import { sqliteFreezer } from "../../src/freeze/sqlite/sqlite.ts";
import { createChainstate } from "../../simulator/chainstate.ts";
import { describeFreezer } from "../conformance/freezer.ts";
import { hasFormatter, isRoot, mountLoop } from "./loop-mount.ts";
import type { LoopFileSystem, LoopMount } from "./loop-mount.ts";
import { copyView, requestFor, rules, viewOf } from "./support.ts";

for (const type of ["xfs", "btrfs", "ext4"] satisfies LoopFileSystem[]) {
  describe.skipIf(!isRoot || !hasFormatter(type))(`on ${type}`, () => {
    let mount: LoopMount | undefined;
    const root = (): string => mount?.path ?? "";
    let made = 0;
    const place = async (): Promise<string> => {
      const path = join(root(), `case-${(made += 1)}`);
      mkdirSync(path);
      return path;
    };
    beforeAll(() => {
      mount = mountLoop(type, "4G");
    });
    afterAll(() => mount?.unmount());

    describeFreezer({
      name: "sqlite",
      freezer: () => sqliteFreezer({ viewOf, rules, limits: { minFreeBytes: 1 } }),
      place,
      nodeRunsOn: true,
    });

    describe.skipIf(type === "ext4")("clones", () => {
      describeFreezer({
        name: "reflink",
        freezer: () => reflinkFreezer({ viewOf }),
        place,
        nodeRunsOn: true,
      });

      test("20,000 files are cloned within 3 s of two processors", async () => {
        const base = await place();
        const dir = join(base, "mainnet");
        mkdirSync(dir);
        for (let at = 0; at < 20_000; at += 1) {
          const below = join(dir, String(at % 100));
          if (at < 100) mkdirSync(below);
          writeFileSync(join(below, `file-${at}`), Buffer.alloc(1000, at));
        }
        const request = requestFor(dir, join(base, "state"));
        const freezer = reflinkFreezer({ viewOf });
        expect(await freezer.probe(request)).toMatchObject({ usable: true });
        const startedAt = performance.now();
        const startedCpu = process.cpuUsage();
        const frozen = await freezer.freeze(request, true);
        const tookMs = performance.now() - startedAt;
        const { user, system } = process.cpuUsage(startedCpu);
        try {
          console.log(`${type}: 20,000 files in ${Math.round(tookMs)} ms`);
          // Processor time of two, because others may work on this machine; bench/downtime.ts measures what passes.
          expect((user + system) / 1000).toBeLessThan(2 * 3000);
        } finally {
          await frozen.release();
        }
      });

      test("a mode directory that is a mount point of its own is cloned into itself, and not with itself", async () => {
        const own = mountLoop(type, "1G");
        const state = mkdtempSync("/var/tmp/freeze-state-");
        try {
          const dir = join(own.path);
          createChainstate(dir, { era: "nakamoto", height: 20 });
          const request = requestFor(dir, state);
          const frozen = await reflinkFreezer({ viewOf }).freeze(request, true);
          try {
            const paths = await copyView(frozen.view, join(root(), "own-copy"));
            expect(paths.filter((path) => path.startsWith(".chainstate"))).toEqual([]);
            expect(paths).toContain("chainstate/vm/clarity/marf.sqlite");
          } finally {
            await frozen.release();
          }
        } finally {
          own.unmount();
          rmSync(state, { recursive: true });
        }
      });
    });

    test("auto takes clones where there are any, and SQLite's readers elsewhere", async () => {
      const base = await place();
      const dir = join(base, "mainnet");
      createChainstate(dir, { era: "nakamoto", height: 20, blocksInWal: 2 });
      const request = requestFor(dir, join(base, "state"));
      const chosen = await chooseFreezer(
        { cut: "auto", freezeWith: "auto" },
        request,
        freezersInOrder({ viewOf, rules, limits: { minFreeBytes: 1 } }),
      );
      console.log(`${type}: ${chosen.freezer.name}, ${chosen.reason}`);
      expect(chosen.freezer.name).toBe(type === "ext4" ? "sqlite" : "reflink");
      expect(chosen.notice).toBeUndefined();
    });
  });
}
