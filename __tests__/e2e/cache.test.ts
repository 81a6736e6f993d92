/** Test jobs with a cache: the first fills it, the next ones clone, and the post step leaves nothing behind. */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { StepResult } from "../../simulator/runner.ts";
import { setUp, treeOf, type Setup } from "./support.ts";

let setup: Setup;

beforeAll(async () => {
  setup = await setUp({ running: false });
  const { main } = await setup
    .job({ ...setup.snapshotInputs, "node-manager": "none", profile: "share" })
    .run();
  if (main.exitCode !== 0) throw new Error(main.log);
  const { "remove-after-job": _kept, cache: _none, ...uncached } = inputsFor("model");
  const model = await setup.job(uncached).main();
  if (model.exitCode !== 0) throw new Error(model.log);
});
afterAll(async () => await setup.remove());

const target = (name: string): string => join(setup.directory, name, "mainnet");

function inputsFor(name: string): Record<string, string> {
  return {
    command: "restore",
    "chainstate-dir": target(name),
    storage: `file://${setup.store}`,
    "node-manager": "none",
    cache: join(setup.directory, "cache"),
    check: "quick",
    "remove-after-job": "true",
  };
}

function expectRestored(main: StepResult, name: string): void {
  expect(main.exitCode, main.log).toBe(0);
  expect(treeOf(target(name))).toEqual(treeOf(target("model")));
}

test("the first job fills the cache, the second clones, and each post step removes its own clone", async () => {
  const first = setup.job(inputsFor("first"));
  const filled = await first.main();
  expectRestored(filled, "first");
  expect(filled.outputs).toMatchObject({ "cache-hit": "false" });
  expect(filled.summary).toMatch(/Cache.*filled by this run/);

  // The archive is gone, the manifest is not: whatever comes now comes out of the cache.
  for (const name of readdirSync(setup.store, { recursive: true, encoding: "utf8" }))
    if (name.endsWith(".tar.zst")) rmSync(join(setup.store, name));
  const second = setup.job(inputsFor("second"));
  const cloned = await second.main();
  expectRestored(cloned, "second");
  expect(cloned.outputs).toMatchObject({ "cache-hit": "true", "restored-dir": target("second") });
  expect(cloned.log).toContain("not made again");
  expect(cloned.log).not.toMatch(/^integrity passed/m);

  expect((await first.post()).exitCode).toBe(0);
  expect([existsSync(target("first")), existsSync(target("second"))]).toEqual([false, true]);
  const ended = await second.post();
  expect(ended.exitCode, ended.log).toBe(0);
  expect(existsSync(target("second"))).toBe(false);
  expect(readdirSync(join(setup.directory, "second"))).toEqual([]);
});

test("a directory that is not the restored one any more is left alone", async () => {
  const job = setup.job(inputsFor("third"));
  expectRestored(await job.main(), "third");
  rmSync(target("third"), { recursive: true });
  mkdirSync(target("third"));
  const ended = await job.post();
  expect(ended.exitCode, ended.log).toBe(0);
  expect(existsSync(target("third"))).toBe(true);
});
