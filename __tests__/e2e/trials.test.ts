/** The node's own programs, tried on copies: as a step runs them, with stand-ins that take the real ones' command lines. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, it, test } from "vitest";
import { makePrograms, operatorsConfig, type Programs } from "../../simulator/programs.ts";
import type { Job, StepResult } from "../../simulator/runner.ts";
import { setUp, visibleSnapshots, type Setup } from "./support.ts";

let setup: Setup;
let programs: Programs;
let config: string;

beforeAll(async () => {
  setup = await setUp();
  // Root's programs are run by somebody else, who has to get there.
  chmodSync(setup.directory, 0o755);
  programs = makePrograms(join(setup.directory, "programs"));
  config = join(setup.directory, "Config.toml");
  writeFileSync(config, operatorsConfig);
  const { main } = await setup.job(setup.snapshotInputs).run();
  if (main.exitCode !== 0) throw new Error(main.log);
});
afterAll(async () => await setup.remove());

const boot = (node = programs.node): Record<string, string> => ({
  boot: "true",
  "node-program": node,
  "node-config": config,
});
const replay = (): Record<string, string> => ({
  "replay-blocks": "10",
  "node-inspector": programs.inspector,
  "node-config": config,
});
const verify = (): Record<string, string> => ({ command: "verify", storage: `file://${setup.store}` });

/** What works in the scratch of a job. */
const strays = ({ directory }: Job): readonly string[] =>
  execFileSync("ps", ["-eo", "pid,args"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(`${directory}/`) && line.includes("/trial/"));

/** A job in whose scratch others can work, as in a runner's that is no root's own. */
function reachable(job: Job): Job {
  for (const directory of [job.directory, join(job.directory, "temp")]) chmodSync(directory, 0o755);
  return job;
}

async function runIn(
  inputs: Readonly<Record<string, string>>,
): Promise<{ readonly main: StepResult; readonly left: readonly string[] }> {
  const job = reachable(setup.job(inputs));
  const { main, post } = await job.run();
  expect(post.exitCode, post.log).toBe(0);
  return { main, left: [...strays(job), ...trialsIn(job)] };
}

/** Copies that are still there. */
const trialsIn = (job: Job): readonly string[] =>
  readdirSync(join(job.directory, "temp"), { recursive: true, encoding: "utf8" }).filter((path) =>
    /(?:^|\/)trial(?:$|\/)/.test(path),
  );

function digest(directory: string): string {
  const sum = createHash("sha256");
  const add = (at: string): void => {
    for (const name of readdirSync(at).sort()) {
      const path = join(at, name);
      const found = statSync(path);
      sum.update(`${path} ${found.size} ${found.mtimeMs}\n`);
      if (found.isDirectory()) add(path);
      else sum.update(readFileSync(path));
    }
  };
  add(directory);
  return sum.digest("hex");
}

it("a snapshot that the programs can work on is told so, in their words", async () => {
  const { main, left } = await runIn({ ...verify(), ...boot(), ...replay() });
  expect(main.exitCode, main.log).toBe(0);
  expect(main.log).toContain("Finished validating 10 blocks in 0s");
  expect(main.log).toContain("Exiting stacks-node");
  expect(main.summary).toMatch(/Replayed.*the last 10 blocks/);
  expect(main.summary).toMatch(/Booted.*at height \d+ after .*stopped cleanly/);
  expect(left).toEqual([]);
});

it.each([
  ["ends at once", ["--exit-after-ms", "0"], "ended with exit code 0"],
  ["crashes while it stops", ["--crash-on-stop"], "when it was told to stop"],
  ["never answers", ["--no-rpc"], "was not at height"],
])("a node that %s on it is a refusal", async (_, misbehaviour, words) => {
  const { node } = makePrograms(join(setup.directory, `programs-${misbehaviour[0]}`), misbehaviour);
  const { main, left } = await runIn({ ...verify(), ...boot(node), "start-timeout": "15s" });
  expect(main.exitCode, main.log).toBe(1);
  expect(main.log).toContain("BOOT_FAILED");
  expect(main.log).toContain(words);
  expect(left).toEqual([]);
});

it("a replay that fails keeps a snapshot from being published", async () => {
  const damaged = await setUp({ fill: loseValues, nodeArguments: ["--blocks-per-second", "0"] });
  try {
    chmodSync(damaged.directory, 0o755);
    const { main } = await reachable(damaged.job({ ...damaged.snapshotInputs, ...replay() })).run();
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toContain("REPLAY_FAILED");
    expect(main.log).toContain("Validation completed with 10 error(s)");
    expect(visibleSnapshots(damaged.store)).toEqual([]);
    expect(damaged.pids()).toHaveLength(1);
  } finally {
    await damaged.remove();
  }
});

it("a directory is tried on a copy, and is as it was", async () => {
  const still = await setUp({ running: false });
  try {
    chmodSync(still.directory, 0o755);
    const before = digest(still.chainstate);
    const inputs = { command: "verify", "chainstate-dir": still.chainstate, ...boot(), ...replay() };
    const { main } = await reachable(still.job(inputs)).run();
    expect(main.exitCode, main.log).toBe(0);
    expect(main.log).toContain("Finished validating 10 blocks");
    expect(digest(still.chainstate)).toBe(before);
  } finally {
    await still.remove();
  }
});

it("a directory that a node works in is not copied", async () => {
  const inputs = { command: "verify", "chainstate-dir": setup.chainstate, ...replay() };
  const { main } = await setup.job(inputs).run();
  expect(main.exitCode, main.log).toBe(1);
  expect(main.log).toContain("DIRECTORY_IN_USE");
  expect(setup.pids()).toHaveLength(1);
});

it("killed while the node runs on the copy, nothing of it goes on, and the post step removes the copy", async () => {
  const { node } = makePrograms(join(setup.directory, "programs-slow"), ["--start-delay-ms", "120000"]);
  const job = reachable(setup.job({ ...verify(), ...boot(node) }));
  const main = job.startMain();
  await expect.poll(() => strays(job).length, { interval: 100 }).toBeGreaterThan(0);
  main.child.kill("SIGKILL");
  await main.ended;
  await expect.poll(() => strays(job), { timeout: 10_000 }).toEqual([]);
  const post = await job.post();
  expect(post.exitCode, post.log).toBe(0);
  expect(post.log).toContain("cleaned up");
  expect(trialsIn(job)).toEqual([]);
});

it("works in a scratch that is named by a link, and removes what it made there", async () => {
  const job = reachable(
    setup.job({ ...verify(), ...replay() }, { RUNNER_TEMP: join(setup.directory, "link") }),
  );
  symlinkSync(join(job.directory, "temp"), join(setup.directory, "link"));
  const { main, post } = await job.run();
  expect(main.exitCode, main.log).toBe(0);
  expect(main.log).not.toContain("::warning");
  expect(post.exitCode, post.log).toBe(0);
  expect(trialsIn(job)).toEqual([]);
});

test("a program that cannot be run is said before anything is fetched", async () => {
  const { main } = await setup.job({ ...verify(), ...boot("/nowhere/stacks-node") }).run();
  expect(main.exitCode, main.log).toBe(1);
  expect(main.log).toContain("PROGRAM_UNUSABLE");
  expect(main.log).not.toContain("Read ");
});

/** Values that no check of the tips looks at, and without which no block can be executed. */
function loseValues(chainstate: string): void {
  const database = new DatabaseSync(join(chainstate, "chainstate", "vm", "clarity", "marf.sqlite"));
  database.exec("DELETE FROM data_table");
  database.close();
}
