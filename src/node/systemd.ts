/**
 * A node that systemd runs. The stop is queued and watched from outside (`--no-block`), so that our own time limit is
 * never a kill; the start is queued too, so that systemd brings the node back even if whoever asked is gone by then.
 */
import { query } from "../system/exec.ts";
import type { Clock } from "../system/clock.ts";
import type { Privilege } from "../system/privilege.ts";
import { executablePath, findByInnerPid, readLink } from "../system/proc.ts";
import { finishStopMs, gracefulSignals, poll, requireSignalHandler } from "./context.ts";
import type { NodeContext } from "./context.ts";
import {
  NodeCameBackError,
  NodeStartError,
  NodeStillRunningError,
  StopRefusedError,
  StopTimeoutError,
  SupervisorUnavailableError,
  UncleanStopError,
  UnsafeStopError,
} from "./errors.ts";
import { requireSingleHolder } from "./holders.ts";
import type { Evidence, NodeControl, NodeState, StopReport } from "./port.ts";
import {
  dropInPath,
  installDropIn,
  installDropInCommand,
  reloadCommand,
  removeDropIn,
  removeDropInCommand,
  requireLoaded,
  said,
  showUnit,
  systemctl,
  unitName,
} from "./systemd-unit.ts";
import type { Unit } from "./systemd-unit.ts";
import { isWrapper } from "./version.ts";

export function systemdNode(name: string, context: NodeContext): NodeControl {
  const { privilege, clock } = context;
  const unit = unitName(name);
  const dropIn = dropInPath(unit);
  const identity = {
    manager: "systemd",
    name: unit,
    foundBy: `systemd unit ${unit} is loaded`,
  } as const;

  const look = async (): Promise<Unit> => {
    const shown = await showUnit(unit);
    requireLoaded(shown);
    return shown;
  };

  /** Whether the drop-in is needed to wait for `timeoutMs`. Throws where the unit cannot be stopped gracefully. */
  const needsDropIn = async (shown: Unit, timeoutMs: number): Promise<boolean> => {
    if (gracefulSignals[shown.killSignal] === undefined) {
      throw new UnsafeStopError(
        `${unit} is stopped with signal ${shown.killSignal}, which is no request for a graceful stop.`,
        {
          hint: "Set `KillSignal=SIGINT` (or SIGTERM) in the unit.",
        },
      );
    }
    if (shown.stopLimitMs >= timeoutMs) return false;
    if (await canInstallDropIn(dropIn, privilege)) return true;
    if (!shown.sendsSigkill) return false;
    throw new UnsafeStopError(
      `systemd would kill ${unit} after ${shown.stopLimitMs / 1000} s (TimeoutStopSec), sooner than \`stop-timeout\` (${timeoutMs / 1000} s), and this runner may not change that.`,
      {
        hint: `Set \`TimeoutStopSec=${Math.ceil(timeoutMs / 1000)}\` or \`SendSIGKILL=no\` in the unit, or allow the drop-in in sudoers (see "Permissions" in the README).`,
      },
    );
  };

  return {
    identity,

    async inspect(): Promise<NodeState> {
      const shown = await look();
      const main = shown.mainPid > 0 ? findByInnerPid(shown.mainPid, shown.mainStartedAtUs) : undefined;
      return {
        running: !isDown(shown),
        detail: `${shown.activeState} (${shown.subState})`,
        ...(main === undefined ? {} : { process: main }),
      };
    },

    async preflight(stopTimeoutMs, signal) {
      const shown = await look();
      await requireSingleHolder(context.chainstateDir, privilege, clock, signal);
      if (isDown(shown)) return [];
      await privilege.require(stopCommand(unit), `to stop ${unit}`);
      await privilege.require(startCommand(unit), `to start ${unit} again`);
      const adjusts: string[] = [];
      if (await needsDropIn(shown, stopTimeoutMs)) {
        adjusts.push(
          `systemd gives ${unit} ${shown.stopLimitMs / 1000} s to stop${shown.sendsSigkill ? " and then kills it" : ""}; a runtime drop-in lifts that limit for the time of the stop`,
        );
      } else if (shown.stopLimitMs < stopTimeoutMs) {
        adjusts.push(
          `systemd stops waiting for ${unit} after ${shown.stopLimitMs / 1000} s (it does not kill it): a stop that takes longer will fail the snapshot`,
        );
      }
      if (shown.hasStopCommand)
        adjusts.push(
          `${unit} has an ExecStop command of its own, which is run first and is not under this program's control`,
        );
      return adjusts;
    },

    async recipe() {
      const adjusts = await needsDropIn(await look(), context.options.stopTimeoutMs);
      const sudo = isElevated(privilege);
      return { manager: "systemd", unit, sudo, ...(adjusts ? { dropIn } : {}) };
    },

    async stop(timeoutMs, signal): Promise<StopReport> {
      const before = await look();
      if (isDown(before)) return { result: "was not running", exitCode: null, signal: null, seconds: 0 };
      if (!before.hasStopCommand && before.mainPid > 0) {
        const main = findByInnerPid(before.mainPid, before.mainStartedAtUs);
        if (main !== undefined) await requireSignalHandler(main, before.killSignal, unit, clock, signal);
      }
      const useDropIn = await needsDropIn(before, timeoutMs);
      let mayRemove = useDropIn;
      try {
        if (useDropIn) {
          await installDropIn(dropIn, privilege);
          const limited = await look();
          if (limited.stopLimitMs !== Infinity || limited.sendsSigkill) {
            throw new UnsafeStopError(`The drop-in ${dropIn} has no effect on ${unit}.`, {
              hint: `Another drop-in sets TimeoutStopSec after it (\`systemctl cat ${unit}\` shows it). Set it to ${Math.ceil(timeoutMs / 1000)} there.`,
            });
          }
        }
        const startedAt = clock.now();
        const asked = await query(privilege.elevate(stopCommand(unit)));
        if (asked.exitCode !== 0) {
          throw new StopRefusedError(`systemd does not stop ${unit} for this runner: ${said(asked)}`, {
            hint: 'Allow it in sudoers (see "Permissions" in the README).',
          });
        }
        // From here on the limit must stay lifted until the unit is down, whatever becomes of us.
        mayRemove = false;
        const after = await poll(clock, timeoutMs, signal, async () => {
          const shown = await look();
          return isDown(shown) ? shown : cameBack(before, shown);
        });
        // Without SIGKILL systemd may give up on a process that still stops: down in its books only.
        if (after === undefined || (await leftBehind(after))) throw new StopTimeoutError(unit, timeoutMs);
        mayRemove = useDropIn;
        return reportStop(after, (clock.now() - startedAt) / 1000);
      } finally {
        if (mayRemove) await removeDropIn(dropIn, privilege);
      }
    },

    async provesDown(): Promise<readonly Evidence[]> {
      const shown = await look();
      const state = `${shown.activeState} (${shown.subState})`;
      if (shown.activeState === "deactivating")
        throw new NodeStillRunningError(`${unit} is still stopping: ${state}.`);
      if (!isDown(shown) || shown.hasJob)
        throw new NodeCameBackError(
          `${unit} was stopped and is ${shown.hasJob ? "being started" : state} again.`,
        );
      return [{ id: "supervisor", detail: `${unit} is ${state}, Result=${shown.result}` }];
    },

    async start(signal) {
      await startUnit(unit, dropIn, privilege, clock, signal, finishStopMs);
    },

    async versionCommand() {
      const shown = await look();
      const main = shown.mainPid > 0 ? findByInnerPid(shown.mainPid, shown.mainStartedAtUs) : undefined;
      const link = main === undefined ? undefined : await readLink(main.pid, "exe", privilege);
      const running = link === undefined ? shown.startPath : executablePath(link).path;
      return running === undefined || isWrapper(running) ? undefined : [running, "version"];
    },
  };
}

function stopCommand(unit: string): readonly string[] {
  return systemctl("stop", "--no-block", unit);
}

function startCommand(unit: string): readonly string[] {
  return systemctl("start", "--no-block", unit);
}

function isElevated(privilege: Privilege): boolean {
  return privilege.elevate(["true"]).length > 1;
}

async function canInstallDropIn(file: string, privilege: Privilege): Promise<boolean> {
  if (!privilege.isRoot && !isElevated(privilege)) return false;
  for (const command of [installDropInCommand(file), removeDropInCommand(file), reloadCommand]) {
    if (!(await privilege.may(command))) return false;
  }
  return true;
}

function isDown(unit: Unit): boolean {
  return unit.activeState === "inactive" || unit.activeState === "failed";
}

/** Throws when the main process is a new one: the unit went down and up between two looks. */
function cameBack(before: Unit, now: Unit): undefined {
  if (now.mainPid > 0 && before.mainPid > 0 && now.mainStartedAtUs !== before.mainStartedAtUs)
    throw new NodeCameBackError(`${now.name} was started again while it was being stopped.`);
  return undefined;
}

/** True while the last main process of a unit that is down runs on: after a stop that timed out without SIGKILL. */
async function leftBehind(unit: Unit): Promise<boolean> {
  if (!isDown(unit) || unit.result !== "timeout" || unit.lastMainPid === 0) return false;
  return findByInnerPid(unit.lastMainPid, unit.mainStartedAtUs) !== undefined;
}

const signalNames: Readonly<Record<number, string>> = {
  1: "SIGHUP",
  2: "SIGINT",
  6: "SIGABRT",
  7: "SIGBUS",
  9: "SIGKILL",
  11: "SIGSEGV",
  15: "SIGTERM",
};

/** Throws UncleanStopError unless the service ended well. */
function reportStop(unit: Unit, seconds: number): StopReport {
  const exited = unit.mainCode === 1;
  const killed = unit.mainCode === 2 || unit.mainCode === 3;
  const report: StopReport = {
    result: unit.result,
    exitCode: exited ? unit.mainStatus : null,
    signal: killed ? (signalNames[unit.mainStatus] ?? `signal ${unit.mainStatus}`) : null,
    seconds,
  };
  if (killed)
    throw new UncleanStopError(
      unit.name,
      `its main process was ended by ${report.signal}, Result=${unit.result}`,
    );
  if (unit.result !== "success" || (exited && unit.mainStatus !== 0))
    throw new UncleanStopError(unit.name, `Result=${unit.result}, exit code ${unit.mainStatus}`);
  return report;
}

const startLimitMs = 5 * 60_000;

/**
 * Starts the unit and waits until systemd calls it active. A unit that is still stopping is waited for up to
 * `finishMs`, and only then is the drop-in taken away: without it systemd would kill what still stops.
 */
export async function startUnit(
  unit: string,
  dropIn: string | undefined,
  privilege: Privilege,
  clock: Clock,
  signal: AbortSignal,
  finishMs: number,
): Promise<"started" | "already-running"> {
  const before = await showUnit(unit);
  requireLoaded(before);
  const gone = await poll(clock, finishMs, signal, async () =>
    (await leftBehind(before)) ? undefined : true,
  );
  if (gone === undefined) throw startFailed(unit, "the process that was asked to stop still runs");
  const wasActive = before.activeState === "active" && !before.hasJob;
  if (!wasActive) {
    const asked = await query(privilege.elevate(startCommand(unit)));
    if (asked.exitCode !== 0) throw startFailed(unit, said(asked));
  }
  let stoppedSince = before.activeState === "deactivating" ? undefined : clock.now();
  const active = await poll(clock, finishMs + startLimitMs, signal, async () => {
    const now = await showUnit(unit);
    if (now.activeState === "active" && !now.hasJob) return true;
    if (now.activeState === "deactivating") return undefined;
    stoppedSince ??= clock.now();
    const settled = (now.activeState === "failed" || now.activeState === "inactive") && !now.hasJob;
    if (settled)
      throw startFailed(unit, `it is ${now.activeState} (Result=${now.result}, exit code ${now.mainStatus})`);
    if (clock.now() - stoppedSince > startLimitMs)
      throw startFailed(
        unit,
        `it has been ${now.activeState} (${now.subState}) for ${startLimitMs / 1000} s`,
      );
    return undefined;
  });
  if (active === undefined)
    throw startFailed(unit, `it had not finished stopping after ${finishMs / 1000} s`);
  if (dropIn !== undefined) await removeDropIn(dropIn, privilege);
  return wasActive ? "already-running" : "started";
}

function startFailed(unit: string, why: string): NodeStartError {
  return new NodeStartError(`systemd did not start ${unit}: ${why}.`, {
    hint: `\`systemctl status ${unit}\` and \`journalctl -u ${unit}\` tell more.`,
  });
}

/** For `auto`: the unit, where it exists. */
export async function findUnit(name: string): Promise<Unit | undefined> {
  try {
    const shown = await showUnit(unitName(name));
    return shown.loadState === "loaded" ? shown : undefined;
  } catch (error) {
    if (error instanceof SupervisorUnavailableError) return undefined;
    throw error;
  }
}
