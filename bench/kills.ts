/**
 * Kills runs at random moments and looks, without a line of the action's code, at what is there afterwards:
 *
 *     npm run kills -- [--seed 1] [--count 40] [--at-once 8] [--minutes 15] [--keep-clone DIR] [--json FILE]
 *
 * Snapshots and restores, with and without the post step, each by SIGKILL at a moment of its own anywhere between its first
 * millisecond and its end, up to four in a row on one node. The seed decides the order and the moments, as shares of a run's length.
 * After each kill: one node runs, was never killed itself, never panicked and stays; the chainstate in place is the old one or the
 * new one; what outputs, summary and metrics say is so; every snapshot that can be seen has its bytes. After every fourth of a
 * node's the databases are whole by the node's own measure, and a run to its end follows, after which nothing is left.
 * With `--keep-clone DIR`, on XFS or btrfs, snapshots keep a clone there, and after a run to its end the archive has to be what the clone is.
 * As root each node's world has process ids of its own: what others run costs no time then. Exit code 1: something was wrong.
 */
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import type { Result } from "./kills-cases.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "40" },
    "at-once": { type: "string", default: "8" },
    minutes: { type: "string", default: "15" },
    "keep-clone": { type: "string" },
    json: { type: "string" },
  },
});

const ownProcesses = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const canSeparate = spawnSync("unshare", [...ownProcesses.slice(1), "true"]).status === 0;
const results: Result[] = [];
const broken: string[] = [];

/** Resolves when all its kills are done; a shell goes first in it, which takes care of orphans that have ended. */
async function runWorld(number: number): Promise<void> {
  const program = [process.execPath, ...process.execArgv, join(import.meta.dirname, "kills-world.ts")];
  const until = Date.now() + Number(values.minutes) * 60_000;
  const which = [`--seed=${values.seed}`, `--count=${values.count}`, `--until=${until}`];
  const clone = values["keep-clone"] === undefined ? [] : [`--keep-clone=${values["keep-clone"]}`];
  const place = [`--of=${values["at-once"]}`, `--this=${number}`, ...clone];
  const shell = ["sh", "-c", '"$@"; exit $?', "sh"];
  const [name = "", ...args] = [
    ...(canSeparate ? ownProcesses : []),
    ...shell,
    ...program,
    ...which,
    ...place,
  ];
  const child = spawn(name, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((done) => child.once("close", done));
  for await (const line of createInterface(child.stdout)) {
    const result = JSON.parse(line) as Result;
    results.push(result);
    console.log(`${results.length} ${result.wrong.length > 0 ? "WRONG" : "ok"} ${line}`);
  }
  const code = await ended;
  if (code !== 0) broken.push(`world ${number} ended with ${code}`);
}

const startedAt = performance.now();
await Promise.all(Array.from({ length: Number(values["at-once"]) }, (_, number) => runWorld(number)));
const rows = (["snapshot", "restore"] as const).flatMap((command) =>
  [true, false].map((withPost) => {
    const these = results.filter((result) => result.command === command && result.withPost === withPost);
    const seconds = these.flatMap(({ secondsToNode }) => (secondsToNode > 0 ? [secondsToNode] : []));
    return {
      command,
      "post step": withPost ? "yes" : "no",
      kills: these.filter(({ late }) => !late).length,
      "came late": these.filter(({ late }) => late).length,
      phases: new Set(these.map(({ phase }) => phase)).size,
      wrong: these.filter(({ wrong }) => wrong.length > 0).length,
      "pages not read after": these.filter(({ spared }) => spared).length,
      "node unknown": these.filter(({ unknown }) => unknown).length,
      "longest to a node, s": seconds.length === 0 ? 0 : Math.max(...seconds).toFixed(1),
    };
  }),
);
console.table(rows);
console.log(`${results.length} kills in ${Math.round((performance.now() - startedAt) / 1000)} s`);
for (const each of broken) console.log(each);
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ seed: Number(values.seed), rows, results }, null, 2)}\n`);
}
const isWrong = results.some(({ wrong }) => wrong.length > 0) || broken.length > 0 || results.length === 0;
process.exitCode = isWrong ? 1 : 0;
