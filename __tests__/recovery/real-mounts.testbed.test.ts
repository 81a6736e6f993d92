/** The swap on a real mount point, which cannot be renamed, and the journal on a disk that is really full. Needs root. */
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SwapRecord } from "../../src/recovery/content.ts";
import { fileOperations } from "../../src/recovery/file-operations.ts";
import { openJournal, takeJournal } from "../../src/recovery/journal.ts";
import { noteNode, noteStopRequested } from "../../src/recovery/node-account.ts";
import { recoverFully } from "../../src/recovery/recover.ts";
import { finishSwap, planSwap, commitSwap, rollBack, swapIn } from "../../src/recovery/swap.ts";
import { systemClock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { volumeRecovery } from "../../src/volume/recovery.ts";
import { unasked } from "./unasked.ts";

const signal = AbortSignal.timeout(60_000);
const privilege = privilegeFor("never");
const files = fileOperations(privilege, signal);
let base: string;
let mounted: string[];

function mount(directory: string, sizeKiB: number): void {
  mkdirSync(directory, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeKiB}k,mode=0700`, "tmpfs", directory]);
  mounted.push(directory);
}

describe.skipIf(process.geteuid?.() !== 0)("on real mounts", () => {
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "mounts-"));
    mounted = [];
  });
  afterEach(() => {
    for (const directory of mounted.toReversed()) execFileSync("umount", [directory]);
    rmSync(base, { recursive: true });
  });

  test("a chainstate directory that is a mount point is swapped by its contents, and taken back", async () => {
    const target = join(base, "mainnet");
    mount(target, 1024);
    mkdirSync(join(target, "chainstate"));
    writeFileSync(join(target, "peer.sqlite"), "old");
    const plan = await planSwap(target, "r1");
    expect(plan).toMatchObject({ layout: "contents", place: join(target, ".chainstate-snapshot-r1-new") });
    mkdirSync(plan.staging, { recursive: true, mode: 0o700 });
    writeFileSync(join(plan.staging, "headers.sqlite"), "new");
    let last: SwapRecord | null = null;
    const record = async (swap: SwapRecord | null): Promise<void> => {
      last = await Promise.resolve(swap);
    };
    const first = await swapIn(plan, record, files);
    expect(readdirSync(target).filter((name) => !name.startsWith("."))).toEqual(["headers.sqlite"]);
    await rollBack(first, record, files);
    expect(last).toBeNull();
    expect(readdirSync(target).filter((name) => !name.startsWith("."))).toEqual([
      "chainstate",
      "peer.sqlite",
    ]);
    const second = await swapIn(plan, record, files);
    await commitSwap(second, record);
    await finishSwap({ ...second, step: "committed" }, false, record, files);
    expect(readFileSync(join(target, "headers.sqlite"), "utf8")).toBe("new");
    await files.removeTree(plan.place);
    expect(readdirSync(target)).toEqual(["headers.sqlite"]);
  });

  test("a chainstate directory with another disk mounted inside is refused", async () => {
    mount(join(base, "mainnet", "chainstate"), 64);
    await expect(planSwap(join(base, "mainnet"), "r1")).rejects.toMatchObject({ code: "TARGET_HAS_MOUNTS" });
  });

  test("a state directory that has filled up keeps nobody from bringing the node back", async () => {
    const state = join(base, "state");
    mount(state, 256);
    mkdirSync(join(base, "mainnet"));
    const run = { runId: "r1", command: "snapshot", sudo: "never" } as const;
    const { journal } = await openJournal({
      stateDirectory: state,
      chainstateDir: join(base, "mainnet"),
      run,
      signal,
    });
    const recipe = { manager: "systemd", unit: "x.service", sudo: false } as const;
    await noteNode(journal, { wasRunning: true, recipe, process: undefined, stopTimeoutMs: 1000 });
    await noteStopRequested(journal, systemClock);
    journal.release();
    const { bavail, bsize } = statfsSync(state);
    writeFileSync(join(state, "filler"), Buffer.alloc(bavail * bsize));
    expect(() => writeFileSync(join(state, "one-more"), Buffer.alloc(4096))).toThrow("ENOSPC");
    rmSync(join(state, "one-more"));
    // The reserve is taken by the first write; then even that is filled up again.
    const taken = await takeJournal(journal.path, { role: "post", signal });
    const left = statfsSync(state);
    writeFileSync(join(state, "filler2"), Buffer.alloc(left.bavail * left.bsize));
    let starts = 0;
    const nodes = {
      ...unasked,
      start: async () => await Promise.resolve(((starts += 1), "started" as const)),
      isInUse: async () => await Promise.resolve(false),
    };
    const options = { privilege, clock: systemClock, signal, nodes, volumes: volumeRecovery };
    await recoverFully(taken!, options).catch(() => undefined);
    expect(starts).toBe(1);
    taken!.release();
  });
});
