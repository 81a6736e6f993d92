/**
 * The node's commit pattern at 200 blocks a second with checkpoints of all four kinds and WAL restarts all the time, and
 * snapshots of it, frozen and live, over and over. FREEZE_STRESS_ROUNDS says how many of each (default 3).
 */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sqliteFreezer } from "../../src/freeze/sqlite.ts";
import type { FrozenView } from "../../src/freeze/port.ts";
import { createChainstate } from "../../simulator/chainstate.ts";
import {
  copyView,
  databasesOf,
  examineCopy,
  examineHeld,
  keepersOf,
  requestFor,
  rules,
  scratch,
  startWriter,
  viewOf,
  whyNodeWouldPanic,
} from "./support.ts";
import type { Digests, Writer } from "./support.ts";

const rounds = Number(process.env["FREEZE_STRESS_ROUNDS"] ?? 3);
/** The chainstate grows with every round; a fresh one now and then keeps a round short. */
const roundsPerChainstate = 10;
const freezer = sqliteFreezer({ viewOf, rules, limits: { intervalMs: 100, minFreeBytes: 1 } });

interface Tally {
  blocks: number;
  checkpoints: number;
  busy: number;
}

async function snapshot(frozen: FrozenView, target: string): Promise<void> {
  try {
    await copyView(frozen.view, target, 1);
    await frozen.assertHeld();
  } finally {
    await frozen.release();
  }
}

async function expectCopyEquals(target: string, state: Digests): Promise<void> {
  expect(Object.keys(state)).toHaveLength(databasesOf.length);
  expect(await examineCopy(target)).toEqual(state);
  expect(whyNodeWouldPanic(target)).toBeUndefined();
  rmSync(target, { recursive: true });
}

async function eachRound(work: (dir: string, base: string) => Promise<Writer>): Promise<Tally> {
  const tally: Tally = { blocks: 0, checkpoints: 0, busy: 0 };
  const base = await scratch("freeze-stress");
  const dir = join(base, "mainnet");
  for (let round = 0; round < rounds; round += 1) {
    if (round % roundsPerChainstate === 0) {
      rmSync(dir, { recursive: true, force: true });
      createChainstate(dir, { era: "nakamoto", height: 60 });
    }
    const writer = await work(dir, base);
    const { height, busy, checkpoints } = await writer.progress();
    await writer.stop();
    tally.blocks += height;
    tally.busy += busy;
    tally.checkpoints += checkpoints;
  }
  expect(keepersOf()).toEqual([]);
  return tally;
}

test(
  `${rounds} frozen snapshots are each the stopped node's state`,
  { timeout: rounds * 60_000 },
  async () => {
    const tally = await eachRound(async (dir, base) => {
      const before = await startWriter(dir, 200);
      await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 200));
      await before.stop();
      cpSync(dir, join(base, "cold"), { recursive: true, filter: (path) => !path.endsWith("-shm") });
      const state = await examineCopy(join(base, "cold"));
      rmSync(join(base, "cold"), { recursive: true });
      const frozen = await freezer.freeze(requestFor(dir, join(base, "state")), true);
      const writer = await startWriter(dir, 200);
      await snapshot(frozen, join(base, "copy"));
      await expectCopyEquals(join(base, "copy"), state);
      return writer;
    });
    console.log("frozen", rounds, tally);
    expect(tally.busy).toBeGreaterThan(0);
    expect(tally.checkpoints).toBeGreaterThan(tally.busy);
  },
);

test(
  `${rounds} live snapshots are each a state the running node was in`,
  { timeout: rounds * 60_000 },
  async () => {
    const tally = await eachRound(async (dir, base) => {
      const writer = await startWriter(dir, 200);
      await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 200));
      const frozen = await freezer.freeze(requestFor(dir, join(base, "state")), false);
      if (frozen.ask === undefined) throw new Error("nothing can be asked");
      const state = await examineHeld(frozen.ask);
      await snapshot(frozen, join(base, "copy"));
      await expectCopyEquals(join(base, "copy"), state);
      return writer;
    });
    console.log("live", rounds, tally);
    expect(tally.busy).toBeGreaterThan(0);
    expect(tally.checkpoints).toBeGreaterThan(tally.busy);
  },
);
