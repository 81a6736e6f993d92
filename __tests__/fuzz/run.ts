/**
 * npm run fuzz -- --minutes N [--seed S] [--target T]: each target in a process of its own, one after the other, in rounds of
 * a seed each, for N minutes in all. A failure prints the seed and the smallest case, and what to run to see it again. A round
 * that takes more than three minutes is a hang (20 cases); more than 500 MB resident is a failure.
 */
import { check } from "fast-check";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { targets } from "./targets.ts";

const runsARound = 20;
const longestRoundMs = 180_000;
const mostResidentKb = 500 * 1000;

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

/** In a process that can be ended however it hangs. Resolves to whether all was well. */
async function inChild(name: string, ms: number): Promise<boolean> {
  const args = [
    import.meta.filename,
    "--child",
    "--target",
    name,
    "--minutes",
    String(ms / 60_000),
    ...(values.seed === undefined ? [] : ["--seed", values.seed]),
  ];
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let last = "";
  let hasHung = false;
  const hang = (): void => {
    hasHung = true;
    child.kill("SIGKILL");
  };
  let timer = setTimeout(hang, longestRoundMs);
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    clearTimeout(timer);
    timer = setTimeout(hang, longestRoundMs);
    for (const line of text.split("\n"))
      if (line.startsWith(". ")) last = line;
      else if (line !== "") say(line);
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  const [, , cases = "0", kb = "0"] = last.split(" ");
  const words = hasHung ? "HUNG" : code === 0 ? "ok" : "FAILED";
  say(`${name}: ${words}, ${cases} cases, at most ${Math.round(Number(kb) / 1000)} MB`);
  return code === 0;
}

const names = values.target === undefined ? Object.keys(targets) : [values.target];
const ms = (Number(values.minutes) * 60_000) / names.length;
let isWell = true;
for (const name of names)
  isWell = (values.child ? await fuzzOne(name, Date.now() + ms) : await inChild(name, ms)) && isWell;
process.exitCode = isWell ? 0 : 1;
