import { assert, asyncProperty, constantFrom, dictionary, nat, option, record } from "fast-check";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  chmodSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SwapRecord } from "../../src/recovery/content.ts";
import { fileOperations, type FileOperations } from "../../src/recovery/file-operations.ts";
import {
  finishSwap,
  planSwap,
  commitSwap,
  rollBack,
  swapIn,
  type SwapPlan,
} from "../../src/recovery/swap.ts";
import { privilegeFor } from "../../src/system/privilege.ts";

const signal = AbortSignal.timeout(60_000);
const real = fileOperations(privilegeFor("never"), signal);
let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "swap-"));
});
afterEach(() => {
  rmSync(base, { recursive: true });
});

class Killed extends Error {}

/** Every change to files or journal counts; the one after `left` never happens. */
function mortal(left: number): { files: FileOperations; spend: () => void } {
  let remaining = left;
  const spend = (): void => {
    if (remaining === 0) throw new Killed();
    remaining -= 1;
  };
  const files: FileOperations = {
    ...real,
    makeDirectory: async (path) => (spend(), await real.makeDirectory(path)),
    move: async (from, to) => (spend(), await real.move(from, to)),
    removeEmptyDirectory: async (path) => (spend(), await real.removeEmptyDirectory(path)),
    copyOwner: async (model, path) => (spend(), await real.copyOwner(model, path)),
    removeTree: async (path) => (spend(), await real.removeTree(path)),
    sync: async (path) => (spend(), await real.sync(path)),
  };
  return { files, spend };
}

/** A journal that only keeps the swap. */
function ledger(
  spend: () => void,
  initial: SwapRecord | null = null,
): { record: (swap: SwapRecord | null) => Promise<void>; last: () => SwapRecord | null } {
  let last = initial;
  return {
    last: () => last,
    record: async (swap) => {
      await Promise.resolve(spend());
      last = swap;
    },
  };
}

type Tree = Record<string, string>;

function grow(directory: string, tree: Tree): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(tree)) {
    if (text === "/") mkdirSync(join(directory, name));
    else writeFileSync(join(directory, name), text);
  }
}

function read(directory: string): Tree {
  return Object.fromEntries(
    readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.name.startsWith(".chainstate-snapshot-"))
      .map((entry) => [
        entry.name,
        entry.isDirectory() ? "/" : readFileSync(join(directory, entry.name), "utf8"),
      ]),
  );
}

async function planFor(layout: SwapPlan["layout"], target: string): Promise<SwapPlan> {
  const plan = await planSwap(target, "run1");
  if (layout === "directory") return plan;
  return {
    target,
    layout,
    keepPrevious: false,
    keepStaging: false,
    place: join(target, ".chainstate-snapshot-run1-new"),
    staging: join(target, ".chainstate-snapshot-run1-new", "tree"),
    aside: join(target, ".chainstate-snapshot-run1-old"),
  };
}

const trees = dictionary(
  constantFrom("peer.sqlite", "chainstate", "burnchain", "headers.sqlite-wal", "atlas.sqlite"),
  constantFrom("/", "", "one", "two"),
  { maxKeys: 5, noNullPrototype: true },
);
const cases = record({
  layout: constantFrom<SwapPlan["layout"]>("directory", "contents"),
  old: option(trees, { nil: undefined }),
  fresh: trees,
});

describe("a swap that dies", () => {
  test("between any two changes is taken back whole, even if taking it back dies as well", async () => {
    await assert(
      asyncProperty(cases, nat(6), async ({ layout, old, fresh }, secondDeath) => {
        // A mount point is always there.
        const before = layout === "contents" ? (old ?? {}) : old;
        for (let left = 0; ; left += 1) {
          const home = mkdtempSync(join(base, "case-"));
          const target = join(home, "mainnet");
          if (before !== undefined) grow(target, before);
          const plan = await planFor(layout, target);
          grow(plan.staging, fresh);
          const { files, spend } = mortal(left);
          const journal = ledger(spend);
          let finished = false;
          try {
            await swapIn(plan, journal.record, files);
            finished = true;
          } catch (error) {
            if (!(error instanceof Killed)) throw error;
          }
          const inPlace = finished ? read(target) : fresh;
          expect(inPlace).toEqual(fresh);
          const swap = journal.last();
          if (swap !== null) {
            const second = mortal(secondDeath);
            const again = ledger(second.spend, swap);
            try {
              await rollBack(swap, again.record, second.files);
            } catch (error) {
              if (!(error instanceof Killed)) throw error;
              const third = ledger(() => undefined);
              await rollBack(again.last() ?? swap, third.record, real);
            }
          }
          expect(existsSync(target) ? read(target) : undefined).toEqual(before);
          expect(existsSync(plan.aside)).toBe(false);
          expect(read(plan.staging)).toEqual(fresh);
          if (finished) break;
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe("a swap", () => {
  async function swapped(): Promise<{
    plan: SwapPlan;
    journal: ReturnType<typeof ledger>;
    swap: SwapRecord;
  }> {
    const target = join(base, "mainnet");
    grow(target, { old: "old" });
    chmodSync(target, 0o751);
    const plan = await planSwap(target, "run1");
    grow(plan.staging, { fresh: "fresh" });
    const journal = ledger(() => undefined);
    return { plan, journal, swap: await swapIn(plan, journal.record, real) };
  }

  test("gives the new directory the mode of the old one and keeps the old aside", async () => {
    const { plan } = await swapped();
    expect(read(plan.target)).toEqual({ fresh: "fresh" });
    expect(read(plan.aside)).toEqual({ old: "old" });
    expect(statSync(plan.target).mode & 0o7777).toBe(0o751);
  });

  test("is never taken back once it is proved, and only then drops the old directory", async () => {
    const { plan, journal, swap } = await swapped();
    await expect(finishSwap(swap, false, journal.record, real)).rejects.toMatchObject({
      code: "SWAP_NOT_COMMITTED",
    });
    await commitSwap(swap, journal.record);
    const proved = journal.last()!;
    await expect(rollBack(proved, journal.record, real)).rejects.toMatchObject({ code: "SWAP_COMMITTED" });
    await finishSwap(proved, false, journal.record, real);
    expect(readdirSync(base)).toEqual(["mainnet"]);
    expect(read(plan.target)).toEqual({ fresh: "fresh" });
    expect(journal.last()).toBeNull();
  });

  test.for(["directory", "contents"] as const)(
    "of its %s removes no directory that somebody has put where the old one was",
    async (layout) => {
      const target = join(base, "mainnet");
      grow(target, { old: "old" });
      const plan = await planFor(layout, target);
      grow(plan.staging, { fresh: "fresh" });
      const journal = ledger(() => undefined);
      await commitSwap(await swapIn(plan, journal.record, real), journal.record);
      renameSync(plan.aside, `${plan.aside}-taken`);
      grow(plan.aside, { precious: "data" });
      await expect(finishSwap(journal.last()!, false, journal.record, real)).rejects.toMatchObject({
        code: "SWAP_CONFLICT",
      });
      expect(read(plan.aside)).toEqual({ precious: "data" });
    },
  );

  test("leaves the old directory where keep-previous asks for it", async () => {
    const { plan, journal, swap } = await swapped();
    await commitSwap(swap, journal.record);
    await finishSwap(journal.last()!, true, journal.record, real);
    expect(read(plan.aside)).toEqual({ old: "old" });
  });

  test("half done: an empty directory that a supervisor made in between gives way", async () => {
    const { plan, journal, swap } = await swapped();
    rmSync(plan.target, { recursive: true });
    grow(plan.staging, { fresh: "fresh" });
    mkdirSync(plan.target);
    await rollBack({ ...swap, step: "in" }, journal.record, real);
    expect(read(plan.target)).toEqual({ old: "old" });
  });

  test("half done: a directory with somebody's data in it is not touched", async () => {
    const { plan, journal, swap } = await swapped();
    rmSync(plan.target, { recursive: true });
    grow(plan.staging, { fresh: "fresh" });
    grow(plan.target, { stranger: "data" });
    await expect(rollBack({ ...swap, step: "in" }, journal.record, real)).rejects.toMatchObject({
      code: "SWAP_CONFLICT",
    });
    expect(read(plan.target)).toEqual({ stranger: "data" });
    expect(read(plan.aside)).toEqual({ old: "old" });
  });

  test("says so when the old directory is nowhere", async () => {
    const { plan, journal, swap } = await swapped();
    rmSync(plan.aside, { recursive: true });
    await expect(rollBack(swap, journal.record, real)).rejects.toMatchObject({ code: "SWAP_LOST" });
  });
});

describe("planSwap", () => {
  test("follows a symlink to the real directory, so that the link itself is never replaced", async () => {
    grow(join(base, "disk", "mainnet"), {});
    symlinkSync(join(base, "disk", "mainnet"), join(base, "link"));
    const plan = await planSwap(join(base, "link"), "r");
    expect(plan.target).toBe(join(base, "disk", "mainnet"));
    expect(plan.staging).toBe(join(base, "disk", ".chainstate-snapshot-mainnet~r-new", "tree"));
  });

  test("refuses what is no directory", async () => {
    writeFileSync(join(base, "file"), "");
    await expect(planSwap(join(base, "file"), "r")).rejects.toMatchObject({ code: "TARGET_NOT_A_DIRECTORY" });
  });
});
