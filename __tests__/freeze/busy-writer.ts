/**
 * A writer that is as unkind to a snapshot as a node could be: blocks in the node's commit order at a given rate, small
 * WALs that restart all the time, and checkpoints of all four kinds, at random, on every database. Its stdin is its life.
 *
 *   node busy-writer.ts <mode directory> <blocks a second>
 */
import { createInterface } from "node:readline";
import { ChainWriter } from "../../simulator/chainstate.ts";
import { databasePaths } from "../../simulator/schema.ts";
import type { DatabaseKey } from "../../simulator/schema.ts";

const [directory, rate] = process.argv.slice(2);
if (directory === undefined) throw new Error("no directory");
const chain = ChainWriter.open(directory, { extraBytes: 3000 });
const keys = (Object.keys(databasePaths) as DatabaseKey[]).filter((key) => chain.has(key));
for (const key of keys) chain.database(key).exec("PRAGMA wal_autocheckpoint = 20; PRAGMA busy_timeout = 0");
const kinds = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"];
let busy = 0;
let checkpoints = 0;
let blocks = 0;
const startedAt = performance.now();

const timer = setInterval(() => {
  const due = ((performance.now() - startedAt) / 1000) * Number(rate);
  // Not more than a few at once, so that the process stays askable when it cannot keep up.
  for (let burst = 0; blocks < due && burst < 4; burst += 1) {
    chain.appendBlock();
    blocks += 1;
    if (blocks % 3 === 0) checkpoint();
  }
}, 2);

function checkpoint(): void {
  const key = keys[Math.floor(Math.random() * keys.length)] ?? "index";
  const kind = kinds[Math.floor(Math.random() * kinds.length)] ?? "PASSIVE";
  const result = chain.database(key).prepare(`PRAGMA wal_checkpoint(${kind})`).get();
  checkpoints += 1;
  if (result?.["busy"] === 1) busy += 1;
}

createInterface({ input: process.stdin })
  .on("line", () => {
    process.stdout.write(
      `${JSON.stringify({ height: chain.tip.height, busy, checkpoints, pid: process.pid })}\n`,
    );
  })
  .on("close", () => {
    clearInterval(timer);
    chain.close(true);
    process.exit(0);
  });
