/**
 * Runs of every freezer that are killed in the middle and have no post step, and what must be left of them: the node, and
 * after the next run nothing else. Used on the file system of the temporary directory, and on others that the testbed has.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "vitest";
import { databasePaths } from "../../simulator/schema.ts";
import type { Job } from "../../simulator/runner.ts";
import { until, untilNodeRuns, visibleSnapshots, type Setup } from "./support.ts";

export type Signal = "SIGKILL" | "SIGTERM";

const always: readonly RegExp[] = [
  /Look at everything/,
  /Hold it still/,
  /Archive to/,
  /Read the databases back/,
  /::group::Publish/,
];

/** By what the log has said by then; a run that never stops the node says less. */
export const moments = {
  live: [...always, /Check the chainstate inside/],
  frozen: [
    ...always,
    /Dead man's switch/,
    /::group::Stop /,
    /Stopped in/,
    /Prove that it is down/,
    /Check that the databases/,
    /::group::Start /,
  ],
} as const;

/** Killed at each of these moments, and asked to end at the two that take longest. */
export function endingsOf(cut: keyof typeof moments): readonly (readonly [Signal, RegExp])[] {
  const asked = [/Hold it still/, /Archive to/];
  return [
    ...moments[cut].map((moment) => ["SIGKILL", moment] as const),
    ...asked.map((moment) => ["SIGTERM", moment] as const),
  ];
}

/** Ends a run at `moment`, without a post step, lets the next one finish it, and looks at what is there then. */
export async function endAndGoOn(
  setup: Setup,
  inputs: Readonly<Record<string, string>>,
  [signal, moment]: readonly [Signal, RegExp],
): Promise<void> {
  const before = setup.pids();
  const killed = setup.job({ ...inputs, "rate-limit-read": "1MiB" });
  const main = killed.startMain();
  await main.waitForLog(moment, 60_000);
  main.child.kill(signal);
  const ended = await main.ended;
  // Publishing is the last thing done: the kill may come late, when nothing is owed any more.
  const isLast = moment.source.includes("Publish");
  const wasKilled = ended.signal === "SIGKILL";
  expect(wasKilled || signal === "SIGTERM" || isLast, ended.log).toBe(true);
  await until("no process of the run holds a lock", 10_000, () => foreignLocks(setup).length === 0);
  await untilNodeRuns(setup);
  if (inputs["cut"] === "live") expect(setup.pids()).toEqual(before);

  const between = setup.pids();
  const next = await setup.job(inputs).run();
  expect(next.main.exitCode, `${next.main.log}\n--- before it:\n${ended.log}`).toBe(0);
  // Killed, it can have cleaned up nothing.
  if (wasKilled && !isLast) expect(next.main.log).toContain("Finishing what it left");
  if (inputs["cut"] === "live") expect(setup.pids()).toEqual(between);
  expect(setup.pids()).toHaveLength(1);
  expect(visibleSnapshots(setup.store)).toContain(next.main.outputs["snapshot-id"]);
  await until("no process of either run is left", 10_000, () => processesOf(setup, killed).length === 0);
  expect(foreignLocks(setup)).toEqual([]);
  expect(leavings(setup)).toEqual([]);
  await untilCheckpointsWork(setup);
}

/** Of the job, by the tracking id that a runner gives it, and of what outlives a job, by the paths it works with. */
function processesOf(setup: Setup, job: Job): string[] {
  const nodes = setup.pids();
  return pids().flatMap((pid) => {
    if (nodes.includes(pid) || pid === process.pid) return [];
    const [argv, environment] = ["cmdline", "environ"].map((name) => readOf(pid, name).replaceAll("\0", " "));
    const isIts = argv?.includes(setup.directory) === true || environment?.includes(job.trackingId) === true;
    return isIts ? [`${pid}: ${argv}`] : [];
  });
}

/** Locks on the databases' `-shm` that others than the node hold, as the kernel lists them. */
function foreignLocks(setup: Setup): string[] {
  const inodes = readdirSync(setup.chainstate, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".sqlite-shm"))
    .map((name) => String(statSync(join(setup.chainstate, name)).ino));
  const nodes = setup.pids().map(String);
  return readFileSync("/proc/locks", "utf8")
    .split("\n")
    .filter((line) => {
      const [, , , , owner = "", file = ""] = line.trim().split(/\s+/);
      return inodes.includes(file.split(":").at(-1) ?? "") && !nodes.includes(owner);
    });
}

/** What this action makes beside and below a chainstate, and in its state directory while something is under way. */
function leavings({ chainstate, directory }: Setup): string[] {
  const made = [dirname(chainstate), chainstate].flatMap((place) =>
    readdirSync(place).filter((name) => name.startsWith(".")),
  );
  const state = join(directory, "state");
  const kept = existsSync(state) ? readdirSync(state) : [];
  return [...made, ...kept.filter((name) => name.endsWith(".json") || name.startsWith("freeze"))];
}

/**
 * A reader that still stands on a WAL would keep it from being emptied for good; the node's own readers are gone in a
 * moment, and so is a checkpoint of its own, beside which there cannot be another.
 */
async function untilCheckpointsWork({ chainstate }: Setup): Promise<void> {
  for (const path of Object.values(databasePaths)) {
    const database = new DatabaseSync(join(chainstate, path), { timeout: 1_000 });
    try {
      await until(`the WAL of ${path} can be emptied`, 20_000, () => {
        const { busy, log } = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get() ?? {};
        return busy === 0 && log === 0;
      });
    } finally {
      database.close();
    }
  }
}

function pids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function readOf(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
}
