import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { patienceMs } from "../../simulator/launch.ts";
import { logPathOf } from "../../src/recovery/journal.ts";
import { arm, disarm } from "../../src/recovery/watchdog.ts";
import { openJournal, readJournal, takeJournal } from "../../src/recovery/journal.ts";
import { journalPathFor } from "../../src/recovery/state-directory.ts";
import { recoverFully, type NodeStarter } from "../../src/recovery/recover.ts";
import { systemClock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { isAlive } from "../../src/system/proc.ts";
import { startFromRecipe } from "../../src/node/registry.ts";
import { nodeStarter } from "../../src/node/starter.ts";
import { scanHolders } from "../../src/node/holders.ts";
import { type DoomedRun, type Step } from "./doomed-run.ts";
import { volumeRecovery } from "../../src/volume/recovery.ts";

const signal = AbortSignal.timeout(300_000);
const privilege = privilegeFor("never");
const trackingId = `github_${process.pid}`;
const nodes: NodeStarter = {
  ...nodeStarter,
  start: async (recipe, privilege, signal) => await startFromRecipe(recipe, privilege, signal),
  isInUse: async (directory, privilege, signal) =>
    (await scanHolders(directory, privilege, signal)).holders.length > 0,
};
let base: string;
const started: ChildProcess[] = [];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "switch-"));
  mkdirSync(join(base, "mainnet"));
  writeFileSync(join(base, "mainnet", "headers.sqlite"), "old");
});
afterEach(async () => {
  const path = await journalPathFor(join(base, "state"), join(base, "mainnet"));
  rmSync(path, { force: true });
  for (const pid of [...nodesRunning(), ...watchersRunning()]) process.kill(pid, "SIGTERM");
  for (const child of started.splice(0)) child.kill("SIGKILL");
  await until(() => watchersRunning().length === 0);
  rmSync(base, { recursive: true, force: true });
});

function processes(fits: (argv: readonly string[]) => boolean): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return fits(readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"));
      } catch {
        return false;
      }
    })
    .map(Number);
}

function nodesRunning(): number[] {
  return processes(
    (argv) => argv[0] === "/usr/bin/tail" && argv[2] === join(base, "mainnet", "headers.sqlite"),
  );
}

function watchersRunning(): number[] {
  return processes((argv) => argv.some((word) => word.startsWith(join(base, "state"))));
}

async function until(holds: () => boolean, limitMs = patienceMs): Promise<void> {
  const since = Date.now();
  while (!holds()) {
    if (Date.now() - since > limitMs)
      throw new Error(`still not so after ${limitMs} ms: ${holds.toString()}`);
    await systemClock.sleep(50);
  }
}

function startNode(): number {
  const child = spawn("/usr/bin/tail", ["-f", join(base, "mainnet", "headers.sqlite")], {
    cwd: base,
    stdio: "ignore",
    env: {},
    detached: true,
  });
  started.push(child);
  return child.pid ?? 0;
}

async function doom(
  step: Step,
  more: Partial<DoomedRun> = {},
): Promise<{ run: ChildProcess; journalPath: string }> {
  const told: DoomedRun = {
    base,
    runId: "doomed",
    step,
    nodePid: startNode(),
    wasRunning: true,
    graceMs: 500,
    switchKind: "detached",
    ...more,
  };
  await until(() => nodesRunning().length === 1);
  const run = spawn(process.execPath, [join(import.meta.dirname, "doomed-run.ts"), JSON.stringify(told)], {
    // A process group of its own, as a job's step is one, marked as the runner marks what it starts.
    detached: true,
    env: { ...process.env, RUNNER_TRACKING_ID: trackingId },
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(run);
  await once(run.stdout, "data");
  return { run, journalPath: await journalPathFor(join(base, "state"), join(base, "mainnet")) };
}

/** SIGKILL to the run, to its process group, and to everything that carries the job's tracking id, as the runner does it. */
async function killJob(run: ChildProcess): Promise<void> {
  process.kill(-(run.pid ?? 0), "SIGKILL");
  await once(run, "exit");
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const tracked = readFileSync(`/proc/${name}/environ`, "utf8").includes(
        `RUNNER_TRACKING_ID=${trackingId}`,
      );
      if (tracked) process.kill(Number(name), "SIGKILL");
    } catch {
      // It ended meanwhile, or belongs to somebody else.
    }
  }
}

function database(): string {
  return readFileSync(join(base, "mainnet", "headers.sqlite"), "utf8");
}

describe("when everything of the job is killed, the watcher", () => {
  test.each<[Step, string]>([
    ["stopped", "old"],
    ["swap-out", "old"],
    ["swap-in", "old"],
    ["swapped", "old"],
    ["committed", "new"],
  ])("at %s brings the node back on the %s chainstate, once", async (step, expected) => {
    const { run, journalPath } = await doom(step);
    await until(() => nodesRunning().length === 0);
    await killJob(run);
    await until(() => nodesRunning().length === 1);
    expect(database()).toBe(expected);
    await until(() => watchersRunning().length === 0);
    expect(nodesRunning()).toHaveLength(1);
    const left = await readJournal(journalPath);
    expect(left?.node?.mustStart).toBe(false);
    expect(left?.owner.role).toBe("watchdog");
    expect(left?.swap).toBeNull();
    // What was committed is finished, and what was taken back leaves nothing.
    expect(readdirSync(base).filter((name) => name.endsWith("-old"))).toEqual([]);
    expect(readFileSync(logPathOf(journalPath), "utf8")).toContain("recovered");
  });

  test("leaves a node alone that was never stopped, or that runs again", async () => {
    const { run, journalPath } = await doom("started");
    const before = nodesRunning();
    await killJob(run);
    await until(() => watchersRunning().length === 0);
    expect(nodesRunning()).toEqual(before);
    expect(database()).toBe("new");
    // It has no RPC: that it lives on there confirms it.
    expect((await readJournal(journalPath))?.swap).toBeNull();
    expect(readFileSync(logPathOf(journalPath), "utf8")).toContain("swap completed");
    expect(readdirSync(base).filter((name) => name.endsWith("-old"))).toEqual([]);
  });

  test("does not take a restored chainstate away from under a node that was just started on it", async () => {
    const { run } = await doom("started-uncommitted");
    const before = nodesRunning();
    await killJob(run);
    await until(() => watchersRunning().length === 0);
    expect(nodesRunning()).toEqual(before);
    expect(database()).toBe("new");
  });

  test("waits while the old process still ends, and starts no second one beside it", async () => {
    const { run } = await doom("stop-noted");
    const before = nodesRunning();
    await killJob(run);
    await systemClock.sleep(2_000);
    expect(nodesRunning()).toEqual(before);
    process.kill(before[0]!, "SIGTERM");
    await until(() => nodesRunning().length === 1 && nodesRunning()[0] !== before[0]);
  });

  test("does not start a node that was down before", async () => {
    const { run } = await doom("swap-out", { wasRunning: false });
    for (const pid of nodesRunning()) process.kill(pid, "SIGTERM");
    await until(() => nodesRunning().length === 0);
    await killJob(run);
    await until(() => watchersRunning().length === 0);
    expect(database()).toBe("old");
    expect(nodesRunning()).toEqual([]);
  });
});

describe("the watcher", () => {
  test("stands back for a post step that comes within the grace", async () => {
    const { run, journalPath } = await doom("swap-in", { graceMs: 20_000 });
    await killJob(run);
    const journal = await takeJournal(journalPath, { role: "post", signal });
    const recovery = await recoverFully(journal!, {
      privilege,
      clock: systemClock,
      signal,
      nodes,
      volumes: volumeRecovery,
    });
    expect(recovery).toEqual({ swap: "rolled-back", node: "started" });
    expect(database()).toBe("old");
    expect(watchersRunning()).toHaveLength(1);
    await disarm(journal!.content.switch!, privilege, systemClock);
    expect(watchersRunning()).toEqual([]);
    await journal!.remove();
    expect(nodesRunning()).toHaveLength(1);
  });

  test("does nothing while its run lives, and nothing to another run's journal", async () => {
    const { run, journalPath } = await doom("stopped");
    await systemClock.sleep(2_000);
    expect(nodesRunning()).toEqual([]);
    expect(watchersRunning()).toHaveLength(1);
    await killJob(run);
    const { journal } = await openJournal({
      stateDirectory: join(base, "state"),
      chainstateDir: join(base, "mainnet"),
      run: { runId: "next", command: "snapshot", sudo: "never" },
      signal,
    });
    await journal.begin({ runId: "next", command: "snapshot", sudo: "never" });
    await until(() => watchersRunning().length === 0);
    expect(nodesRunning()).toEqual([]);
    expect((await readJournal(journalPath))?.runId).toBe("next");
    journal.release();
  });

  test("of which there are several starts the node once", async () => {
    const { run, journalPath } = await doom("swap-out");
    const more = Array.from({ length: 3 }, () =>
      spawn(
        process.execPath,
        [
          join(import.meta.dirname, "../../src/entries/watchdog.ts"),
          "watch",
          journalPath,
          "doomed",
          "--grace-ms=500",
        ],
        { stdio: "ignore" },
      ),
    );
    started.push(...more);
    await until(() => watchersRunning().length === 4);
    await killJob(run);
    await until(() => watchersRunning().length === 0);
    expect(nodesRunning()).toHaveLength(1);
    expect(database()).toBe("old");
  });

  test.each([
    ["cut short", '{"version":1,'],
    ["of a newer version", '{"version":99}'],
  ])("touches nothing when the journal is %s, says so once, and goes when it is gone", async (_, text) => {
    const { run, journalPath } = await doom("stopped");
    await killJob(run);
    writeFileSync(journalPath, text);
    const log = (): string => readFileSync(logPathOf(journalPath), "utf8");
    await until(() => log().includes("Not acting"));
    await systemClock.sleep(1_500);
    expect(nodesRunning()).toEqual([]);
    expect(readFileSync(journalPath, "utf8")).toBe(text);
    expect(log().match(/Not acting/g)).toHaveLength(1);
    rmSync(journalPath);
    await until(() => watchersRunning().length === 0);
  });

  test("carries nothing of the job: own session, no tracking id, no secret, no open descriptor of it", async () => {
    const { run } = await doom("armed");
    const [watcher = 0] = watchersRunning().filter((pid) => pid !== run.pid);
    const environ = readFileSync(`/proc/${watcher}/environ`, "utf8");
    expect(environ).not.toContain("RUNNER_TRACKING_ID");
    expect(environ.split("\0").map((pair) => pair.split("=")[0])).not.toContain("npm_package_name");
    const stat = readFileSync(`/proc/${watcher}/stat`, "utf8").split(") ")[1]!.split(" ");
    expect(Number(stat[3])).toBe(watcher);
    expect(run.pid).not.toBe(watcher);
  });

  test("is disarmed twice without harm, and a pid that came to somebody else is not signalled", async () => {
    const { journal } = await openJournal({
      stateDirectory: join(base, "state"),
      chainstateDir: join(base, "mainnet"),
      run: { runId: "one", command: "snapshot", sudo: "never" },
      signal,
    });
    const options = { privilege, clock: systemClock, env: process.env, prefer: "detached" } as const;
    const armed = await arm(journal, options);
    await armed.disarm();
    await armed.disarm();
    expect(watchersRunning()).toEqual([]);
    const node = startNode();
    await disarm({ kind: "detached", process: { pid: node, startTicks: 1 } }, privilege, systemClock);
    expect(isAlive({ pid: node, startTicks: ticksOf(node) })).toBe(true);
    await journal.remove();
  });
});

function ticksOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[19]);
}

test("the hook's replay finishes at once what dead runs left, and leaves living ones alone", async () => {
  const { run } = await doom("swap-in", { graceMs: 60_000 });
  const replay = async (...more: string[]): Promise<string> => {
    const argv = [
      join(import.meta.dirname, "../../src/entries/watchdog.ts"),
      "replay",
      join(base, "state"),
      ...more,
    ];
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, "exit")) as [number];
    return `${code} ${said}`;
  };
  expect(await replay()).toMatch(/^0 .*a run is at work, left alone/);
  await killJob(run);
  expect(await replay("--swap-only")).toMatch(/^0 .*swap rolled-back, node left/);
  expect(database()).toBe("old");
  expect(nodesRunning()).toEqual([]);
  expect(await replay()).toMatch(/^0 .*swap none, node started/);
  expect(nodesRunning()).toHaveLength(1);
  expect(await replay()).toMatch(/^0 .*swap none, node no-need/);
});
