/**
 * Arms what brings the node back when everything else is dead: a transient systemd timer where this user may make one,
 * else a detached watcher. Both run `entries/watchdog.ts`, from a copy in the state directory, because the checkout of an
 * action may be wiped while the node is down. Nothing of the job keeps hold of them: an own session, an own environment
 * without RUNNER_TRACKING_ID (the runner ends every process that carries the job's), no inherited stdio.
 */
import { createHash } from "node:crypto";
import { access, readFile, stat, truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ActionError, describeError } from "../domain/errors.ts";
import type { Clock } from "../system/clock.ts";
import { entryPath, runsFromSource } from "../system/entry.ts";
import { query, queryOk, spawnDetached } from "../system/exec.ts";
import { poll } from "../system/poll.ts";
import type { Privilege } from "../system/privilege.ts";
import { isAlive, readStat } from "../system/proc.ts";
import { quote } from "../system/shell-quote.ts";
import { writeFileAtomically } from "../system/atomic-file.ts";
import type { SwitchRecord } from "./content.ts";
import { logPathOf, type Journal } from "./journal.ts";
import { watchTimings } from "./watch.ts";

export interface ArmOptions {
  readonly privilege: Privilege;
  readonly clock: Clock;
  /** The environment of this process; a few harmless names of it are handed on. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default: systemd where it can be used. */
  readonly prefer?: SwitchRecord["kind"];
  /** Default: see `watch.ts`. */
  readonly graceMs?: number;
  readonly intervalMs?: number;
}

/** What a run needs of the watchdog. */
export interface Watchdog {
  readonly arm: typeof arm;
  readonly disarm: typeof disarm;
}

export interface Armed {
  readonly record: SwitchRecord;
  /** What watches, in words for the log; with the reason where it is not systemd. */
  readonly detail: string;
  /** Ends the watch. The journal is removed by the caller. Safe to call twice; never throws for a switch already gone. */
  disarm(): Promise<void>;
}

/** How often the timer looks, and (see `watch.ts`) how long it then waits for a post step: together under 40 s. */
const timerSeconds = 10;

/** Nothing here may be a secret: systemd shows the environment of units to everybody. */
const handedOn = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "LANG",
  "XDG_RUNTIME_DIR",
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CONFIG",
  "CONTAINER_HOST",
];

/** Where this process finds the system bus, when not at the usual place; a unit of that systemd needs no telling. */
const busNames = ["DBUS_SYSTEM_BUS_ADDRESS", "SYSTEMCTL_FORCE_BUS"];

/**
 * Arms the switch and notes it in the journal. Call it before anything is stopped. SWITCH_NOT_ARMED when not even a
 * detached watcher can be started.
 */
export async function arm(journal: Journal, options: ArmOptions): Promise<Armed> {
  const script = await installWatchdog(dirname(journal.path));
  const { record, detail } = await armEither(journal, script, options);
  await journal.update({ switch: record });
  return { record, detail, disarm: async () => await disarm(record, options.privilege, options.clock) };
}

async function armEither(
  journal: Journal,
  script: string,
  options: ArmOptions,
): Promise<{ readonly record: SwitchRecord; readonly detail: string }> {
  const unit = `chainstate-snapshot-${journal.content.runId.replaceAll(/[^A-Za-z0-9_.-]/g, "_")}`;
  let whyNot = "a detached watcher was asked for";
  if (options.prefer !== "detached") {
    try {
      await armSystemd(journal, script, unit, options);
      return {
        record: { kind: "systemd", unit },
        detail: `systemd timer ${unit}.timer, every ${timerSeconds} s`,
      };
    } catch (error) {
      if (options.prefer === "systemd") throw error;
      whyNot = describeError(error);
    }
  }
  try {
    const record = await armDetached(journal, script, options);
    return { record, detail: `detached watcher, pid ${record.process.pid} (${whyNot})` };
  } catch (cause) {
    throw new ActionError("SWITCH_NOT_ARMED", "The restart watchdog could not be started.", {
      cause,
      hint: "Without it a killed job would leave the node down, so nothing was stopped. See the cause.",
    });
  }
}

async function armSystemd(
  journal: Journal,
  script: string,
  unit: string,
  options: ArmOptions,
): Promise<void> {
  const { privilege } = options;
  await access("/run/systemd/system");
  const service = [
    `--uid=${process.geteuid?.() ?? 0}`,
    `--gid=${process.getegid?.() ?? 0}`,
    // The node that it starts may be a child of it and must outlive it.
    "--property=KillMode=process",
    "--property=SendSIGKILL=no",
    "--property=WorkingDirectory=/",
    ...Object.entries(pick(options.env, handedOn)).map(([name, value]) => `--setenv=${name}=${value}`),
    process.execPath,
    script,
    ...watchArguments(journal, options),
    "--once",
  ];
  // That systemd can run it at all (SELinux, a home that it may not read) is seen now, and not when it is needed.
  const once = ["systemd-run", "--quiet", "--collect", "--wait", `--unit=${unit}-try`, ...service];
  const start = [
    "systemd-run",
    "--quiet",
    "--collect",
    `--unit=${unit}`,
    `--description=Brings the Stacks node back if chainstate-snapshot dies (run ${journal.content.runId})`,
    `--on-active=${timerSeconds}`,
    `--on-unit-active=${timerSeconds}`,
    // A `daemon-reload` at the very second of the first elapse loses both of the others for good (systemd takes a time that is past for
    // done); the calendar alone would wait for an hour after a clock that was set back by one.
    `--on-calendar=*:*:0/${timerSeconds}`,
    "--timer-property=AccuracySec=1s",
    ...service,
    `--timer=${unit}`,
  ];
  const stop = stopTimer(unit);
  for (const argv of [once, start, stop])
    await privilege.require(argv, "to arm the restart watchdog as a systemd timer");
  await queryOk(privilege.elevate(once));
  await queryOk(privilege.elevate(start));
}

async function armDetached(
  journal: Journal,
  script: string,
  options: ArmOptions,
): Promise<Extract<SwitchRecord, { kind: "detached" }>> {
  const log = logPathOf(journal.path);
  if (((await stat(log).catch(() => undefined))?.size ?? 0) > 1024 * 1024) await truncate(log);
  const argv = [process.execPath, script, ...watchArguments(journal, options)];
  const env = pick(options.env, [...handedOn, ...busNames]);
  const pid = await spawnDetached(argv, { env, directory: "/", stdout: log, stderr: log });
  const found = readStat(pid);
  if (found === undefined)
    throw new ActionError("SWITCH_NOT_ARMED", `The watcher ended at once; see ${log}.`);
  return { kind: "detached", process: { pid, startTicks: found.startTicks } };
}

/** Ends a switch, this run's own or one that a dead run left (from its journal). */
export async function disarm(record: SwitchRecord, privilege: Privilege, clock: Clock): Promise<void> {
  if (record.kind === "systemd") {
    // An exit code other than 0 says that the timer is not there any more, which is what is wanted.
    await query(privilege.elevate(stopTimer(record.unit)));
    return;
  }
  if (!isAlive(record.process)) return;
  signalEnd(record.process.pid);
  const neverAborted = new AbortController().signal;
  await poll({ everyMs: 50, limitMs: 5_000, clock, signal: neverAborted }, () =>
    isAlive(record.process) ? undefined : true,
  );
}

export function stopTimer(unit: string): readonly string[] {
  return ["systemctl", "stop", `${unit}.timer`];
}

function watchArguments(journal: Journal, options: ArmOptions): readonly string[] {
  const { graceMs, intervalMs } = { ...watchTimings, ...options };
  return [
    "watch",
    journal.path,
    journal.content.runId,
    `--grace-ms=${graceMs}`,
    `--interval-ms=${intervalMs}`,
  ];
}

/** The bundle is one file without neighbours; from source the tree itself is run. */
async function installWatchdog(stateDirectory: string): Promise<string> {
  const entry = entryPath("watchdog");
  if (runsFromSource()) return entry;
  const bytes = await readFile(entry);
  const name = `watchdog-${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}.mjs`;
  const copy = join(stateDirectory, name);
  await writeFileAtomically(copy, bytes, 0o700);
  await writeFileAtomically(join(stateDirectory, "replay.sh"), replayScript(copy, stateDirectory), 0o700);
  return copy;
}

/** For a person, a unit or the runner's hook; its arguments are `replay`'s. */
export function replayScript(program: string, stateDirectory: string): string {
  const words = [process.execPath, program, "replay", stateDirectory];
  return `#!/bin/sh\nexec ${words.map(quote).join(" ")} "$@"\n`;
}

function pick(env: ArmOptions["env"], names: readonly string[]): Record<string, string> {
  const pairs = names.map((name) => [name, env[name]] as const);
  return Object.fromEntries(pairs.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

function signalEnd(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // It ended by itself between the look and the signal.
  }
}
