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
  /Preflight checks/,
  /Freeze by/,
  /Archive to/,
  /Read the databases back/,
  /::group::Publish/,
];

/** By what the log has said by then; a run that never stops the node says less. */
export const moments = {
  live: [...always, /Check chainstate consistency inside/],
  frozen: [
    ...always,
    /Restart watchdog/,
    /::group::Stop /,
    /Stopped in/,
    /Verify the node has stopped/,
    /Check chainstate consistency/,
    /(?:::group::|▸ )Start /,
  ],
} as const;

/** Killed at each of these moments, and asked to end at the two that take longest. */
export function endingsOf(cut: keyof typeof moments): readonly (readonly [Signal, RegExp])[] {
  const asked = [/Freeze by/, /Archive to/];
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
  // Publishing is the last thing done: the kill may come late, when nothing is owed any more.
  const isLast = moment.source.includes("Publish");
  const { killed, ended, before } = await endAt(setup, inputs, [signal, moment], isLast);
  const wasKilled = ended.signal === "SIGKILL";
  await until("no process of the run holds a lock", () => externalLocks(setup).length === 0, 10_000);
  await untilNodeRuns(setup);
  if (inputs["downtime"] === "none") expect(setup.pids()).toEqual(before);

  const between = setup.pids();
  const next = await setup.job(inputs).run();
  expect(next.main.exitCode, `${next.main.log}\n--- before it:\n${ended.log}`).toBe(0);
  // Killed, it can have cleaned up nothing.
  if (wasKilled && !isLast) expect(next.main.log).toContain("Finishing what it left");
  if (inputs["downtime"] === "none") expect(setup.pids()).toEqual(between);
  expect(setup.pids()).toHaveLength(1);
  expect(visibleSnapshots(setup.store)).toContain(next.main.outputs["snapshot-id"]);
  await until("no process of either run is left", () => processesOf(setup, killed).length === 0, 10_000);
  expect(externalLocks(setup)).toEqual([]);
  expect(leavings(setup)).toEqual([]);
  await untilCheckpointsWork(setup);
}

/** On a busy machine a run may have ended before the kill comes; then the moment is waited for once more. */
async function endAt(
  setup: Setup,
  inputs: Readonly<Record<string, string>>,
  [signal, moment]: readonly [Signal, RegExp],
  mayBeLate: boolean,
) {
  for (let tries = 1; ; tries += 1) {
    const before = setup.pids();
    const killed = setup.job({ ...inputs, "rate-limit-read": "1MiB" });
    const main = killed.startMain();
    await main.waitForLog(moment);
    main.child.kill(signal);
    const ended = await main.ended;
    const isLate = signal === "SIGKILL" && ended.signal !== "SIGKILL" && !mayBeLate;
    if (!isLate) return { killed, ended, before };
    expect(ended.exitCode, ended.log).toBe(0);
    expect(tries, `the kill came too late ${tries} times:\n${ended.log}`).toBeLessThan(5);
  }
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
function externalLocks(setup: Setup): string[] {
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
      await until(`the WAL of ${path} can be emptied`, () => {
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
