/**
 * A writer that is as unkind to a snapshot as a node could be: blocks in the node's commit order at a given rate, small
 * WALs that restart all the time, and checkpoints of all four kinds, at random, on every database. It stops and starts (as
 * a node that leaves its WALs) when it is told to, and its stdin is its life.
 *
 *   node busy-writer.ts <mode directory> <blocks a second>
 */
import { createInterface } from "node:readline";
import { ChainWriter } from "../../simulator/chainstate.ts";
import { databasePaths } from "../../simulator/schema.ts";
import type { DatabaseKey } from "../../simulator/schema.ts";

const [directory, rate] = process.argv.slice(2);
if (directory === undefined) throw new Error("no directory");
const keys = Object.keys(databasePaths) as DatabaseKey[];
const kinds = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"];
const done = { height: 0, busy: 0, checkpoints: 0, pid: process.pid };
let chain: ChainWriter | undefined;
let timer: NodeJS.Timeout | undefined;

function start(dir: string): void {
  const opened = ChainWriter.open(dir, { extraBytes: 1000 });
  chain = opened;
  for (const key of keys)
    opened.database(key).exec("PRAGMA wal_autocheckpoint = 20; PRAGMA busy_timeout = 0");
  const startedAt = performance.now();
  let blocks = 0;
  timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1000) * Number(rate);
    // Not more than a few at once, so that the process stays askable when it cannot keep up.
    for (let burst = 0; blocks < due && burst < 4; burst += 1) {
      done.height = opened.appendBlock().height;
      blocks += 1;
      if (blocks % 3 === 0) checkpoint(opened);
    }
  }, 2);
}

function checkpoint(opened: ChainWriter): void {
  const key = keys[Math.floor(Math.random() * keys.length)] ?? "index";
  const kind = kinds[Math.floor(Math.random() * kinds.length)] ?? "PASSIVE";
  const result = opened.database(key).prepare(`PRAGMA wal_checkpoint(${kind})`).get();
  done.checkpoints += 1;
  if (result?.["busy"] === 1) done.busy += 1;
}

/** As a node stops that leaves its WALs behind. */
function stop(): void {
  clearInterval(timer);
  chain?.close(true);
  chain = undefined;
}

start(directory);
createInterface({ input: process.stdin })
  .on("line", (line) => {
    if (line === "stop") stop();
    if (line === "start") start(directory);
    process.stdout.write(`${JSON.stringify(done)}\n`);
  })
  .on("close", () => {
    stop();
    process.exit(0);
  });
