/**
 * Starts a unit when what has to be gone is gone, and then what went down with it. systemd would queue a start behind a
 * stop of its own; but it takes a unit for down whose processes it has lost sight of, and would start a node beside them.
 */
import { ActionError } from "../../domain/errors.ts";
import type { StartRecipe } from "../../domain/start-recipe.ts";
import type { Clock } from "../../system/clock.ts";
import { poll } from "../../system/poll.ts";
import type { Privilege } from "../../system/privilege.ts";
import { describeLeft, stopPauses, waitGone, type StartOutcome } from "../context.ts";
import { ServiceManager } from "./service-manager.ts";
import { removeDropIn, requireLoaded, said, showUnit, type Unit } from "./unit.ts";

export type UnitRecipe = Extract<StartRecipe, { manager: "systemd" }>;

const startLimitMs = 5 * 60_000;

export interface StartUnitOptions {
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long what has to be gone is waited for. */
  readonly finishMs: number;
  /** Told of what could not be started with it. */
  readonly onLost?: (line: string) => void;
}

export async function startUnit(recipe: UnitRecipe, options: StartUnitOptions): Promise<StartOutcome> {
  const { clock, signal, finishMs, privilege } = options;
  const { unit, gone = {}, dropIn } = recipe;
  const manager = new ServiceManager(recipe.user, privilege);
  requireLoaded(await showUnit(manager, unit));
  const state = await poll({ everyMs: stopPauses, limitMs: finishMs, signal, clock }, async () => {
    const now = await showUnit(manager, unit);
    if (now.activeState === "active" && !now.hasJob) return "up";
    return now.activeState === "deactivating" || describeLeft(gone) !== undefined ? undefined : "down";
  });
  if (state === undefined) return "stopping";
  if (state === "down") {
    if (!(await waitGone(gone, { privilege, clock }, signal, finishMs))) return "stopping";
    // One that ended too often is not started for a while. Without the right to forget that, the start below says so.
    if ((await showUnit(manager, unit)).result === "start-limit-hit")
      await manager.ask(["reset-failed", unit]);
    const asked = await manager.ask(["start", "--no-block", unit]);
    if (asked.exitCode !== 0) throw startFailed(unit, said(asked));
    await waitActive(manager, unit, options);
  }
  // Only now: without it systemd would kill what still stops.
  if (dropIn !== undefined) await removeDropIn(manager, dropIn);
  for (const line of await startDependents(manager, recipe.dependents ?? [], options)) options.onLost?.(line);
  return state === "up" ? "already-running" : "started";
}

async function waitActive(
  manager: ServiceManager,
  unit: string,
  { clock, signal }: StartUnitOptions,
): Promise<void> {
  let last: Unit | undefined;
  const active = await poll({ everyMs: stopPauses, limitMs: startLimitMs, signal, clock }, async () => {
    last = await showUnit(manager, unit);
    if (last.activeState === "active" && !last.hasJob) return true;
    if ((last.activeState !== "failed" && last.activeState !== "inactive") || last.hasJob) return undefined;
    throw startFailed(
      unit,
      `it is ${last.activeState} (Result=${last.result}, exit code ${last.mainStatus})`,
    );
  });
  if (active === true) return;
  throw startFailed(
    unit,
    `it has been ${last?.activeState} (${last?.subState}) for ${startLimitMs / 1000} s`,
  );
}

function startFailed(unit: string, why: string): ActionError {
  return new ActionError("NODE_START_FAILED", `systemd did not start ${unit}: ${why}.`, {
    hint: `After start-limit-hit: \`systemctl reset-failed ${unit}\`. \`systemctl status ${unit}\` and \`journalctl -u ${unit}\` tell more.`,
  });
}

const dependentLimitMs = 30_000;

/** Starts them and waits for each; returns what did not come back, in words: the node is up all the same. */
async function startDependents(
  manager: ServiceManager,
  dependents: readonly string[],
  { clock, signal }: StartUnitOptions,
): Promise<readonly string[]> {
  const lost: string[] = [];
  for (const unit of dependents) {
    const asked = await manager.ask(["start", "--no-block", unit]);
    if (asked.exitCode !== 0) lost.push(`${unit} could not be started again: ${said(asked)}`);
  }
  for (const unit of dependents.filter((name) => !lost.some((line) => line.startsWith(`${name} `)))) {
    const up = await poll({ everyMs: stopPauses, limitMs: dependentLimitMs, signal, clock }, async () => {
      const { activeState, hasJob, result } = await showUnit(manager, unit);
      if (activeState === "active" && !hasJob) return "";
      return activeState === "failed" && !hasJob ? `Result=${result}` : undefined;
    });
    if (up !== "") lost.push(`${unit} is not up again${up === undefined ? "" : `: ${up}`}`);
  }
  return lost;
}

/** What goes down with the unit and is active now, what goes down with that included. */
export async function activeDependents(manager: ServiceManager, unit: Unit): Promise<readonly string[]> {
  const seen = new Set([unit.name]);
  const active: string[] = [];
  const pending = [...unit.dependents];
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const shown = await showUnit(manager, name);
    if (shown.activeState !== "active" && shown.activeState !== "activating") continue;
    active.push(name);
    pending.push(...shown.dependents);
  }
  return active;
}
