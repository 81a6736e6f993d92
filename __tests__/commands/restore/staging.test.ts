/** What earlier restores left beside the target counts as space, and a disk that was filled is given back. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunContext } from "../../../src/commands/context.ts";
import { givingBack, removeOtherStaging, requireSpace } from "../../../src/commands/restore/staging.ts";
import { ActionError } from "../../../src/domain/errors.ts";
import { fileOperations } from "../../../src/recovery/file-operations.ts";
import { noteOf, partOf } from "../../../src/recovery/place.ts";
import { planSwap, type SwapPlan } from "../../../src/recovery/swap.ts";
import { privilegeFor } from "../../../src/system/privilege.ts";

const MiB = 2 ** 20;
const { signal } = new AbortController();
const files = fileOperations(privilegeFor("never"), signal);
let base: string;
let swap: SwapPlan;
let other: SwapPlan;
let ctx: RunContext;

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), "staging-"));
  const target = join(base, "mainnet");
  mkdirSync(target);
  swap = await planSwap(target, "snapshot-2");
  other = await planSwap(target, "snapshot-1");
  const stateDir = join(base, "state");
  mkdirSync(stateDir);
  const said = (): void => undefined;
  ctx = { host: { stateDir }, report: { info: said, warning: said, notice: said } } as unknown as RunContext;
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

function staged(plan: SwapPlan, bytes: number): void {
  mkdirSync(join(plan.staging, "chainstate", "vm"), { recursive: true, mode: 0o700 });
  writeFileSync(join(plan.staging, "chainstate", "vm", "x.blobs"), Buffer.alloc(bytes, 1));
  for (const kind of ["frames", "whole"] as const)
    writeFileSync(noteOf(ctx.host.stateDir, plan.staging, kind), "");
}

const withFree = (freeBytes: number) => async () =>
  await Promise.resolve({ freeBytes, totalBytes: 100 * MiB });

describe("a restore that goes on", () => {
  test("needs space only for what is missing", async () => {
    await expect(requireSpace(swap, 10 * MiB, withFree(5 * MiB))).rejects.toMatchObject({
      code: "SPACE_MISSING",
    });
    staged(swap, 6 * MiB);
    await requireSpace(swap, 10 * MiB, withFree(5 * MiB));
    await expect(requireSpace(swap, 10 * MiB, withFree(3 * MiB))).rejects.toMatchObject({
      code: "SPACE_MISSING",
      message: expect.stringContaining("earlier restores have left 6.0"),
    });
  });

  test("may count on what was kept of the download, and on what is removed before it begins", async () => {
    mkdirSync(swap.place, { mode: 0o700 });
    writeFileSync(partOf(swap.place, "fetched"), Buffer.alloc(3 * MiB, 1));
    staged(other, 3 * MiB);
    await requireSpace(swap, 10 * MiB, withFree(5 * MiB));
    await removeOtherStaging(swap, files, ctx);
    expect(existsSync(other.place)).toBe(false);
    expect(readdirSync(ctx.host.stateDir)).toEqual([]);
    expect(existsSync(partOf(swap.place, "fetched"))).toBe(true);
  });

  test("not on what belongs to another directory", async () => {
    const second = `${swap.target}-2`;
    staged(await planSwap(second, "snapshot-2"), 6 * MiB);
    await expect(requireSpace(swap, 10 * MiB, withFree(5 * MiB))).rejects.toMatchObject({
      code: "SPACE_MISSING",
    });
  });
});

describe("a failure while it is fetched", () => {
  test.each([
    ["DISK_FULL", []],
    ["SPACE_MISSING", []],
    ["STORE_FAILED", ["staging", "frames"]],
  ] as const)("%s leaves %j", async (code, left) => {
    staged(swap, MiB);
    const failing = givingBack(
      swap,
      files,
      ctx,
      async () => await Promise.reject(new ActionError(code, "It failed.")),
    );
    await expect(failing).rejects.toMatchObject({ code });
    const found = [
      existsSync(swap.staging) ? ["staging"] : [],
      readdirSync(ctx.host.stateDir).length > 0 ? ["frames"] : [],
    ].flat();
    expect(found).toEqual(left);
  });
});
