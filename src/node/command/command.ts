/**
 * A node that two shell lines stop and start. What they do is the operator's business; whether the node is down is
 * decided by the files of the chainstate that any process has open.
 */
import { ActionError, InputError } from "../../domain/errors.ts";
import type { StartRecipe } from "../../domain/start-recipe.ts";
import type { Clock } from "../../system/clock.ts";
import { query, run } from "../../system/exec.ts";
import { poll } from "../../system/poll.ts";
import type { Privilege } from "../../system/privilege.ts";
import { isAlive } from "../../system/proc.ts";
import { finishStopMs, noHooks, stopPauses, type NodeContext, type StartOutcome } from "../context.ts";
import { cameBack, stillStopping, stopTimeout } from "../errors.ts";
import { describeHolders, requireSeen, requireSingleHolder, rootHolders, scanHolders } from "../holders.ts";
import type { Holder } from "../holders.ts";
import type { Evidence, NodeControl, NodeIdentity, NodeState, StopHooks, StopReport } from "../port.ts";
import { quote } from "../../system/shell-quote.ts";
import { lineEnvironment } from "../process/launch.ts";
import { versionCommandOf } from "../version.ts";

export type CommandRecipe = Extract<StartRecipe, { manager: "command" }>;

export class CommandNode implements NodeControl {
  readonly identity: NodeIdentity;
  readonly #context: NodeContext;
  readonly #name: string;
  readonly #stopCommand: string;
  readonly #recipe: CommandRecipe;
  readonly #environment: Readonly<Record<string, string>>;
  #stopped: readonly Holder[] = [];

  constructor(name: string, context: NodeContext) {
    const { startCommand, stopCommand } = context.options;
    if (startCommand === undefined)
      throw new InputError("node-start-command", "`node-manager: command` needs `node-start-command`.");
    if (stopCommand === undefined)
      throw new InputError("node-stop-command", "`node-manager: command` needs `node-stop-command`.");
    this.#context = context;
    this.#name = name;
    this.#stopCommand = stopCommand;
    this.#environment = lineEnvironment(context.environment);
    this.#recipe = {
      manager: "command",
      name,
      startCommand,
      chainstateDir: context.chainstateDir,
      environment: this.#environment,
      directory: process.cwd(),
    };
    this.identity = {
      manager: "command",
      name,
      foundBy: "node-start-command and node-stop-command are given",
    };
  }

  /** Nobody only where that can be seen: else the stop line would never be run, and the directory swapped under a node. */
  async #holders(signal: AbortSignal): Promise<readonly Holder[]> {
    const { chainstateDir, privilege } = this.#context;
    const scan = await scanHolders(chainstateDir, privilege, signal);
    if (scan.holders.length === 0) requireSeen(scan, chainstateDir);
    return scan.holders;
  }

  async inspect(signal: AbortSignal): Promise<NodeState> {
    const { chainstateDir } = this.#context;
    const roots = rootHolders(await this.#holders(signal));
    const [only] = roots;
    if (only === undefined)
      return { running: false, detail: `no process has files of ${chainstateDir} open` };
    return {
      running: true,
      detail: `${describeHolders(roots)} has files open`,
      ...(roots.length === 1 ? { process: { pid: only.pid, startTicks: only.startTicks } } : {}),
    };
  }

  async preflight(_stopTimeoutMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const { chainstateDir, privilege, clock } = this.#context;
    await requireSingleHolder(chainstateDir, privilege, clock, signal);
    return [];
  }

  recipe(): Promise<CommandRecipe> {
    return Promise.resolve(this.#recipe);
  }

  async stop(timeoutMs: number, signal: AbortSignal, hooks: StopHooks = noHooks): Promise<StopReport> {
    const { clock } = this.#context;
    const before = await this.#holders(signal);
    if (before.length === 0) return { result: "was not running", exitCode: null, signal: null, seconds: 0 };
    await hooks.asking();
    const startedAt = clock.now();
    const deadline = startedAt + timeoutMs;
    const line = run(lineCommand(this.#stopCommand, this.#environment), {
      signal,
      timeoutMs,
      killAfterMs: "never",
    });
    this.#stopped = before;
    // The line may wait for the end of the stop: that it was begun is all there is to book.
    await Promise.all([line, hooks.taken()]);
    const ended = await line;
    if (ended.timedOut) throw stopTimeout("`node-stop-command`", timeoutMs, "it still runs");
    if (ended.exitCode !== 0) {
      const said = (ended.stderr.trim() || ended.stdout.trim()).slice(-500);
      throw new ActionError(
        "NODE_STOP_REFUSED",
        `\`node-stop-command\` ended with ${ended.signal ?? `exit code ${ended.exitCode}`}${said === "" ? "." : `: ${said}`}`,
        { hint: "Make the line end with 0 only when the node has been asked to stop." },
      );
    }
    let left = "";
    const limitMs = Math.max(0, deadline - clock.now());
    const gone = await poll({ everyMs: stopPauses, limitMs, signal, clock }, async () => {
      const holders = before.some(isAlive) ? before : await this.#holders(signal);
      left = describeHolders(holders.filter(isAlive));
      return holders.length === 0 ? true : undefined;
    });
    if (gone === undefined) throw stopTimeout(this.#name, timeoutMs, left);
    return {
      result: "node-stop-command ended with exit code 0 and no process has the chainstate open",
      exitCode: null,
      signal: null,
      seconds: (clock.now() - startedAt) / 1000,
    };
  }

  async verifyDown(signal: AbortSignal): Promise<readonly Evidence[]> {
    const roots = rootHolders(await this.#holders(signal));
    if (roots.length === 0) return [];
    const who = `${describeHolders(roots)} has files of ${this.#context.chainstateDir} open`;
    // The very process that was asked to stop has not come back; it has not gone.
    const isBack = this.#stopped.length > 0 && !this.#stopped.some(isAlive);
    throw isBack
      ? cameBack(`The node runs again: ${who}.`)
      : new ActionError("NODE_STILL_RUNNING", `The node still runs: ${who}.`);
  }

  async start(signal: AbortSignal): Promise<readonly string[]> {
    const { privilege, clock } = this.#context;
    const started = await startByCommand(this.#recipe, privilege, clock, signal, finishStopMs);
    if (started === "already-running" && this.#stopped.some(isAlive)) throw stillStopping(this.#name);
    return [];
  }

  async versionCommand(signal: AbortSignal): Promise<readonly string[] | undefined> {
    const [node] = rootHolders(await this.#holders(signal));
    return await versionCommandOf(node, this.#context.privilege);
  }
}

/**
 * Runs the start line in a session of its own. A line that has not ended after ten seconds is the node itself, in the
 * foreground, and is left running. Where somebody works in the directory, a stop that was begun is waited for up to
 * `finishMs`; after that the node counts as running.
 */
export async function startByCommand(
  recipe: CommandRecipe,
  privilege: Privilege,
  clock: Clock,
  signal: AbortSignal,
  finishMs: number,
): Promise<StartOutcome> {
  const { chainstateDir } = recipe;
  if (chainstateDir !== undefined) {
    const free = await poll({ everyMs: stopPauses, limitMs: finishMs, signal, clock }, async () =>
      (await scanHolders(chainstateDir, privilege, signal)).holders.length === 0 ? true : undefined,
    );
    if (free === undefined) return "already-running";
  }
  const line = lineCommand(recipe.startCommand, recipe.environment ?? {})
    .map(quote)
    .join(" ");
  const script = [
    ...(recipe.directory === undefined ? [] : [`cd ${quote(recipe.directory)}`]),
    `setsid ${line} </dev/null >/dev/null 2>&1 &`,
    "looks=0",
    'while [ "$looks" -lt 100 ] && kill -0 "$!" 2>/dev/null; do sleep 0.1; looks=$((looks + 1)); done',
    'kill -0 "$!" 2>/dev/null || wait "$!"',
  ].join("\n");
  const ended = await query(["/bin/sh", "-s"], { input: script });
  if (ended.exitCode !== 0) {
    throw new ActionError(
      "NODE_START_FAILED",
      `\`node-start-command\` ended with exit code ${ended.exitCode}.`,
      {
        hint: "Run the line by hand to see why; have it write its output to a file to see it here after.",
      },
    );
  }
  return "started";
}

/** A shell line with the environment it is meant to see. A job-less shell would start it with SIGINT ignored. */
function lineCommand(line: string, environment: Readonly<Record<string, string>>): readonly string[] {
  const pairs = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return ["env", "-i", "--default-signal=INT,QUIT", ...pairs, "/bin/sh", "-c", line];
}
