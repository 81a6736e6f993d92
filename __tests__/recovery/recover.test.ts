import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openJournal } from "../../src/recovery/journal.ts";
import {
  noteNode,
  noteStartRequested,
  noteStopRequested,
  noteStopTaken,
} from "../../src/recovery/node-account.ts";
import { recoverFully } from "../../src/recovery/recover.ts";
import { readStat } from "../../src/system/proc.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { volumeRecovery } from "../../src/volume/recovery.ts";
import { recipeFor } from "./doomed-run.ts";
import { fakeClock } from "../system/fake-clock.ts";
import { unasked } from "./unasked.ts";

const { signal } = new AbortController();
let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "recover-"));
  mkdirSync(join(base, "mainnet"));
});
afterEach(() => {
  rmSync(base, { recursive: true });
});

/** Recovers after a run that died `agoMs` after it had asked for a start; the node's files are open from `openAtMs` on. */
async function recovered(agoMs: number, openAtMs: number): Promise<{ startedAtMs: number; inUse: boolean }> {
  const clock = fakeClock(Date.now());
  const { journal } = await openJournal({
    stateDirectory: join(base, "state"),
    chainstateDir: join(base, "mainnet"),
    run: { runId: "dead", command: "snapshot", sudo: "never" },
    signal,
  });
  const recipe = recipeFor(base);
  await noteNode(journal, { wasRunning: true, recipe, process: undefined, stopTimeoutMs: 60_000 });
  await noteStopRequested(journal, clock);
  await noteStartRequested(journal, clock);
  await clock.sleep(agoMs);
  const begin = clock.now();
  const inUse = (): boolean => clock.now() - begin >= openAtMs;
  let seen = { startedAtMs: Number.NaN, inUse: false };
  await recoverFully(journal, {
    privilege: privilegeFor("never"),
    clock,
    signal,
    volumes: volumeRecovery,
    nodes: {
      ...unasked,
      isInUse: async () => await Promise.resolve(inUse()),
      async start() {
        seen = { startedAtMs: clock.now() - begin, inUse: inUse() };
        return await Promise.resolve(seen.inUse ? "already-running" : "started");
      },
    },
  });
  await journal.remove();
  return seen;
}

test("a node that was launched a moment ago is waited for, so that no second one is started beside it", async () => {
  expect(await recovered(100, 1_000)).toMatchObject({ inUse: true });
});

test("one that does not come is started after a few seconds, and one launched long ago at once", async () => {
  const late = await recovered(100, Infinity);
  expect(late).toMatchObject({ inUse: false });
  expect(late.startedAtMs).toBeGreaterThan(3_000);
  expect(late.startedAtMs).toBeLessThan(10_000);
  expect(await recovered(60_000, Infinity)).toEqual({ startedAtMs: 0, inUse: false });
});

/** Recovers after a run that died when it had got as far as `step`; the node that was to be stopped lives on. */
async function afterDeath(step: "found" | "asking" | "asked") {
  const clock = fakeClock(Date.now());
  const begin = clock.now();
  const { journal } = await openJournal({
    stateDirectory: join(base, "state"),
    chainstateDir: join(base, "mainnet"),
    run: { runId: "dead", command: "snapshot", sudo: "never" },
    signal,
  });
  // Alive for as long as this test: itself.
  const process_ = readStat(process.pid)!;
  const alive = { pid: process_.pid, startTicks: process_.startTicks };
  const stopTimeoutMs = 20 * 60_000;
  await noteNode(journal, {
    wasRunning: true,
    recipe: recipeFor(base, alive),
    process: alive,
    stopTimeoutMs,
  });
  if (step !== "found") await noteStopRequested(journal, clock);
  if (step === "asked") await noteStopTaken(journal, clock);
  const { mustStart } = journal.content.node!;
  const options = {
    privilege: privilegeFor("never"),
    clock,
    signal,
    volumes: volumeRecovery,
    nodes: {
      ...unasked,
      isInUse: async () => await Promise.resolve(true),
      start: async () => await Promise.resolve("already-running" as const),
    },
  };
  const { node } = await recoverFully(journal, options, 30 * 60_000);
  const left = journal.content.node?.mustStart;
  await journal.remove();
  return { node, waitedMs: clock.now() - begin, mustStart, left };
}

test("a node that was never asked to stop is not waited for, and one that may have been only for a moment", async () => {
  expect(await afterDeath("found")).toEqual({ node: "no-need", waitedMs: 0, mustStart: false, left: false });
  const maybe = await afterDeath("asking");
  expect(maybe).toMatchObject({ node: "running", mustStart: true, left: false });
  expect(maybe.waitedMs).toBeLessThan(60_000);
});

test("a node that was asked to stop is waited for as long as it takes, and its start stays owed", async () => {
  const asked = await afterDeath("asked");
  expect(asked).toMatchObject({ node: "stopping", mustStart: true, left: true });
  expect(asked.waitedMs).toBeGreaterThanOrEqual(30 * 60_000);
});
