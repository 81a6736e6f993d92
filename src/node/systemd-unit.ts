/**
 * What systemd says about a service, and the runtime drop-in that keeps it from killing: without it a stop that takes
 * longer than `TimeoutStopSec` ends in SIGKILL, or in systemd losing sight of a process that still runs.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import type { Privilege } from "../system/privilege.ts";
import { query } from "../system/exec.ts";
import type { ExecResult } from "../system/exec.ts";
import { ActionError } from "../errors.ts";
import { NodeNotFoundError, SupervisorUnavailableError } from "./errors.ts";

const shownProperties = [
  "LoadState",
  "ActiveState",
  "SubState",
  "Result",
  "MainPID",
  "ExecMainPID",
  "ExecMainCode",
  "ExecMainStatus",
  "ExecMainStartTimestampMonotonic",
  "TimeoutStopUSec",
  "SendSIGKILL",
  "KillSignal",
  "KillMode",
  "Restart",
  "Job",
  "ExecStart",
  "ExecStop",
  "FragmentPath",
] as const;

export interface Unit {
  readonly name: string;
  readonly loadState: string;
  readonly activeState: string;
  readonly subState: string;
  /** Why the service ended last: success, exit-code, signal, core-dump, timeout, oom-kill … */
  readonly result: string;
  readonly mainPid: number;
  /** The main process that runs or ran last. */
  readonly lastMainPid: number;
  /** How the main process ended: 1 exited, 2 killed, 3 dumped core; 0 when nothing is known. */
  readonly mainCode: number;
  readonly mainStatus: number;
  readonly mainStartedAtUs: number;
  /** Infinity where there is no limit. */
  readonly stopLimitMs: number;
  readonly sendsSigkill: boolean;
  readonly killSignal: number;
  readonly restart: string;
  readonly hasJob: boolean;
  /** Path of the first ExecStart. */
  readonly startPath: string | undefined;
  readonly hasStopCommand: boolean;
}

/** "stacks" → "stacks.service", as systemctl reads it. */
export function unitName(name: string): string {
  return /\.[a-z]+$/.test(name) ? name : `${name}.service`;
}

/** `systemctl` with its settings for a program; never asks for a password. */
export function systemctl(...args: string[]): readonly string[] {
  return ["systemctl", "--no-ask-password", ...args];
}

/** Throws SupervisorUnavailableError where there is no systemd to ask. A unit that does not exist is `not-found`. */
export async function showUnit(name: string): Promise<Unit> {
  const shown = await query(systemctl("show", `--property=${shownProperties.join(",")}`, "--", name));
  if (shown.exitCode !== 0) {
    throw new SupervisorUnavailableError(`systemd does not answer: ${said(shown)}`, {
      hint: "Set `node-manager` to what runs the node on this host.",
    });
  }
  return parseUnit(name, shown.stdout);
}

/** Reads the output of `systemctl show`. */
export function parseUnit(name: string, text: string): Unit {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const cut = line.indexOf("=");
    // ExecStart comes once a command; the first one counts.
    if (cut > 0 && !values.has(line.slice(0, cut))) values.set(line.slice(0, cut), line.slice(cut + 1));
  }
  const value = (property: (typeof shownProperties)[number]): string => values.get(property) ?? "";
  const count = (property: (typeof shownProperties)[number]): number => Number(value(property) || 0);
  return {
    name,
    loadState: value("LoadState"),
    activeState: value("ActiveState"),
    subState: value("SubState"),
    result: value("Result"),
    mainPid: count("MainPID"),
    lastMainPid: count("ExecMainPID"),
    mainCode: count("ExecMainCode"),
    mainStatus: count("ExecMainStatus"),
    mainStartedAtUs: count("ExecMainStartTimestampMonotonic"),
    stopLimitMs: parseTimeSpan(value("TimeoutStopUSec")),
    sendsSigkill: value("SendSIGKILL") !== "no",
    killSignal: count("KillSignal"),
    restart: value("Restart"),
    hasJob: value("Job") !== "" && value("Job") !== "0",
    startPath: /\bpath=(\S+)/.exec(value("ExecStart"))?.[1],
    hasStopCommand: value("ExecStop") !== "",
  };
}

const unitMs: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  month: 2_629_800_000,
  y: 31_557_600_000,
};

/** systemd's way to write a time span ("1min 30s", "infinity") → milliseconds. */
export function parseTimeSpan(text: string): number {
  if (text === "infinity") return Infinity;
  const parts = [...text.matchAll(/([\d.]+)\s*([a-z]+)/g)];
  if (parts.length === 0) return 0;
  return parts.reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (unitMs[unit ?? ""] ?? Number.NaN),
    0,
  );
}

export function requireLoaded(unit: Unit): void {
  if (unit.loadState === "loaded") return;
  throw new NodeNotFoundError(`There is no usable systemd unit ${unit.name} (it is ${unit.loadState}).`, {
    hint: "Set `node-name` to the node's unit (`systemctl list-units --type=service` shows them) or `node-manager` to what runs the node.",
  });
}

/** Where the drop-in of a unit is put. In /run: a reboot forgets it. */
export function dropInPath(unit: string): string {
  return `/run/systemd/system/${unit}.d/90-chainstate-snapshot.conf`;
}

const dropInText = `# Put here by chainstate-snapshot for the time of one graceful stop; it takes it away again.
[Service]
TimeoutStopSec=infinity
SendSIGKILL=no
`;

export function installDropInCommand(file: string): readonly string[] {
  return ["install", "-D", "-m", "0644", "/dev/stdin", file];
}

/** Its directory goes too; one that holds something else stays, and then the command fails with the drop-in gone. */
export function removeDropInCommand(file: string): readonly string[] {
  return ["rm", "-f", "-d", "--", file, path.dirname(file)];
}

export const reloadCommand = systemctl("daemon-reload");

/** Puts the drop-in in place and has systemd read it. */
export async function installDropIn(file: string, privilege: Privilege): Promise<void> {
  // Node hands input over through a socket, which nobody can open as /dev/stdin; `cat` makes a pipe of it.
  const viaPipe = ["/bin/sh", "-c", 'cat | "$@"', "sh", ...privilege.elevate(installDropInCommand(file))];
  const put = await query(viaPipe, { input: dropInText });
  if (put.exitCode !== 0) throw refused(put, `Cannot write ${file}`);
  const reloaded = await query(privilege.elevate(reloadCommand));
  if (reloaded.exitCode !== 0) throw refused(reloaded, "Cannot have systemd read its units again");
}

/** Takes the drop-in away; that it is not there (any more) is fine. Only for a unit that is not being stopped. */
export async function removeDropIn(file: string, privilege: Privilege): Promise<void> {
  // The path comes out of a journal: never remove anything but what `dropInPath` can have made.
  const unit = path.basename(path.dirname(file)).replace(/\.d$/, "");
  if (file !== dropInPath(unit)) {
    throw new ActionError("DROP_IN_UNKNOWN", `${file} is not a drop-in that this program puts in place.`);
  }
  if (!existsSync(file)) return;
  const removed = await query(privilege.elevate(removeDropInCommand(file)));
  if (existsSync(file)) throw refused(removed, `Cannot remove ${file}`);
  const reloaded = await query(privilege.elevate(reloadCommand));
  if (reloaded.exitCode !== 0) throw refused(reloaded, "Cannot have systemd read its units again");
}

function refused(result: ExecResult, what: string): ActionError {
  return new ActionError("PRIVILEGE_MISSING", `${what}: ${said(result)}`, {
    hint: 'Allow the commands in sudoers (see "Permissions" in the README), or set `TimeoutStopSec=` of the unit to at least `stop-timeout` yourself.',
  });
}

export function said(result: ExecResult): string {
  return (result.stderr.trim() || result.stdout.trim() || `exit code ${result.exitCode}`).slice(-500);
}
