/** A directory that is lived in changes while it is looked at: files that are no part of its state come and go. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ofRunningNode, selectEntries } from "../../src/chainstate/layout.ts";
import { listEntries } from "../../src/freeze/listing.ts";
import { sqliteFreezer } from "../../src/freeze/sqlite/sqlite.ts";
import { createChainstate } from "../../simulator/chainstate.ts";
import { copyView, examineCopy, examineHeld, requestFor, rules, scratch, viewOf } from "./support.ts";

const signal = new AbortController().signal;

/** A chainstate in which scratch files come and go until the test is over. */
async function restless(): Promise<{ readonly base: string; readonly dir: string }> {
  const base = await scratch();
  const dir = join(base, "mainnet");
  createChainstate(dir, { era: "nakamoto", height: 10 });
  const maker = spawn(process.execPath, [join(import.meta.dirname, "scratch-maker.ts"), dir], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(maker, "close");
  onTestFinished(async () => {
    maker.stdin.end();
    // It has worked to the end.
    expect(await ended).toEqual([0, null]);
  });
  await once(maker.stdout, "data");
  return { base, dir };
}

test("200 listings of a directory in which scratch files come and go all list the same state", async () => {
  const { base, dir } = await restless();
  const selection = ofRunningNode(selectEntries("backup"));
  const found = new Set<string>();
  for (let round = 0; round < 200; round += 1) {
    const listing = await listEntries({
      viewOf,
      chainstateDir: dir,
      spoolPath: join(base, "list"),
      selection,
      rules,
      signal,
    });
    const paths: string[] = [];
    for await (const { entry } of listing.entries(signal, () => undefined)) paths.push(entry.path);
    found.add(paths.filter((path) => path !== "notes.db-journal").join("\n"));
  }
  expect(found.size).toBe(1);
  expect([...found][0]).not.toContain("reorg");
});

test("live snapshots of it are whole", async () => {
  const { base, dir } = await restless();
  for (let round = 0; round < 10; round += 1) {
    const frozen = await sqliteFreezer({ viewOf, rules, limits: { minFreeBytes: 1 } }).freeze(
      requestFor(dir, join(base, "state")),
      false,
    );
    try {
      if (frozen.ask === undefined) throw new Error("nothing can be asked");
      const copy = join(base, `copy-${round}`);
      await copyView(frozen.view, copy);
      expect(await examineCopy(copy)).toEqual(await examineHeld(frozen.ask));
      await frozen.assertFrozen();
    } finally {
      await frozen.release();
    }
  }
});
