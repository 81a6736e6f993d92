/** What a store gives back may be wrong anywhere: it is refused by `verify`, and a restore changes nothing. */
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StepResult } from "../../simulator/runner.ts";
import { isScratch, setUp, treeOf, type Setup } from "./support.ts";

const kinds = ["archive", "index.json.zst", "manifest.json"] as const;

let setup: Setup;
let files: Readonly<Record<(typeof kinds)[number], string>>;
let whole: Readonly<Record<string, string>>;

beforeAll(async () => {
  setup = await setUp();
  const { main } = await setup.job(setup.snapshotInputs).run();
  const folder = join(setup.store, "snapshots", main.outputs["snapshot-id"] ?? "");
  files = {
    archive: new URL(main.outputs["archive-url"] ?? "").pathname,
    "index.json.zst": join(folder, "index.json.zst"),
    "manifest.json": join(folder, "manifest.json"),
  };
  await restoreBeside();
  whole = treeOf(beside(), isScratch);
});
afterAll(async () => await setup.remove());

const beside = (): string => join(setup.directory, "beside", "mainnet");

async function restoreBeside(): Promise<StepResult> {
  rmSync(join(setup.directory, "beside"), { recursive: true, force: true });
  const inputs = { command: "restore", "chainstate-dir": beside(), "node-manager": "none" };
  return (await setup.job({ ...inputs, storage: `file://${setup.store}` }).run()).main;
}

async function verify(): Promise<StepResult> {
  return (await setup.job({ command: "verify", storage: `file://${setup.store}` }).run()).main;
}

/** The bytes of `file` as `change` leaves them, for the length of `work`. */
async function whileDamaged(file: string, change: () => void, work: () => Promise<void>): Promise<void> {
  const good = readFileSync(file);
  change();
  try {
    await work();
  } finally {
    writeFileSync(file, good);
  }
}

it("is whole before anybody damages it", async () => {
  const seen = await verify();
  expect(seen.exitCode, seen.log).toBe(0);
  expect(Object.keys(whole).length).toBeGreaterThan(20);
});

describe.each(kinds)("a damaged %s", (kind) => {
  it("is seen wherever a byte of it is flipped, and never restored", async () => {
    const file = files[kind];
    const good = readFileSync(file);
    const parts = 7;
    for (let part = 0; part <= parts; part += 1) {
      const at = Math.floor(((good.length - 1) * part) / parts);
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x20;
      await whileDamaged(
        file,
        () => writeFileSync(file, bad),
        async () => {
          const seen = await verify();
          expect(seen.exitCode, `byte ${at}: ${seen.log}`).toBe(1);
          expect(seen.log, `byte ${at}`).toMatch(/What to do/);
          // The archive's seek table is for others: we read by the index, and give back what was there or nothing.
          const restored = await restoreBeside();
          const left = existsSync(beside()) ? treeOf(beside(), isScratch) : {};
          expect(left, restored.log).toEqual(restored.exitCode === 0 ? whole : {});
        },
      );
    }
  });

  it.each([
    ["cut in half", (file: string) => truncateSync(file, Math.floor(readFileSync(file).length / 2))],
    // The last byte of a manifest is a line's end, without which it says the same.
    ["short of two bytes", (file: string) => truncateSync(file, readFileSync(file).length - 2)],
    ["empty", (file: string) => truncateSync(file, 0)],
    ["gone", (file: string) => rmSync(file)],
  ] as const)("and one that is %s is refused, with the node running on what it had", async (_, change) => {
    const pids = setup.pids();
    await whileDamaged(
      files[kind],
      () => change(files[kind]),
      async () => {
        const { exitCode, log } = (
          await setup
            // Nothing to take the damaged frames from instead.
            .job({
              ...setup.snapshotInputs,
              command: "restore",
              "allow-lower-height": "true",
              "seed-from": setup.store,
            })
            .run()
        ).main;
        expect(exitCode, log).toBe(1);
        expect(log).toMatch(/What to do/);
        expect(log).toMatch(/The node (?:is running|was not touched)/);
        expect(setup.pids()).toEqual(pids);
        expect((await verify()).exitCode).toBe(1);
      },
    );
    expect(existsSync(join(setup.chainstate, "chainstate/vm/index.sqlite"))).toBe(true);
  });
});
