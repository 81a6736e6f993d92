/**
 * A node that systemd runs, the system's or a user's. The stop is queued and watched from outside (`--no-block`), so that
 * our own time limit is never a kill; and what is watched is the node's own process and the unit's cgroup, not only what
 * systemd takes for the main process.
 */
import { ActionError } from "../../domain/errors.ts";
import { poll } from "../../system/poll.ts";
import { findByInnerPid, isAlive, type ProcessId } from "../../system/proc.ts";
import {
  describeLeft,
  finishStopMs,
  groupEvidence,
  handlesSignal,
  noHooks,
  stopPauses,
  type FoundNode,
  type NodeContext,
} from "../context.ts";
import { cameBack, stillStopping, stopTimeout, uncleanStop } from "../errors.ts";
import { findAgain } from "../find-node.ts";
import { requireSingleHolder } from "../holders.ts";
import { mainOf } from "../identity.ts";
import type { Evidence, NodeControl, NodeIdentity, NodeState, StopHooks, StopReport } from "../port.ts";
import { planUnitStop, requirePossible, type ContainerFacts, type StopDecision } from "../stop-plan.ts";
import { versionCommandOf, versionCommandOfFile } from "../version.ts";
import { ServiceManager } from "./service-manager.ts";
import { activeDependents, startUnit, type UnitRecipe } from "./start-unit.ts";
import {
  canInstallDropIn,
  dropInPath,
  installDropIn,
  removeDropIn,
  requireLoaded,
  said,
  showUnit,
  type Unit,
} from "./unit.ts";

export interface UnitNode {
  readonly unit: string;
  readonly user?: number | undefined;
  /** Absent where no process has the databases open now. */
  readonly found?: FoundNode | undefined;
  /** The container that the unit runs the node in. */
  readonly container?: (ContainerFacts & { readonly stopLimitMs: number }) | undefined;
  readonly foundBy: string;
}

export class SystemdNode implements NodeControl {
  readonly identity: NodeIdentity;
  readonly #context: NodeContext;
  readonly #container: UnitNode["container"];
  #found: FoundNode | undefined;
  readonly #unit: string;
  readonly #manager: ServiceManager;
  readonly #dropIn: string;
  /** What is to be gone before a start; set by a stop. */
  #stopped: FoundNode | undefined;
  /** What went down with it. */
  #dependents: readonly string[] = [];

  constructor(node: UnitNode, context: NodeContext) {
    const { unit, user, foundBy } = node;
    this.#context = context;
    this.#container = node.container;
    this.#found = node.found;
    this.#unit = unit;
    this.#manager = new ServiceManager(user, context.privilege);
    this.#dropIn = dropInPath(unit, user);
    this.identity = { manager: "systemd", name: unit, foundBy };
  }

  async #look(): Promise<Unit> {
    const shown = await showUnit(this.#manager, this.#unit);
    requireLoaded(shown);
    return shown;
  }

  /** The node where it still is the process that was found, else the unit's main process. */
  #process(shown: Unit): ProcessId | undefined {
    const found = this.#found?.process;
    if (found !== undefined && isAlive(found)) return found;
    return shown.mainPid > 0 ? findByInnerPid(shown.mainPid, shown.mainStartedAtUs) : undefined;
  }

  async inspect(): Promise<NodeState> {
    const shown = await this.#look();
    const node = this.#process(shown);
    return {
      running: !isDown(shown) || (node !== undefined && isAlive(node)),
      detail: `${shown.activeState} (${shown.subState})`,
      restarts: shown.restarts,
      ...(shown.subState.startsWith("auto-restart") ? { restarting: true } : {}),
      ...(node === undefined ? {} : { process: node }),
    };
  }

  async preflight(stopTimeoutMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const { chainstateDir, privilege, clock } = this.#context;
    const shown = await this.#look();
    await requireSingleHolder(chainstateDir, privilege, clock, signal);
    this.#requireNotLeftOver(shown);
    const mayStart = async (): Promise<void> =>
      await this.#manager.require(["start", "--no-block", this.#unit], `to start ${this.#unit} again`);
    if (isDown(shown)) {
      if (this.#context.options.startNode === "always") await mayStart();
      return [];
    }
    await this.#manager.require(["stop", "--no-block", this.#unit], `to stop ${this.#unit}`);
    await mayStart();
    const plan = requirePossible(await this.#plan(shown, stopTimeoutMs, signal));
    const dependents = await activeDependents(this.#manager, shown);
    for (const dependent of dependents) {
      await this.#manager.require(
        ["start", "--no-block", dependent],
        `to start ${dependent} again, which goes down with ${this.#unit}`,
      );
    }
    const adjusts = [...plan.notes];
    if (plan.kind === "drop-in")
      adjusts.push(`a runtime drop-in (${plan.settings.join(", ")}) changes that for the time of the stop`);
    if (dependents.length > 0)
      adjusts.push(`${dependents.join(", ")} will go down with ${this.#unit} and be started again after it`);
    return adjusts;
  }

  /** A node that a unit has lost sight of is asked by nobody: systemd has nothing to stop there. */
  #requireNotLeftOver(shown: Unit): void {
    const node = this.#process(shown);
    if (!isDown(shown) || node === undefined) return;
    throw new ActionError(
      "NODE_STOP_UNSAFE",
      `${this.#unit} is ${shown.activeState}, and the node (pid ${node.pid}) that it had started runs on without it.`,
      { hint: `End that process (\`kill -TERM ${node.pid}\`), wait until it is gone, and start the unit.` },
    );
  }

  async #plan(shown: Unit, stopTimeoutMs: number, signal: AbortSignal): Promise<StopDecision> {
    const { privilege, clock } = this.#context;
    const node = this.#process(shown);
    return planUnitStop(
      {
        unit: this.#unit,
        killMode: shown.killMode,
        sendsSigkill: shown.sendsSigkill,
        stopLimitMs: shown.stopLimitMs,
        killSignal: shown.killSignal,
        stopCommands: shown.stopCommands,
        refusesStop: shown.refusesStop,
        refusesStart: shown.refusesStart,
        isMain: node === undefined || node.pid === mainPidOf(shown),
        handlesSignal: node === undefined || (await handlesSignal(node, shown.killSignal, clock, signal)),
        mayInstallDropIn: await canInstallDropIn(this.#manager, this.#dropIn, privilege),
        container: this.#container,
      },
      stopTimeoutMs,
    );
  }

  async recipe(signal: AbortSignal): Promise<UnitRecipe> {
    const { privilege, options, chainstateDir } = this.#context;
    this.#found = await findAgain(this.#context, this.#found, signal);
    const shown = await this.#look();
    const plan = isDown(shown)
      ? undefined
      : requirePossible(await this.#plan(shown, options.stopTimeoutMs, signal));
    const dependents = isDown(shown) ? this.#dependents : await activeDependents(this.#manager, shown);
    const { user } = this.#manager;
    const { process, group } = this.#stopped ?? this.#toStop(shown) ?? {};
    return {
      manager: "systemd",
      unit: this.#unit,
      sudo: privilege.elevate(["true"]).length > 1,
      ...(user === undefined ? {} : { user }),
      ...(plan?.kind === "drop-in" ? { dropIn: this.#dropIn } : {}),
      ...(dependents.length === 0 ? {} : { dependents }),
      gone: {
        ...(process === undefined ? {} : { process }),
        ...(group === undefined ? {} : { group }),
        chainstateDir,
      },
    };
  }

  #toStop(shown: Unit): FoundNode | undefined {
    const process = this.#process(shown);
    return process === undefined ? undefined : { process, group: this.#found?.group };
  }

  async stop(timeoutMs: number, signal: AbortSignal, hooks: StopHooks = noHooks): Promise<StopReport> {
    const { clock } = this.#context;
    this.#found = await findAgain(this.#context, this.#found, signal);
    const before = await this.#look();
    this.#requireNotLeftOver(before);
    if (isDown(before)) return { result: "was not running", exitCode: null, signal: null, seconds: 0 };
    const plan = requirePossible(await this.#plan(before, timeoutMs, signal));
    const node = this.#toStop(before);
    const isMain = node === undefined || node.process.pid === mainPidOf(before);
    this.#dependents = await activeDependents(this.#manager, before);
    let mayRemove = plan.kind === "drop-in";
    try {
      if (plan.kind === "drop-in") await this.#putDropIn(plan.settings, timeoutMs);
      await hooks.asking();
      const startedAt = clock.now();
      const asked = await this.#manager.ask(["stop", "--no-block", this.#unit]);
      if (asked.exitCode !== 0) {
        throw new ActionError(
          "NODE_STOP_REFUSED",
          `systemd does not stop ${this.#unit} for this runner: ${said(asked)}`,
          { hint: "Allow it in sudoers (docs/permissions.md)." },
        );
      }
      this.#stopped = node;
      // From here on the limit must stay lifted until the unit is down, whatever becomes of us.
      mayRemove = false;
      await hooks.taken();
      const after = await this.#waitDown(before, node, timeoutMs, signal);
      mayRemove = plan.kind === "drop-in";
      return reportStop(after, isMain, (clock.now() - startedAt) / 1000);
    } finally {
      if (mayRemove) await removeDropIn(this.#manager, this.#dropIn);
    }
  }

  /** The unit as it is when it and all of the node are down. */
  async #waitDown(
    before: Unit,
    node: FoundNode | undefined,
    limitMs: number,
    signal: AbortSignal,
  ): Promise<Unit> {
    const { clock } = this.#context;
    let left = `it is still ${before.activeState}`;
    // One that ends and is started all the time may have been started anew right before the request.
    let first: Unit | undefined;
    const after = await poll({ everyMs: stopPauses, limitMs, signal, clock }, async () => {
      const shown = await this.#look();
      first ??= shown;
      requireSameStart(first, shown);
      left = (node === undefined ? undefined : describeLeft(node)) ?? `it is ${shown.activeState}`;
      return isDown(shown) && (node === undefined || describeLeft(node) === undefined) ? shown : undefined;
    });
    if (after !== undefined) return after;
    throw stopTimeout(this.#unit, limitMs, left);
  }

  async #putDropIn(settings: readonly string[], timeoutMs: number): Promise<void> {
    await installDropIn(this.#manager, this.#dropIn, settings);
    const now = await this.#look();
    const lacks = [
      now.stopLimitMs === Infinity ? undefined : "TimeoutStopSec",
      now.sendsSigkill ? "SendSIGKILL" : undefined,
      settings.includes("KillMode=control-group") && now.killMode !== "control-group"
        ? "KillMode"
        : undefined,
      settings.includes("ExecStop=") && now.stopCommands.length > 0 ? "ExecStop" : undefined,
    ].find((name) => name !== undefined);
    if (lacks === undefined) return;
    throw new ActionError(
      "NODE_STOP_UNSAFE",
      `The drop-in ${this.#dropIn} has no effect on ${this.#unit}: ${lacks} is set otherwise after it.`,
      {
        hint: `Another drop-in comes after it (\`systemctl cat ${this.#unit}\` shows it). Set TimeoutStopSec=${Math.ceil(timeoutMs / 1000)} and what the log names there.`,
      },
    );
  }

  async verifyDown(): Promise<readonly Evidence[]> {
    const shown = await this.#look();
    const state = `${shown.activeState} (${shown.subState})`;
    if (shown.activeState === "deactivating")
      throw new ActionError("NODE_STILL_RUNNING", `${this.#unit} is still stopping: ${state}.`);
    if (!isDown(shown) || shown.hasJob)
      throw cameBack(`${this.#unit} was stopped and is ${shown.hasJob ? "being started" : state} again.`);
    const node = this.#stopped ?? this.#found;
    const left = node === undefined ? undefined : describeLeft(node);
    if (left !== undefined)
      throw new ActionError("NODE_STILL_RUNNING", `${this.#unit} is ${state}, but ${left}.`);
    return [
      { id: "supervisor", detail: `${this.#unit} is ${state}, Result=${shown.result}` },
      ...groupEvidence(node?.group),
    ];
  }

  async start(signal: AbortSignal): Promise<readonly string[]> {
    const { privilege, clock } = this.#context;
    const lost: string[] = [];
    const { process, group } = this.#stopped ?? {};
    const { user } = this.#manager;
    const recipe: UnitRecipe = {
      manager: "systemd",
      unit: this.#unit,
      sudo: false,
      ...(user === undefined ? {} : { user }),
      dropIn: this.#dropIn,
      dependents: this.#dependents,
      gone: {
        ...(process === undefined ? {} : { process }),
        ...(group === undefined ? {} : { group }),
      },
    };
    const onLost = (line: string): void => void lost.push(line);
    const started = await startUnit(recipe, { privilege, clock, signal, finishMs: finishStopMs, onLost });
    if (started === "stopping") throw stillStopping(this.#unit);
    return lost;
  }

  async versionCommand(): Promise<readonly string[] | undefined> {
    const shown = await this.#look();
    const node = this.#process(shown);
    if (node !== undefined) return await versionCommandOf(node, this.#context.privilege);
    return shown.startPath === undefined ? undefined : versionCommandOfFile(shown.startPath);
  }
}

function mainPidOf(unit: Unit): number | undefined {
  const main = mainOf(unit);
  return main === "none" ? undefined : main.pid;
}

function isDown(unit: Unit): boolean {
  return unit.activeState === "inactive" || unit.activeState === "failed";
}

/** Throws when the main process is a new one: the unit went down and up between two looks. */
function requireSameStart(before: Unit, now: Unit): void {
  if (now.mainPid > 0 && before.mainPid > 0 && now.mainStartedAtUs !== before.mainStartedAtUs)
    throw cameBack(`${now.name} was started again while it was being stopped.`);
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

/** As a shell says that the signal which was to end it did, or the one that its child got. */
const endedByRequest = new Set([129, 130, 143]);

/**
 * Throws NODE_STOP_UNCLEAN unless the service ended well. Where the node is not the main process, nobody but its parent is
 * told how it ended: then it is known that nothing could kill it, and what the main process said.
 */
function reportStop(unit: Unit, isMain: boolean, seconds: number): StopReport {
  const exited = unit.mainCode === 1;
  const killed = unit.mainCode === 2 || unit.mainCode === 3;
  const signal = killed ? (signalNames[unit.mainStatus] ?? `signal ${unit.mainStatus}`) : null;
  if (!isMain) {
    const byRequest =
      (killed && gracefulNames.has(signal ?? "")) || (exited && endedByRequest.has(unit.mainStatus));
    if (unit.result !== "success" && !byRequest)
      throw uncleanStop(
        unit.name,
        `Result=${unit.result}, its main process ended with ${signal ?? `exit code ${unit.mainStatus}`}`,
      );
    return {
      result: `${unit.result}; the node is gone, and only its parent was told with which exit code`,
      exitCode: null,
      signal: null,
      seconds,
    };
  }
  if (killed) throw uncleanStop(unit.name, `its main process was ended by ${signal}, Result=${unit.result}`);
  if (unit.result !== "success" || (exited && unit.mainStatus !== 0))
    throw uncleanStop(unit.name, `Result=${unit.result}, exit code ${unit.mainStatus}`);
  return { result: unit.result, exitCode: exited ? unit.mainStatus : null, signal, seconds };
}

const gracefulNames = new Set(["SIGHUP", "SIGINT", "SIGTERM"]);
