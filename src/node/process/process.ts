/**
 * A node that nobody supervises. It is found by the exact base name of its executable and by the files of the chainstate
 * that it has open (never by a pattern on command lines), asked to stop with SIGTERM and started again as it was.
 */
import { ActionError, hasCode } from "../../domain/errors.ts";
import { query } from "../../system/exec.ts";
import type { Clock } from "../../system/clock.ts";
import type { Privilege } from "../../system/privilege.ts";
import { findByExecutable, isAlive, readArguments, readLink, readStat } from "../../system/proc.ts";
import type { ProcessId } from "../../system/proc.ts";
import { poll } from "../../system/poll.ts";
import {
  finishStopMs,
  handlesSignal,
  noHooks,
  stopPauses,
  waitGone,
  type NodeContext,
  type StartOutcome,
} from "../context.ts";
import { cameBack, stillStopping, stopTimeout, uncleanStop } from "../errors.ts";
import {
  describeHolders,
  requireSeen,
  requireSingleHolder,
  requireWriter,
  rootHolders,
  scanHolders,
} from "../holders.ts";
import type { Holder } from "../holders.ts";
import { versionCommandOf } from "../version.ts";
import { describeAsRecipe, describeLosses } from "./describe.ts";
import { launch, lineEnvironment } from "./launch.ts";
import type { ProcessRecipe } from "./launch.ts";
import type { Evidence, NodeControl, NodeIdentity, NodeState, StopHooks, StopReport } from "../port.ts";
import type { StartRecipe } from "../../domain/start-recipe.ts";

const sigterm = 15;

export class ProcessNode implements NodeControl {
  readonly identity: NodeIdentity;
  readonly #name: string;
  readonly #context: NodeContext;
  #stopped: ProcessId | undefined;
  #kept: ProcessRecipe | undefined;

  /** `started`: how it was started a moment ago; such a process counts before it has any file open. */
  constructor(name: string, context: NodeContext, foundBy: string, started?: ProcessRecipe) {
    this.#name = name;
    this.#kept = started;
    this.#context = context;
    this.identity = { manager: "process", name, foundBy };
  }

  async #find(signal: AbortSignal): Promise<Holder | undefined> {
    const { chainstateDir, privilege } = this.#context;
    return await findNodeProcess(this.#name, chainstateDir, privilege, signal);
  }

  async inspect(signal: AbortSignal): Promise<NodeState> {
    const { chainstateDir, privilege } = this.#context;
    const node = await this.#find(signal);
    if (node !== undefined) {
      return {
        running: true,
        process: { pid: node.pid, startTicks: node.startTicks },
        detail: `pid ${node.pid} has ${node.fileCount} files open`,
      };
    }
    // One that has just been started has none of them open yet, for as long as it takes to load.
    const started = this.#kept === undefined ? undefined : await findSame(this.#kept, privilege);
    if (started === undefined)
      return {
        running: false,
        detail: `no process named ${this.#name} has files of ${chainstateDir} open`,
      };
    return {
      running: true,
      process: started,
      detail: `pid ${started.pid} has no files of ${chainstateDir} open yet`,
    };
  }

  async preflight(_stopTimeoutMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const { chainstateDir, privilege, clock, options } = this.#context;
    await requireSingleHolder(chainstateDir, privilege, clock, signal);
    const node = await this.#find(signal);
    if (node === undefined) {
      if (options.startNode === "always") this.#requireStartLine();
      return [];
    }
    await this.#requireHandler(node, signal);
    if (!maySignal(node) && options.stopCommand === undefined)
      await privilege.require(killCommand(node.pid), `to stop ${this.#name}`);
    return describeLosses(await this.recipe(signal), privilege);
  }

  async #requireHandler(node: ProcessId, signal: AbortSignal): Promise<void> {
    if (await handlesSignal(node, sigterm, this.#context.clock, signal)) return;
    throw new ActionError(
      "NODE_STOP_UNSAFE",
      `${this.#name} (pid ${node.pid}) does not handle SIGTERM, so it cannot be stopped gracefully.`,
      { hint: "If it is no node, correct `node-name`." },
    );
  }

  async recipe(signal: AbortSignal): Promise<StartRecipe> {
    const { options, privilege } = this.#context;
    const node = await this.#find(signal);
    if (node === undefined) return this.#kept ?? this.#recipeOfLine() ?? { manager: "none" };
    const recipe = await describeAsRecipe(this.#name, node, options.startCommand, privilege);
    this.#kept = recipe;
    return { ...recipe, chainstateDir: this.#context.chainstateDir };
  }

  async stop(timeoutMs: number, signal: AbortSignal, hooks: StopHooks = noHooks): Promise<StopReport> {
    const { clock, privilege } = this.#context;
    const node = await this.#find(signal);
    if (node === undefined) return { result: "was not running", exitCode: null, signal: null, seconds: 0 };
    await this.recipe(signal);
    await this.#requireHandler(node, signal);
    await hooks.asking();
    const startedAt = clock.now();
    await askToStop(node, this.#name, privilege);
    this.#stopped = node;
    await hooks.taken();
    let ending: { exitCode: number | null; signal: string | null } | undefined;
    const gone = await poll({ everyMs: stopPauses, limitMs: timeoutMs, signal, clock }, async () => {
      ending ??= await readEnding(node);
      return isAlive(node) ? undefined : true;
    });
    if (gone === undefined) throw stopTimeout(this.#name, timeoutMs, `pid ${node.pid} is still there`);
    if (ending !== undefined && ending.exitCode !== 0)
      throw uncleanStop(this.#name, ending.signal ?? `exit code ${ending.exitCode}`);
    return {
      result: ending === undefined ? "gone after SIGTERM" : "exited after SIGTERM",
      exitCode: ending?.exitCode ?? null,
      signal: null,
      seconds: (clock.now() - startedAt) / 1000,
    };
  }

  async verifyDown(signal: AbortSignal): Promise<readonly Evidence[]> {
    const { chainstateDir, privilege } = this.#context;
    const name = this.#name;
    if (this.#stopped !== undefined && isAlive(this.#stopped))
      throw new ActionError("NODE_STILL_RUNNING", `${name} (pid ${this.#stopped.pid}) still runs.`);
    const { found } = await findByExecutable(name, privilege);
    const again = await this.#find(signal);
    if (again !== undefined)
      throw cameBack(`${name} runs again, as pid ${again.pid}, and works in ${chainstateDir}.`);
    const others = found.length === 0 ? "" : `; ${found.length} of that name work elsewhere`;
    return [{ id: "supervisor", detail: `no process named ${name} works in ${chainstateDir}${others}` }];
  }

  async start(signal: AbortSignal): Promise<readonly string[]> {
    const { clock, privilege } = this.#context;
    if (this.#kept === undefined && (await this.#find(signal)) !== undefined) return [];
    const recipe = this.#kept ?? this.#requireStartLine();
    const started = await startProcess(recipe, privilege, clock, signal, finishStopMs);
    if (started === "stopping") throw stillStopping(this.#name);
    return [];
  }

  #requireStartLine(): ProcessRecipe {
    const recipe = this.#recipeOfLine();
    if (recipe !== undefined) return recipe;
    throw new ActionError(
      "NODE_START_UNKNOWN",
      `${this.#name} is not running, so how it is started cannot be seen, and nothing else says it.`,
    );
  }

  /** Of a node that is down: by `node-start-command`, as the user of this process. */
  #recipeOfLine(): ProcessRecipe | undefined {
    const { options, environment, chainstateDir } = this.#context;
    const { startCommand } = options;
    if (startCommand === undefined) return undefined;
    return {
      manager: "process",
      name: this.#name,
      executable: this.#name,
      argv: [],
      environment: lineEnvironment(environment),
      directory: process.cwd(),
      uid: process.geteuid?.() ?? 0,
      gid: process.getegid?.() ?? 0,
      groups: process.getgroups?.() ?? [],
      stdout: "/dev/null",
      stderr: "/dev/null",
      startCommand,
      chainstateDir,
      sudo: false,
    };
  }

  async versionCommand(signal: AbortSignal): Promise<readonly string[] | undefined> {
    return await versionCommandOf(await this.#find(signal), this.#context.privilege);
  }
}

/** The one process of that executable name that works in the directory. AmbiguousNodeError when there are two. */
export async function findNodeProcess(
  name: string,
  chainstateDir: string,
  privilege: Privilege,
  signal: AbortSignal,
): Promise<Holder | undefined> {
  const { found } = await findByExecutable(name, privilege);
  const named = new Set(found.map(({ pid }) => pid));
  const scan = await scanHolders(chainstateDir, privilege, signal);
  const { holders } = scan;
  if (holders.length === 0) requireSeen(scan, chainstateDir);
  const nodes = rootHolders(holders.filter(({ pid }) => named.has(pid)));
  if (nodes.length > 1) {
    throw new ActionError(
      "NODE_AMBIGUOUS",
      `Two nodes work in ${chainstateDir}: ${describeHolders(nodes)}.`,
      {
        hint: "Stop one of them: two nodes on one directory destroy it.",
      },
    );
  }
  const [node] = nodes;
  if (node !== undefined) requireWriter(node);
  return node;
}

function killCommand(pid: number): readonly string[] {
  return ["kill", "-TERM", String(pid)];
}

function maySignal(node: ProcessId): boolean {
  try {
    process.kill(node.pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, "EPERM");
  }
}

async function askToStop(node: ProcessId, name: string, privilege: Privilege): Promise<void> {
  if (!isAlive(node)) return;
  try {
    process.kill(node.pid, "SIGTERM");
  } catch (error) {
    if (hasCode(error, "ESRCH")) return;
    if (!hasCode(error, "EPERM")) throw error;
    const asked = await query(privilege.elevate(killCommand(node.pid)));
    if (asked.exitCode !== 0 && isAlive(node)) {
      throw new ActionError("NODE_STOP_REFUSED", `This runner may not signal ${name} (pid ${node.pid}).`, {
        cause: error,
        hint: "Run the runner as the node's user, or allow `sudo -n kill -TERM` (docs/permissions.md).",
      });
    }
  }
}

/** How it ended, to be seen only while nobody has collected it yet (and only by root). */
async function readEnding(
  node: ProcessId,
): Promise<{ exitCode: number | null; signal: string | null } | undefined> {
  const stat = readStat(node.pid);
  if (stat?.startTicks !== node.startTicks || stat.state !== "Z" || process.geteuid?.() !== 0)
    return undefined;
  const signalNumber = stat.waitStatus & 0x7f;
  return signalNumber === 0
    ? { exitCode: stat.waitStatus >> 8, signal: null }
    : { exitCode: null, signal: `signal ${signalNumber}` };
}

/**
 * Starts the node as its recipe says. The process it was is waited for (up to `finishMs`) should it still be stopping;
 * a process with the same executable, arguments and directory means that somebody has brought it back already.
 */
export async function startProcess(
  recipe: ProcessRecipe,
  privilege: Privilege,
  clock: Clock,
  signal: AbortSignal,
  finishMs: number,
): Promise<StartOutcome> {
  const before = recipe.process;
  if (before !== undefined) {
    const gone = await poll({ everyMs: stopPauses, limitMs: finishMs, signal, clock }, () =>
      isAlive(before) ? undefined : true,
    );
    if (gone === undefined) return "already-running";
  }
  const { chainstateDir } = recipe;
  if ((await findSame(recipe, privilege)) !== undefined) return "already-running";
  if (
    chainstateDir !== undefined &&
    !(await waitGone({ chainstateDir }, { privilege, clock }, signal, finishMs))
  )
    return "stopping";
  const started = await launch(recipe, privilege);
  // No `poll`: a process that lives now says nothing, only that it still lives after a moment.
  await clock.sleep(300, signal);
  if (recipe.startCommand === undefined && (started === undefined || !isAlive(started))) {
    throw new ActionError("NODE_START_FAILED", `${recipe.name} ended as soon as it was started.`, {
      hint: recipe.stderr === "/dev/null" ? "Start it by hand to see why." : `${recipe.stderr} tells more.`,
    });
  }
  return "started";
}

/** The process that is the node by its executable, arguments and directory, whatever it has open. */
async function findSame(recipe: ProcessRecipe, privilege: Privilege): Promise<ProcessId | undefined> {
  const { found } = await findByExecutable(recipe.name, privilege);
  for (const { pid } of found) {
    const same =
      readArguments(pid).slice(1).join("\0") === recipe.argv.slice(1).join("\0") &&
      (await readLink(pid, "cwd", privilege)) === recipe.directory;
    const stat = readStat(pid);
    if (same && stat !== undefined && stat.state !== "Z") return { pid, startTicks: stat.startTicks };
  }
  return undefined;
}
