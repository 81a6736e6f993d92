/**
 * The node's commit pattern at 200 blocks a second with checkpoints of all four kinds and WAL restarts all the time, and
 * snapshots of it, frozen and live, over and over. FREEZE_STRESS_ROUNDS says how many of each (default 3).
 */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sqliteFreezer } from "../../src/freeze/sqlite/sqlite.ts";
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
const roundsPerChainstate = 5;
const freezer = sqliteFreezer({ viewOf, rules, limits: { intervalMs: 100, minFreeBytes: 1 } });

interface Tally {
  blocks: number;
  checkpoints: number;
  busy: number;
}

async function snapshot(frozen: FrozenView, target: string): Promise<void> {
  try {
    await copyView(frozen.view, target, 1);
    await frozen.assertFrozen();
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

async function eachRound(
  kind: string,
  work: (dir: string, base: string, writer: Writer) => Promise<void>,
): Promise<Tally> {
  const tally: Tally = { blocks: 0, checkpoints: 0, busy: 0 };
  const base = await scratch("freeze-stress");
  for (let round = 0; round < rounds; round += roundsPerChainstate) {
    const dir = join(base, `mainnet-${round}`);
    createChainstate(dir, { era: "nakamoto", height: 60 });
    const writer = await startWriter(dir, 200);
    try {
      for (let at = round; at < Math.min(rounds, round + roundsPerChainstate); at += 1)
        await work(dir, base, writer);
      const { height, busy, checkpoints } = await writer.progress();
      tally.blocks += height - 60;
      tally.busy += busy;
      tally.checkpoints += checkpoints;
    } finally {
      await writer.stop();
    }
    rmSync(dir, { recursive: true });
    if (rounds > roundsPerChainstate) console.log(kind, round + roundsPerChainstate, "of", rounds, tally);
  }
  expect(keepersOf()).toEqual([]);
  return tally;
}

const someBlocks = (): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200));

test(
  `${rounds} frozen snapshots are each the stopped node's state`,
  { timeout: rounds * 60_000 },
  async () => {
    const tally = await eachRound("frozen", async (dir, base, writer) => {
      await someBlocks();
      await writer.pause();
      const cold = join(base, "cold");
      cpSync(dir, cold, { recursive: true, filter: (path) => !path.endsWith("-shm") });
      const frozen = await freezer.freeze(requestFor(dir, join(base, "state")), true);
      await writer.resume();
      await snapshot(frozen, join(base, "copy"));
      const state = await examineCopy(cold);
      rmSync(cold, { recursive: true });
      await expectCopyEquals(join(base, "copy"), state);
    });
    expect(tally.busy).toBeGreaterThan(0);
    expect(tally.checkpoints).toBeGreaterThan(tally.busy);
  },
);

test(
  `${rounds} live snapshots are each a state the running node was in`,
  { timeout: rounds * 60_000 },
  async () => {
    const tally = await eachRound("live", async (dir, base) => {
      await someBlocks();
      const frozen = await freezer.freeze(requestFor(dir, join(base, "state")), false);
      if (frozen.ask === undefined) throw new Error("nothing can be asked");
      const state = await examineHeld(frozen.ask);
      await snapshot(frozen, join(base, "copy"));
      await expectCopyEquals(join(base, "copy"), state);
    });
    expect(tally.busy).toBeGreaterThan(0);
    expect(tally.checkpoints).toBeGreaterThan(tally.busy);
  },
);
