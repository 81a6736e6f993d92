/**
 * npm run damage -- [--changes N] [--seed S] [--confirm-every M] [DIR…]: single bytes of chainstates changed at random, and
 * whether `full` finds it (simulator/damage-proof.ts). Each DIR is a mode directory; it is copied. Default: a generated one.
 * Prints a line per kind; fails where a change was not found that could matter.
 */
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { createChainstate } from "../simulator/chainstate.ts";
import { damageEach, randomFrom } from "../simulator/damage-proof.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    changes: { type: "string", default: "1000" },
    seed: { type: "string" },
    "confirm-every": { type: "string", default: "200" },
  },
});
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const work = mkdtempSync(join(tmpdir(), "damage-"));
let missedCount = 0;
try {
  const dirs = positionals.length > 0 ? positionals : [join(work, "generated")];
  if (positionals.length === 0)
    createChainstate(dirs[0] ?? "", { era: "nakamoto", height: 150, blocksInWal: 0 });
  say(`seed ${seed}`);
  say("chainstate | kind | in use | found | in a column that cannot matter | missed | besides, not in use");
  for (const [i, dir] of dirs.entries()) {
    const copy = join(work, String(i));
    execFileSync("cp", ["-a", "--reflink=auto", dir, copy]);
    await damageEach(copy, {
      random: randomFrom(seed + i),
      changes: Number(values.changes) / dirs.length,
      confirmEvery: Number(values["confirm-every"]),
      say: ({ kind, tried, found, classes, missed, unused }) => {
        const excused = [...classes].map(([what, count]) => `${count} ${what}`).join(", ");
        say([basename(dir), kind, tried, found, excused || 0, missed.length, unused].join(" | "));
        for (const what of missed) say(`MISSED ${basename(dir)}: ${what}`);
        missedCount += missed.length;
      },
    });
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = missedCount === 0 ? 0 : 1;
