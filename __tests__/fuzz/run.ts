/**
 * npm run fuzz -- --minutes N [--seed S] [--target T]: each target in a process of its own, one after the other and again, for the
 * same time each, in rounds of a seed each, for N minutes in all. A failure prints the seed and the smallest case, and what to run
 * to see it again. A round that takes more than three minutes is a hang (20 cases); more than 500 MB resident is a failure.
 */
import { check } from "fast-check";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { targets } from "./targets.ts";

const runsARound = 20;
/** So that a run that is ended early has given each target its share. */
const longestTurnMs = 60_000;
const longestRoundMs = 180_000;
const mostResidentKb = 500 * 1000;
const heapMb = 256;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string" },
    target: { type: "string" },
    child: { type: "boolean", default: false },
  },
});

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Rounds until the time is over, or one round of the seed that was given. */
async function fuzzOne(name: string, endsAt: number): Promise<boolean> {
  const make = targets[name];
  if (make === undefined)
    throw new RangeError(`There is no target ${name}: ${Object.keys(targets).join(", ")}.`);
  const target = await make();
  let cases = 0;
  try {
    do {
      const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
      const result = await check(target.property, {
        seed,
        numRuns: runsARound,
        endOnFailure: false,
      });
      cases += result.numRuns;
      const { maxRSS } = process.resourceUsage();
      say(`. ${name} ${cases} ${maxRSS}`);
      if (result.failed || maxRSS > mostResidentKb) {
        say(
          `FAILED ${name} --seed ${seed}: ${result.failed ? `${JSON.stringify(result.counterexample)}\n${String(result.errorInstance)}` : `${maxRSS} KB resident`}`,
        );
        if (result.errorInstance instanceof Error) say(result.errorInstance.stack ?? "");
        return false;
      }
    } while (values.seed === undefined && Date.now() < endsAt);
    return true;
  } finally {
    await target.close();
  }
}

interface Turn {
  readonly isWell: boolean;
  readonly cases: number;
  readonly ms: number;
  readonly megabytes: number;
}

/** In a process that can be ended however it hangs. */
async function inChild(name: string, ms: number): Promise<Turn> {
  const args = [
    import.meta.filename,
    "--child",
    "--target",
    name,
    "--minutes",
    String(ms / 60_000),
    ...(values.seed === undefined ? [] : ["--seed", values.seed]),
  ];
  // A heap that is collected before it is large: resident is then what a case needs, not what is yet to be collected.
  const flags = ["--disable-warning=ExperimentalWarning", `--max-old-space-size=${heapMb}`];
  const child = spawn(process.execPath, [...flags, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const begunAt = Date.now();
  let last = "";
  const hang = (): void => {
    say(`HUNG ${name}: no round has ended for ${longestRoundMs / 1000} s`);
    child.kill("SIGKILL");
  };
  let timer = setTimeout(hang, longestRoundMs);
  createInterface({ input: child.stdout }).on("line", (line) => {
    clearTimeout(timer);
    timer = setTimeout(hang, longestRoundMs);
    if (line.startsWith(". ")) last = line;
    else say(line);
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  const [, , cases = "0", kb = "0"] = last.split(" ");
  const spent = { ms: Date.now() - begunAt, megabytes: Math.round(Number(kb) / 1000) };
  return { isWell: code === 0, cases: Number(cases), ...spent };
}

/** Turns of all targets until the time is over; one each where a seed was given. What there was of each so far is said after each round. */
async function inTurns(names: readonly string[], ms: number): Promise<boolean> {
  const endsAt = Date.now() + ms;
  const turnMs = Math.min(longestTurnMs, ms / names.length);
  const turns = new Map<string, Turn[]>(names.map((name) => [name, []]));
  do {
    for (const [name, had] of turns) had.push(await inChild(name, turnMs));
    for (const [name, had] of turns) {
      const sum = (of: (turn: Turn) => number): number => had.reduce((all, turn) => all + of(turn), 0);
      const failures = had.filter(({ isWell }) => !isWell).length;
      const words = failures === 0 ? "ok" : `${failures} FAILED`;
      const minutes = (sum((turn) => turn.ms) / 60_000).toFixed(1);
      const megabytes = Math.max(...had.map((turn) => turn.megabytes));
      say(
        `${name}: ${words}, ${sum(({ cases }) => cases)} cases in ${minutes} minutes, at most ${megabytes} MB`,
      );
    }
  } while (values.seed === undefined && Date.now() + turnMs < endsAt);
  return [...turns.values()].flat().every(({ isWell }) => isWell);
}

const names = values.target === undefined ? Object.keys(targets) : [values.target];
const ms = Number(values.minutes) * 60_000;
const [name = ""] = names;
const isWell = values.child ? await fuzzOne(name, Date.now() + ms) : await inTurns(names, ms);
process.exitCode = isWell ? 0 : 1;
