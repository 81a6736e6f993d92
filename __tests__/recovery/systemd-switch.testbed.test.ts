/**
 * The restart watchdog as a timer of the real systemd of `testbed/systemd.sh`. That runs in a container with a pid namespace of
 * its own and shares one directory with this machine, so a judgement by pids would fail here at once.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openJournal, readJournal, takeJournal } from "../../src/recovery/journal.ts";
import { arm, disarm } from "../../src/recovery/watchdog.ts";
import { journalPathFor } from "../../src/recovery/state-directory.ts";
import { systemClock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import type { DoomedRun, Step } from "./doomed-run.ts";

const testbed = join(process.env["TESTBED_DIR"] ?? "/var/tmp/testbed", "systemd");
const leaderFile = join(testbed, "leader");
const isUp = existsSync(leaderFile);
const signal = AbortSignal.timeout(300_000);
const unit = "testbed-doomed-node.service";
const unitFile = `/run/systemd/system/${unit}`;
let base: string;
let runId: string;
const started: ChildProcess[] = [];

function systemctl(...args: string[]): string {
  try {
    return execFileSync("systemctl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  } catch (error) {
    return ((error as { stdout?: string }).stdout ?? "").trim();
  }
}

function timers(): string {
  return systemctl("list-units", "--all", "--no-legend", "--plain", `chainstate-snapshot-${runId}*`);
}

async function until(holds: () => boolean, limitMs: number): Promise<number> {
  const since = Date.now();
  while (!holds()) {
    if (Date.now() - since > limitMs)
      throw new Error(`still not so after ${limitMs} ms: ${holds.toString()}`);
    await systemClock.sleep(200);
  }
  return Date.now() - since;
}

async function doom(step: Step): Promise<{ run: ChildProcess; journalPath: string }> {
  const told: DoomedRun = {
    base,
    runId,
    step,
    unit,
    nodePid: 0,
    wasRunning: true,
    graceMs: 20_000,
    switchKind: "systemd",
  };
  const run = spawn(process.execPath, [join(import.meta.dirname, "doomed-run.ts"), JSON.stringify(told)], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(run);
  await once(run.stdout, "data");
  return { run, journalPath: await journalPathFor(join(base, "state"), join(base, "mainnet")) };
}

describe.skipIf(!isUp)("the restart watchdog in systemd (testbed/systemd.sh)", () => {
  beforeAll(() => {
    const leader = readFileSync(leaderFile, "utf8").trim();
    process.env["SYSTEMCTL_FORCE_BUS"] = "1";
    process.env["DBUS_SYSTEM_BUS_ADDRESS"] = `unix:path=/proc/${leader}/root/run/dbus/system_bus_socket`;
  });
  beforeEach(() => {
    base = mkdtempSync(join(testbed, "share/switch-"));
    runId = base.slice(-6);
    mkdirSync(join(base, "mainnet"));
    writeFileSync(join(base, "mainnet", "headers.sqlite"), "old");
    writeUnit();
  });
  afterEach(() => {
    for (const child of started.splice(0)) child.kill("SIGKILL");
    systemctl("stop", `chainstate-snapshot-${runId}.timer`, `chainstate-snapshot-${runId}.service`, unit);
    rmSync(unitFile);
    systemctl("daemon-reload");
    rmSync(base, { recursive: true, force: true });
  });

  test.each<[Step, string]>([
    ["swap-out", "old"],
    ["committed", "new"],
  ])(
    "brings the unit back within a minute of a SIGKILL at %s, on the %s chainstate",
    async (step, expected) => {
      const { run, journalPath } = await doom(step);
      expect(timers()).toContain(`chainstate-snapshot-${runId}.timer`);
      await systemClock.sleep(12_000);
      expect(systemctl("is-active", unit)).toBe("inactive");
      process.kill(-(run.pid ?? 0), "SIGKILL");
      const tookMs = await until(() => systemctl("is-active", unit) === "active", 60_000);
      console.log(`${step}: running again ${tookMs / 1000} s after the kill`);
      expect(readFileSync(join(base, "mainnet", "headers.sqlite"), "utf8")).toBe(expected);
      await until(() => timers() === "", 20_000);
      expect((await readJournal(journalPath))?.owner.role).toBe("watchdog");
    },
  );

  test("is not relied on where systemd cannot run it", async () => {
    const { journal } = await openJournal({
      stateDirectory: join(base, "state"),
      chainstateDir: join(base, "mainnet"),
      run: { runId, command: "snapshot", sudo: "never" },
      signal,
    });
    const options = { privilege: privilegeFor("never"), clock: systemClock, env: process.env };
    const { execPath } = process;
    try {
      process.execPath = join(base, "no-node");
      const armed = arm(journal, { ...options, prefer: "systemd" });
      await expect(armed).rejects.toMatchObject({ code: "COMMAND_FAILED" });
      expect(timers()).toBe("");
    } finally {
      process.execPath = execPath;
    }
    const armed = await arm(journal, { ...options, prefer: "systemd" });
    expect(timers()).toContain(`chainstate-snapshot-${runId}.timer`);
    await armed.disarm();
    await journal.remove();
  });

  test("is gone after it was disarmed, and never acted while the run lived", async () => {
    const { run, journalPath } = await doom("stopped");
    await systemClock.sleep(25_000);
    expect(systemctl("is-active", unit)).toBe("inactive");
    process.kill(-(run.pid ?? 0), "SIGKILL");
    await once(run, "exit");
    const journal = await takeJournal(journalPath, { role: "post", signal });
    await disarm(journal!.content.switch!, privilegeFor("never"), systemClock);
    expect(timers()).toBe("");
    await journal!.remove();
    await systemClock.sleep(12_000);
    expect(systemctl("is-active", unit)).toBe("inactive");
  });
});

/** The node is `tail -f` on a file of the chainstate. */
function writeUnit(): void {
  writeFileSync(
    unitFile,
    `[Service]\nType=exec\nExecStart=/usr/bin/tail -f ${base}/mainnet/headers.sqlite\n`,
  );
  systemctl("daemon-reload");
  systemctl("start", unit);
}
