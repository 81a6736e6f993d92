/** Test jobs with a cache: the first fills it, the next ones clone, and the post step leaves nothing behind. */
import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { StepResult } from "../../simulator/runner.ts";
import { startActionsCache } from "./actions-cache.ts";
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

  // The archive is away, the manifest is not: whatever comes now comes out of the cache.
  const archive = readdirSync(setup.store, { recursive: true, encoding: "utf8" }).find((name) =>
    name.endsWith(".tar.zst"),
  );
  const [here, away] = [join(setup.store, archive ?? ""), join(setup.directory, "away")];
  renameSync(here, away);
  const second = setup.job(inputsFor("second"));
  const cloned = await second.main();
  renameSync(away, here);
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

test("a directory that is in use, or is not the restored one any more, is left alone", async () => {
  const job = setup.job(inputsFor("third"));
  expectRestored(await job.main(), "third");
  // A process that is none of the job's own steps' children, as a node that a step left running.
  const node = spawn("tail", ["-f", join(target("third"), "headers.sqlite")], { stdio: "ignore" });
  try {
    await new Promise((done) => node.once("spawn", done));
    const used = await job.post();
    expect(used.exitCode, used.log).toBe(0);
    expect(used.log).toMatch(/is not removed: It is in use: .*headers\.sqlite/);
    expectRestored({ ...used, exitCode: 0 }, "third");
  } finally {
    node.kill();
  }
  rmSync(target("third"), { recursive: true });
  mkdirSync(target("third"));
  const ended = await job.post();
  expect(ended.exitCode, ended.log).toBe(0);
  expect(existsSync(target("third"))).toBe(true);
});

test("the Actions cache saves the download and is not believed", async () => {
  const service = await startActionsCache(join(setup.directory, "blob"));
  const inputs = { ...inputsFor("hosted"), cache: "github", "remove-after-job": "false" };
  const restore = async (env: Readonly<Record<string, string>>): Promise<StepResult> => {
    rmSync(target("hosted"), { recursive: true, force: true });
    const main = await setup.job(inputs, env).main();
    expectRestored(main, "hosted");
    return main;
  };
  try {
    const without = await restore({});
    expect(without.outputs).toMatchObject({ "cache-hit": "false" });
    expect(without.log).toContain("there is no cache service here");

    expect((await restore(service.env)).outputs).toMatchObject({ "cache-hit": "false" });
    expect(service.key()).toMatch(/^chainstate-snapshot-.*-share-[0-9a-f]{32}$/);

    const hit = await restore(service.env);
    expect(hit.outputs).toMatchObject({ "cache-hit": "true" });
    expect(hit.summary).toMatch(/Fetched.* 0 B of /);

    changeCached(service.blob, (tree) => {
      const file = join(tree, "chainstate/vm/clarity/marf.sqlite");
      const bytes = readFileSync(file);
      bytes.writeUInt8(bytes.readUInt8(5000) ^ 1, 5000);
      writeFileSync(file, bytes);
    });
    const flipped = await restore(service.env);
    expect(flipped.outputs).toMatchObject({ "cache-hit": "true" });
    expect(flipped.summary).not.toMatch(/Fetched.* 0 B of /);

    changeCached(service.blob, (tree) => writeFileSync(join(tree, "headers.sqlite-journal"), "x"));
    const strange = await restore(service.env);
    // What does not belong there is gone; see `expectRestored`.
    expect(strange.outputs).toMatchObject({ "cache-hit": "true" });

    // Whoever can save a cache chooses the names in it: none of them leads anywhere.
    const outside = join(setup.directory, "written-by-a-cache");
    const packed = join(setup.directory, "packed");
    writeFileSync(packed, "x");
    execFileSync("tar", ["-P", "--zstd", "-cf", service.blob, `--transform=s,^.*,${outside},`, packed]);
    const hostile = await restore(service.env);
    expect(hostile.outputs).toMatchObject({ "cache-hit": "false" });
    expect(hostile.log).toContain("The Actions cache failed, so the snapshot is fetched");
    expect(existsSync(outside)).toBe(false);
  } finally {
    await service.close();
  }
});

/** Unpacks what is cached to where it came from, lets it be changed, and packs it again. */
function changeCached(blob: string, change: (tree: string) => void): void {
  const workspace = mkdtempSync(join(tmpdir(), "job-"));
  const tar = (...args: readonly string[]): string =>
    execFileSync("tar", ["-P", "-C", workspace, ...args], {
      encoding: "utf8",
      maxBuffer: 1e8,
    });
  const [member = ""] = tar("-tf", blob).split("\n");
  tar("-xf", blob);
  change(join(workspace, member));
  tar("--zstd", "-cf", blob, member);
  rmSync(workspace, { recursive: true });
}
