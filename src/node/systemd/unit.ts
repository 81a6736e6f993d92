/**
 * What systemd says about a service, and the runtime drop-in that keeps it from killing: without it a stop that takes
 * longer than `TimeoutStopSec` ends in SIGKILL, or in systemd losing sight of a process that still runs.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { ActionError } from "../../domain/errors.ts";
import { query } from "../../system/exec.ts";
import type { ExecResult } from "../../system/exec.ts";
import type { Privilege } from "../../system/privilege.ts";
import type { ServiceManager } from "./service-manager.ts";

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
  "NRestarts",
  "Job",
  "ExecStart",
  "ExecStop",
  "RefuseManualStop",
  "RefuseManualStart",
  "RequiredBy",
  "BoundBy",
  "ConsistsOf",
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
  /** "control-group", "mixed", "process", "none". */
  readonly killMode: string;
  readonly restart: string;
  /** By `Restart=`, since the last start that was asked for. */
  readonly restarts: number;
  readonly hasJob: boolean;
  /** Path of the first ExecStart. */
  readonly startPath: string | undefined;
  /** Each ExecStop as a line. */
  readonly stopCommands: readonly string[];
  readonly refusesStop: boolean;
  readonly refusesStart: boolean;
  /** What systemd stops together with it: Requires=, BindsTo= and PartOf= of other units. */
  readonly dependents: readonly string[];
}

const unitTypes = /\.(?:automount|device|mount|path|scope|service|slice|socket|swap|target|timer)$/;

/** "stacks" → "stacks.service", and "stacks.mainnet" → "stacks.mainnet.service", as systemctl reads them. */
export function unitName(name: string): string {
  return unitTypes.test(name) ? name : `${name}.service`;
}

/** Throws SUPERVISOR_UNAVAILABLE where there is no systemd to ask. A unit that does not exist is `not-found`. */
export async function showUnit(manager: ServiceManager, name: string): Promise<Unit> {
  return parseUnit(name, await manager.show(shownProperties, name));
}

/** Reads the output of `systemctl show`. */
export function parseUnit(name: string, text: string): Unit {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const cut = line.indexOf("=");
    // ExecStart comes once a command; the first one counts.
    if (cut > 0 && !values.has(line.slice(0, cut))) values.set(line.slice(0, cut), line.slice(cut + 1));
  }
  const stopCommands = [...text.matchAll(/^ExecStop=.*? ; argv\[\]=(.*?) ; ignore_errors=/gm)].map(
    ([, line = ""]) => line,
  );
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
    killMode: value("KillMode"),
    restart: value("Restart"),
    restarts: count("NRestarts"),
    hasJob: value("Job") !== "" && value("Job") !== "0",
    startPath: /\bpath=(\S+)/.exec(value("ExecStart"))?.[1],
    stopCommands: value("ExecStop") !== "" && stopCommands.length === 0 ? [value("ExecStop")] : stopCommands,
    refusesStop: value("RefuseManualStop") === "yes",
    refusesStart: value("RefuseManualStart") === "yes",
    dependents: [
      ...new Set(
        [value("RequiredBy"), value("BoundBy"), value("ConsistsOf")].flatMap((names) =>
          names.split(" ").filter((unit) => /\.(?:service|socket|timer|path|target)$/.test(unit)),
        ),
      ),
    ],
  };
}

const unitMs: ReadonlyMap<string, number> = new Map(
  Object.entries({
    us: 0.001,
    ms: 1,
    s: 1_000,
    min: 60_000,
    h: 3_600_000,
    d: 86_400_000,
    w: 604_800_000,
    month: 2_629_800_000,
    y: 31_557_600_000,
  }),
);

/** systemd's way to write a time span ("1min 30s", "infinity") → milliseconds. */
export function parseTimeSpan(text: string): number {
  if (text === "infinity") return Infinity;
  const parts = [...text.matchAll(/([\d.]+)\s*([a-z]+)/g)];
  if (parts.length === 0) return 0;
  return parts.reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (unitMs.get(unit ?? "") ?? Number.NaN),
    0,
  );
}

export function requireLoaded(unit: Unit): void {
  if (unit.loadState === "loaded") return;
  throw new ActionError(
    "NODE_NOT_FOUND",
    `There is no usable systemd unit ${unit.name} (it is ${unit.loadState}).`,
    {
      hint: "Set `node-name` to the node's unit (`systemctl list-units --type=service` shows them) or `node-manager` to what runs the node.",
    },
  );
}

/** Where the drop-in of a unit is put. In /run: a reboot forgets it. */
export function dropInPath(unit: string, user?: number): string {
  const units = user === undefined ? "/run/systemd/system" : `/run/user/${user}/systemd/user`;
  return `${units}/${unit}.d/90-chainstate-snapshot.conf`;
}

const dropInHead = `# Put here by chainstate-snapshot for the time of one graceful stop; it takes it away again.
[Service]
`;

export function installDropInCommand(file: string): readonly string[] {
  return ["install", "-D", "-m", "0644", "/dev/stdin", file];
}

/** Its directory goes too; one that holds something else stays, and then the command fails with the drop-in gone. */
export function removeDropInCommand(file: string): readonly string[] {
  return ["rm", "-f", "-d", "--", file, path.dirname(file)];
}

/** Puts the drop-in in place and has systemd read it. */
export async function installDropIn(
  manager: ServiceManager,
  file: string,
  settings: readonly string[],
): Promise<void> {
  const put = await query(putCommand(manager, file), { input: `${dropInHead}${settings.join("\n")}\n` });
  if (put.exitCode !== 0) throw refused(put, `Cannot write ${file}`);
  await reload(manager);
}

function putCommand(manager: ServiceManager, file: string): readonly string[] {
  const write = 'mkdir -p -- "$1" && cat >"$1/$2"';
  // A user may not open as /dev/stdin what root hands over.
  if (manager.user !== undefined)
    return manager.asOwner(["/bin/sh", "-c", write, "sh", path.dirname(file), path.basename(file)]);
  // Node hands input over through a socket, which nobody can open as /dev/stdin; `cat` makes a pipe of it.
  return ["/bin/sh", "-c", 'cat | "$@"', "sh", ...manager.asOwner(installDropInCommand(file))];
}

/** Takes the drop-in away; that it is not there (any more) is fine. Only for a unit that is not being stopped. */
export async function removeDropIn(manager: ServiceManager, file: string): Promise<void> {
  // The path comes out of a journal: never remove anything but what `dropInPath` can have made.
  const unit = path.basename(path.dirname(file)).replace(/\.d$/, "");
  if (file !== dropInPath(unit, manager.user)) {
    throw new ActionError("DROP_IN_UNKNOWN", `${file} is not a drop-in that this program puts in place.`);
  }
  if (!existsSync(file)) return;
  const removed = await query(manager.asOwner(removeDropInCommand(file)));
  if (existsSync(file)) throw refused(removed, `Cannot remove ${file}`);
  await reload(manager);
}

async function reload(manager: ServiceManager): Promise<void> {
  const reloaded = await manager.ask(["daemon-reload"]);
  if (reloaded.exitCode !== 0) throw refused(reloaded, "Cannot have systemd read its units again");
}

/** True when the drop-in can be put in place, read and taken away. */
export async function canInstallDropIn(
  manager: ServiceManager,
  file: string,
  privilege: Privilege,
): Promise<boolean> {
  if (manager.user !== undefined) return true;
  if (!privilege.isRoot && privilege.elevate(["true"]).length === 1) return false;
  const reloadCommand = manager.command("daemon-reload");
  for (const command of [installDropInCommand(file), removeDropInCommand(file), reloadCommand]) {
    if (!(await privilege.may(command))) return false;
  }
  return true;
}

function refused(result: ExecResult, what: string): ActionError {
  return new ActionError("PRIVILEGE_MISSING", `${what}: ${said(result)}`, {
    hint: "Allow the commands in sudoers (docs/permissions.md), or set `TimeoutStopSec=` of the unit to at least `stop-timeout` yourself.",
  });
}

export function said(result: ExecResult): string {
  return (result.stderr.trim() || result.stdout.trim() || `exit code ${result.exitCode}`).slice(-500);
}
