/** Kept clones: which directories count, and which go. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect, test } from "vitest";
import { forgetKept, FreshClones, keptFile, readKept, sweepKept } from "../../src/freeze/kept.ts";
import { memoryDirectory } from "../tools.ts";
import { scratch } from "./support.ts";

const week = 7 * 24 * 3600_000;
const now = Date.parse("2026-03-01T03:00:00Z");

async function place(): Promise<{ readonly stateDir: string; readonly chainstateDir: string }> {
  const root = await scratch("kept");
  const made = { stateDir: join(root, "state"), chainstateDir: join(root, "node", "mainnet") };
  mkdirSync(made.stateDir);
  mkdirSync(made.chainstateDir, { recursive: true });
  return made;
}

async function record(
  at: { readonly stateDir: string; readonly chainstateDir: string },
  runId: string,
): Promise<FreshClones> {
  const fresh = new FreshClones(at, runId);
  mkdirSync(fresh.directory);
  await fresh.record({ id: "one", indexSha256: "a", at: new Date(now).toISOString(), nights: 1 });
  return fresh;
}

test("all go but the recorded one, those of other chainstates, and what has another name", async () => {
  const at = await place();
  const kept = await record(at, "run-2");
  const dead = new FreshClones(at, "run-1").directory;
  const other = new FreshClones({ ...at, chainstateDir: join(at.chainstateDir, "..", "testnet") }, "run-1")
    .directory;
  const scratchOfRun = join(at.chainstateDir, "..", ".chainstate-snapshot-run-1");
  for (const path of [dead, other, scratchOfRun]) mkdirSync(path);
  writeFileSync(join(dead, "left"), "x");
  await sweepKept(at, now + 1000);
  expect([kept.directory, dead, other, scratchOfRun].map((path) => existsSync(path))).toEqual([
    true,
    false,
    true,
    true,
  ]);
});

test("what is older than a week goes, and what no record that can be read names", async () => {
  const at = await place();
  const kept = await record(at, "run-1");
  await sweepKept(at, now + week);
  expect(existsSync(kept.directory)).toBe(true);
  await sweepKept(at, now + week + 1000);
  expect([existsSync(kept.directory), readdirSync(at.stateDir)]).toEqual([false, []]);
  const again = await record(at, "run-2");
  const [name = ""] = readdirSync(at.stateDir);
  writeFileSync(join(at.stateDir, name), "{");
  expect(await readKept(at)).toBeUndefined();
  await sweepKept(at, now);
  expect(existsSync(again.directory)).toBe(false);
});

test("a record leads nowhere but to a clone of its chainstate", async () => {
  const at = await place();
  const kept = await record(at, "run-1");
  const [name = ""] = readdirSync(at.stateDir);
  const lying = { id: "one", indexSha256: "a", at: new Date(now).toISOString(), nights: 1, files: [] };
  for (const each of ["../..", "mainnet", `${basename(kept.directory)}/../../x`]) {
    writeFileSync(join(at.stateDir, name), JSON.stringify({ ...lying, name: each }));
    expect(await readKept(at), each).toBeUndefined();
  }
  await forgetKept(at);
  expect(await readKept(at)).toBeUndefined();
});

test("a file that is not what was recorded is none", async () => {
  const at = await place();
  const kept = await record(at, "run-1");
  const found = await readKept(at);
  if (found === undefined) throw new Error("no record");
  expect(await keptFile(at, found, "a.sqlite")).toBe("absent");
  writeFileSync(join(kept.directory, "a.sqlite"), "x");
  const file = { path: "a.sqlite", size: 1, inode: "1", mtimeNs: "1", ctimeNs: "1" };
  expect(await keptFile(at, { ...found, files: [file] }, "a.sqlite")).toBe("changed");
  expect(await keptFile(at, { ...found, files: [{ ...file, path: "gone" }] }, "gone")).toBe("changed");
});

test("where nothing can be cloned it says why, and there is nothing to keep", async () => {
  const at = {
    stateDir: "/nowhere",
    chainstateDir: join(mkdtempSync(join(memoryDirectory(), "kept-")), "mainnet"),
  };
  mkdirSync(at.chainstateDir, { recursive: true });
  const fresh = new FreshClones(at, "run-1");
  writeFileSync(join(at.chainstateDir, "a"), "x");
  const why = await fresh.add([{ path: "a", source: join(at.chainstateDir, "a") }], "clone");
  expect([typeof why, fresh.isEmpty]).toEqual(["string", true]);
  await sweepKept(at, now);
  expect(existsSync(fresh.directory)).toBe(false);
  rmSync(dirname(at.chainstateDir), { recursive: true });
});

test("what a run has cloned already is kept without another clone, and outlives the run's own names", async () => {
  const at = await place();
  const frozen = join(dirname(at.chainstateDir), ".chainstate-snapshot-run-1");
  mkdirSync(frozen);
  writeFileSync(join(frozen, "a.sqlite"), "pages");
  const { ino } = statSync(join(frozen, "a.sqlite"));
  const fresh = new FreshClones(at, "run-1");
  const files = [{ path: "deep/a.sqlite", source: join(frozen, "a.sqlite") }];
  expect(await fresh.add(files, "link")).toBeUndefined();
  expect(statSync(join(fresh.directory, "deep/a.sqlite")).ino).toBe(ino);
  rmSync(frozen, { recursive: true });
  await fresh.record({ id: "one", indexSha256: "a", at: new Date(now).toISOString(), nights: 1 });
  const found = await readKept(at);
  if (found === undefined) throw new Error("no record");
  expect(await keptFile(at, found, "deep/a.sqlite")).toEqual({
    source: join(fresh.directory, "deep/a.sqlite"),
    size: 5,
  });
});
