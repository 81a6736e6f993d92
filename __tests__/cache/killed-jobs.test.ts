/** Sixteen jobs at once on one cache, real processes, a quarter of them killed where it hurts most. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { patienceMs } from "../../simulator/launch.ts";
import { discardTree } from "../../src/cache/clone.ts";
import { isLocked } from "../../src/system/process-lock.ts";
import { describeTree, makeTree, open } from "./support.ts";

let base = "";
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "cache-"));
});
afterEach(async () => await discardTree(base));

interface RunningJob {
  readonly child: ChildProcess;
  readonly clone: string;
  said: string;
  readonly ended: Promise<number | null>;
}

function startJob(at: number): RunningJob {
  const clone = join(base, `clone-${at}`);
  const script = resolve(import.meta.dirname, "job.ts");
  const child = spawn(process.execPath, [script, join(base, "cache"), "seed", clone], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((done) => child.once("close", done));
  const job: RunningJob = { child, clone, said: "", ended };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (job.said += text));
  return job;
}

/** Ends at once when a job fails that nobody killed. */
async function until(what: string, jobs: readonly RunningJob[], look: () => boolean): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!look()) {
    const failed = jobs.find(({ child }) => (child.exitCode ?? 0) !== 0);
    if (failed !== undefined) throw new Error(failed.said);
    if (Date.now() > deadline) throw new Error(`not within ${patienceMs} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

const fillers = (jobs: readonly RunningJob[]): readonly RunningJob[] =>
  jobs.filter(({ said }) => said.includes("filling"));

test("every survivor of sixteen jobs has a correct clone of its own, and the cache stays whole", async () => {
  const jobs = Array.from({ length: 16 }, (_, at) => startJob(at));
  const killed = new Set<RunningJob>();
  try {
    const kill = (job: RunningJob | undefined): void => {
      if (job === undefined) throw new Error("There is nobody to kill.");
      killed.add(job);
      job.child.kill("SIGKILL");
    };
    // Two that fill, in the middle of it, one after the other.
    for (const nth of [1, 2]) {
      await until(`filler ${nth}`, jobs, () => fillers(jobs).length === nth);
      await new Promise((done) => setTimeout(done, 350));
      kill(fillers(jobs).find((job) => !killed.has(job)));
    }
    // One that waits, and one that clones.
    kill(jobs.find((job) => !job.said.includes("filling") && !killed.has(job)));
    const isFound = ({ said }: RunningJob): boolean => said.includes("found") && !said.includes("cloned");
    await until("one that clones", jobs, () => jobs.some(isFound));
    kill(jobs.find((job) => isFound(job) && !killed.has(job)));

    const model = join(base, "model");
    for (const part of ["a", "b", "c"]) makeTree(join(model, part), "seed");
    const expected = describeTree(model);
    for (const job of jobs) {
      const code = await job.ended;
      if (killed.has(job)) continue;
      expect(code, job.said).toBe(0);
      expect(readFileSync(join(job.clone, "b/burnchain/shared.sqlite"), "utf8")).toBe("seeda block");
      const { "b/burnchain/shared.sqlite": written, ...rest } = describeTree(job.clone);
      const { "b/burnchain/shared.sqlite": unwritten, ...model } = expected;
      expect(written).not.toBe(unwritten);
      expect(rest).toEqual(model);
    }
  } finally {
    for (const { child } of jobs) child.kill("SIGKILL");
  }
  expect(killed.size).toBe(4);
  expect([...killed].map(({ child }) => child.signalCode)).toEqual(Array(4).fill("SIGKILL"));
  const said = jobs.map((job) => job.said).join("");
  expect(said.match(/^filled$/gm)).toHaveLength(1);
  expect(said.match(/^filling$/gm)).toHaveLength(3);

  const cache = join(base, "cache");
  expect(isLocked(join(cache, "locks", "seed.lock"))).toBe(false);
  expect(readdirSync(join(cache, "filling"))).toEqual([]);
  expect(readdirSync(join(cache, "seeds"))).toEqual(["seed"]);
  const seed = await (await open(cache)).take("seed");
  expect(seed?.notes).toEqual({ key: "seed" });
  const modes = (tree: Record<string, string>): readonly string[] =>
    Object.entries(tree).map(([path, entry]) => `${path} ${entry.replace(/ [0-7]{3}/, "")}`);
  expect(modes(describeTree(seed?.tree ?? ""))).toEqual(modes(describeTree(join(base, "model"))));
  seed?.release();
}, 300_000);
