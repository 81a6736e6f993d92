/**
 * A node in a container, by Docker's or Podman's command line. `stop` is asked with a time limit that never comes, so
 * that neither the engine nor its client ever falls back to SIGKILL; the limit is ours, and past it the container is
 * left alone.
 */
import { ActionError } from "../../domain/errors.ts";
import type { StartRecipe } from "../../domain/start-recipe.ts";
import { run } from "../../system/exec.ts";
import type { Clock } from "../../system/clock.ts";
import { poll } from "../../system/poll.ts";
import type { Privilege } from "../../system/privilege.ts";
import { executablePath, readLink, readStat } from "../../system/proc.ts";
import type { ProcessId } from "../../system/proc.ts";
import {
  describeLeft,
  finishStopMs,
  groupEvidence,
  noHooks,
  stopPauses,
  waitGone,
  type FoundNode,
  type NodeContext,
  type StartOutcome,
} from "../context.ts";
import { cameBack, stillStopping, stopTimeout, uncleanStop } from "../errors.ts";
import { findAgain } from "../find-node.ts";
import { requireSingleHolder } from "../holders.ts";
import type { Evidence, NodeControl, NodeIdentity, NodeState, StopHooks, StopReport } from "../port.ts";
import { planContainerStop, refusesAutoRemove, requirePossible } from "../stop-plan.ts";
import { isWrapper } from "../version.ts";
import { readContainerFacts } from "./container-facts.ts";
import { Engine, isUp, said, type Container } from "./engine.ts";

export interface ContainerNode {
  readonly name: string;
  readonly engine: Engine;
  /** Absent where no process has the databases open now. */
  readonly found?: FoundNode | undefined;
  readonly foundBy: string;
}

export type ContainerRecipe = Extract<StartRecipe, { manager: "docker" }>;

export class DockerNode implements NodeControl {
  readonly identity: NodeIdentity;
  readonly #context: NodeContext;
  readonly #engine: Engine;
  readonly #name: string;
  readonly #what: string;
  #found: FoundNode | undefined;
  #stopped: FoundNode | undefined;
  #startedBefore: string | undefined;

  constructor({ name, engine, found, foundBy }: ContainerNode, context: NodeContext) {
    this.#context = context;
    this.#engine = engine;
    this.#name = name;
    this.#what = `container ${name}`;
    this.#found = found;
    this.identity = { manager: "docker", name, foundBy };
  }

  async #look(): Promise<Container> {
    return await this.#engine.inspect(this.#name);
  }

  /** The node that was found while its container is up, else the container's first process. */
  #process(container: Container): ProcessId | undefined {
    const found = this.#found?.process;
    if (found !== undefined && readStat(found.pid)?.startTicks === found.startTicks) return found;
    return firstProcess(container);
  }

  async inspect(): Promise<NodeState> {
    const container = await this.#look();
    const node = this.#process(container);
    return {
      running: isUp(container),
      detail: container.State.Status,
      restarts: container.RestartCount,
      ...(container.State.Restarting ? { restarting: true } : {}),
      ...(node === undefined ? {} : { process: node }),
    };
  }

  async preflight(_stopTimeoutMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const { chainstateDir, privilege, clock } = this.#context;
    const container = await this.#look();
    await requireSingleHolder(chainstateDir, privilege, clock, signal);
    const mayStart = async (): Promise<void> =>
      await this.#engine.require(["start", this.#name], `to start ${this.#what} again`);
    if (!isUp(container)) {
      if (this.#context.options.startNode === "always") await mayStart();
      return [];
    }
    await this.#requireStoppable(container, signal);
    await this.#engine.require(await this.#engine.stopArguments(this.#name), `to stop ${this.#what}`);
    await mayStart();
    return [];
  }

  async #requireStoppable(container: Container, signal: AbortSignal): Promise<void> {
    const facts = await readContainerFacts(
      this.#engine,
      container,
      this.#process(container),
      this.#context.clock,
      signal,
    );
    const autoRemove = refusesAutoRemove(facts);
    if (autoRemove !== undefined) requirePossible(autoRemove);
    requirePossible(planContainerStop(facts));
  }

  async recipe(signal: AbortSignal): Promise<ContainerRecipe> {
    this.#found = await findAgain(this.#context, this.#found, signal);
    const container = await this.#look();
    const { process, group } = this.#stopped ?? this.#toStop(container) ?? {};
    return {
      manager: "docker",
      cli: this.#engine.cli,
      container: this.#name,
      sudo: this.#engine.elevated,
      environment: this.#engine.env,
      startedAt: container.State.StartedAt,
      gone: {
        ...(process === undefined ? {} : { process }),
        ...(group === undefined ? {} : { group }),
        chainstateDir: this.#context.chainstateDir,
      },
    };
  }

  #toStop(container: Container): FoundNode | undefined {
    const process = this.#process(container);
    return process === undefined ? undefined : { process, group: this.#found?.group };
  }

  async stop(timeoutMs: number, signal: AbortSignal, hooks: StopHooks = noHooks): Promise<StopReport> {
    const { clock } = this.#context;
    this.#found = await findAgain(this.#context, this.#found, signal);
    const before = await this.#look();
    if (!isUp(before)) return { result: "was not running", exitCode: null, signal: null, seconds: 0 };
    await this.#requireStoppable(before, signal);
    const node = this.#toStop(before);
    const argv = this.#engine.argv(...(await this.#engine.stopArguments(this.#name)));
    await hooks.asking();
    this.#startedBefore = before.State.StartedAt;
    const startedAt = clock.now();
    const leftMs = (): number => Math.max(0, startedAt + timeoutMs - clock.now());
    const stopping = run(argv, { signal, timeoutMs, killAfterMs: "never", env: this.#engine.env });
    this.#stopped = node;
    // The client waits for the end of the stop: that it could be started is all there is to book.
    await Promise.all([stopping, hooks.taken()]);
    const asked = await stopping;
    const after = await this.#look();
    if (isUp(after)) {
      if (asked.timedOut) throw stopTimeout(this.#what, timeoutMs, `it is still ${after.State.Status}`);
      if (after.State.StartedAt !== before.State.StartedAt)
        throw cameBack(`${this.#what} was started again while it was being stopped.`);
      throw new ActionError(
        "NODE_STOP_REFUSED",
        `${this.#engine.cli} did not stop ${this.#what}: ${said(asked)}`,
      );
    }
    const gone = await poll({ everyMs: stopPauses, limitMs: leftMs(), signal, clock }, () =>
      node === undefined || describeLeft(node) === undefined ? true : undefined,
    );
    if (gone === undefined) throw stopTimeout(this.#what, timeoutMs, describeLeft(node ?? {}) ?? "");
    return reportStop(after, this.#what, (clock.now() - startedAt) / 1000);
  }

  async verifyDown(): Promise<readonly Evidence[]> {
    const container = await this.#look();
    const { Status, StartedAt, ExitCode } = container.State;
    if (isUp(container)) {
      if (this.#startedBefore !== undefined && StartedAt !== this.#startedBefore)
        throw cameBack(`${this.#what} was stopped and is ${Status} again.`);
      throw new ActionError("NODE_STILL_RUNNING", `${this.#what} is still ${Status}.`);
    }
    const node = this.#stopped ?? this.#found;
    const left = node === undefined ? undefined : describeLeft(node);
    if (left !== undefined)
      throw new ActionError("NODE_STILL_RUNNING", `${this.#what} is ${Status}, but ${left}.`);
    return [
      { id: "supervisor", detail: `${this.#what} is ${Status}, exit code ${ExitCode}` },
      ...groupEvidence(node?.group),
    ];
  }

  async start(signal: AbortSignal): Promise<readonly string[]> {
    const { privilege, clock } = this.#context;
    const { process, group } = this.#stopped ?? {};
    const recipe: ContainerRecipe = {
      manager: "docker",
      cli: this.#engine.cli,
      container: this.#name,
      sudo: this.#engine.elevated,
      environment: this.#engine.env,
      ...(this.#startedBefore === undefined ? {} : { startedAt: this.#startedBefore }),
      gone: {
        ...(process === undefined ? {} : { process }),
        ...(group === undefined ? {} : { group }),
      },
    };
    const started = await startContainer(recipe, privilege, clock, signal, finishStopMs);
    if (started === "stopping") throw stillStopping(this.#what);
    return [];
  }

  async versionCommand(): Promise<readonly string[] | undefined> {
    const node = this.#process(await this.#look());
    const link = node === undefined ? undefined : await readLink(node.pid, "exe", this.#context.privilege);
    if (link === undefined || isWrapper(executablePath(link).path)) return undefined;
    return this.#engine.argv("exec", this.#name, executablePath(link).path, "version");
  }
}

/** The container's first process as this host sees it; undefined where the engine runs somewhere else. */
export function firstProcess(container: Container): ProcessId | undefined {
  if (!isUp(container) || container.State.Pid <= 0) return undefined;
  const stat = readStat(container.State.Pid);
  return stat === undefined ? undefined : { pid: stat.pid, startTicks: stat.startTicks };
}

function reportStop(container: Container, what: string, seconds: number): StopReport {
  const { ExitCode: exitCode, OOMKilled: outOfMemory, Error: error } = container.State;
  if (outOfMemory) throw uncleanStop(what, "the kernel killed it for want of memory");
  if (exitCode !== 0)
    throw uncleanStop(
      what,
      `exit code ${exitCode}${exitCode > 128 ? ` (signal ${exitCode - 128})` : ""}${error === "" ? "" : `, ${error}`}`,
    );
  return { result: `${container.State.Status}, exit code 0`, exitCode, signal: null, seconds };
}

const startLimitMs = 2 * 60_000;

/**
 * Starts the container when all of the node is gone. While it is up and still the one started at `startedAt`, a stop that
 * was begun is waited for, up to `finishMs`; started at another time, it has been brought back already.
 */
export async function startContainer(
  recipe: ContainerRecipe,
  privilege: Privilege,
  clock: Clock,
  signal: AbortSignal,
  finishMs: number,
): Promise<StartOutcome> {
  const { container: name, startedAt, gone = {} } = recipe;
  const engine = new Engine(recipe.cli, recipe.sudo, privilege, recipe.environment ?? {});
  const state = await poll({ everyMs: stopPauses, limitMs: finishMs, signal, clock }, async () => {
    const container = await engine.inspect(name);
    if (!isUp(container)) return "down";
    return container.State.StartedAt === startedAt ? undefined : "up";
  });
  if (state !== "down") return "already-running";
  if (!(await waitGone(gone, { privilege, clock }, signal, finishMs))) return "stopping";
  const asked = await run(engine.argv("start", name), {
    signal,
    timeoutMs: startLimitMs,
    killAfterMs: "never",
    env: engine.env,
  });
  if (asked.exitCode !== 0 || asked.timedOut) throw startFailed(engine, name, said(asked));
  const now = await engine.inspect(name);
  if (!isUp(now)) throw startFailed(engine, name, `it ended at once with exit code ${now.State.ExitCode}`);
  return "started";
}

function startFailed(engine: Engine, name: string, why: string): ActionError {
  return new ActionError("NODE_START_FAILED", `${engine.cli} did not start container ${name}: ${why}.`, {
    hint: `\`${engine.cli} logs ${name}\` tells more.`,
  });
}
