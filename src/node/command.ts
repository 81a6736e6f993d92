/**
 * A node that two shell lines stop and start. What they do is the operator's business; whether the node is down is
 * decided by the files of the chainstate that anybody has open.
 */
import { InputError } from "../errors.ts";
import { query, run } from "../system/exec.ts";
import type { Clock } from "../system/clock.ts";
import { executablePath, isAlive, readLink } from "../system/proc.ts";
import { finishStopMs, poll } from "./context.ts";
import type { NodeContext } from "./context.ts";
import {
  NodeCameBackError,
  NodeStartError,
  NodeStillRunningError,
  StopRefusedError,
  StopTimeoutError,
} from "./errors.ts";
import { describeHolders, requireSingleHolder, rootHolders, scanHolders } from "./holders.ts";
import type { Holder } from "./holders.ts";
import type { NodeControl, NodeState, StopReport } from "./port.ts";
import type { StartRecipe } from "./recipe.ts";
import type { Privilege } from "../system/privilege.ts";
import { quote } from "./launch.ts";
import { isWrapper } from "./version.ts";

export type CommandRecipe = Extract<StartRecipe, { manager: "command" }>;

export function commandNode(name: string, context: NodeContext): NodeControl {
  const { chainstateDir, options, privilege, clock } = context;
  const { startCommand, stopCommand } = options;
  if (startCommand === undefined)
    throw new InputError("node-start-command", "`node-manager: command` needs `node-start-command`.");
  if (stopCommand === undefined)
    throw new InputError("node-stop-command", "`node-manager: command` needs `node-stop-command`.");
  const environment = lineEnvironment(process.env);
  const recipe: CommandRecipe = {
    manager: "command",
    name,
    startCommand,
    chainstateDir,
    environment,
    directory: process.cwd(),
  };
  let stopped = false;

  const holders = async (signal: AbortSignal): Promise<readonly Holder[]> =>
    (await scanHolders(chainstateDir, privilege, signal)).holders;

  return {
    identity: { manager: "command", name, foundBy: "node-start-command and node-stop-command are given" },

    async inspect(signal): Promise<NodeState> {
      const roots = rootHolders(await holders(signal));
      const [only] = roots;
      if (only === undefined) return { running: false, detail: `nobody has files of ${chainstateDir} open` };
      return {
        running: true,
        detail: `${describeHolders(roots)} has files open`,
        ...(roots.length === 1 ? { process: { pid: only.pid, startTicks: only.startTicks } } : {}),
      };
    },

    async preflight(_stopTimeoutMs, signal) {
      await requireSingleHolder(chainstateDir, privilege, clock, signal);
      return [];
    },

    recipe: () => Promise.resolve(recipe),

    async stop(timeoutMs, signal): Promise<StopReport> {
      const before = await holders(signal);
      if (before.length === 0) return { result: "was not running", exitCode: null, signal: null, seconds: 0 };
      const startedAt = clock.now();
      const deadline = startedAt + timeoutMs;
      stopped = true;
      const ended = await run(lineCommand(stopCommand, environment), { signal, timeoutMs });
      if (ended.timedOut) throw new StopTimeoutError("`node-stop-command`", timeoutMs);
      if (ended.exitCode !== 0) {
        const said = (ended.stderr.trim() || ended.stdout.trim()).slice(-500);
        throw new StopRefusedError(
          `\`node-stop-command\` ended with ${ended.signal ?? `exit code ${ended.exitCode}`}${said === "" ? "." : `: ${said}`}`,
          { hint: "Make the line end with 0 only when the node has been asked to stop." },
        );
      }
      const gone = await poll(clock, deadline - clock.now(), signal, async () => {
        if (before.some(isAlive)) return undefined;
        return (await holders(signal)).length === 0 ? true : undefined;
      });
      if (gone === undefined) throw new StopTimeoutError(name, timeoutMs);
      return {
        result: "node-stop-command ended with exit code 0 and the chainstate was let go",
        exitCode: null,
        signal: null,
        seconds: (clock.now() - startedAt) / 1000,
      };
    },

    async provesDown(signal) {
      const roots = rootHolders(await holders(signal));
      if (roots.length === 0) return [];
      const who = `${describeHolders(roots)} has files of ${chainstateDir} open`;
      throw stopped
        ? new NodeCameBackError(`The node runs again: ${who}.`)
        : new NodeStillRunningError(`The node still runs: ${who}.`);
    },

    async start(signal) {
      await startByCommand(recipe, privilege, clock, signal, finishStopMs);
    },

    async versionCommand(signal) {
      const [node] = rootHolders(await holders(signal));
      if (node === undefined) return undefined;
      const link = await readLink(node.pid, "exe", privilege);
      const executable = link === undefined ? undefined : executablePath(link).path;
      return executable === undefined || isWrapper(executable) ? undefined : [executable, "version"];
    },
  };
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
): Promise<"started" | "already-running"> {
  const { chainstateDir } = recipe;
  if (chainstateDir !== undefined) {
    const free = await poll(clock, finishMs, signal, async () =>
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
    throw new NodeStartError(`\`node-start-command\` ended with exit code ${ended.exitCode}.`, {
      hint: "Run the line by hand to see why; have it write its output to a file to see it here after.",
    });
  }
  return "started";
}

/** A shell line with the environment it is meant to see. A job-less shell would start it with SIGINT ignored. */
function lineCommand(line: string, environment: Readonly<Record<string, string>>): readonly string[] {
  const pairs = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return ["env", "-i", "--default-signal=INT,QUIT", ...pairs, "/bin/sh", "-c", line];
}

const passedOn =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|XDG_RUNTIME_DIR|DBUS_\w+|DOCKER_\w+|CONTAINER_HOST|CONTAINERS_(?:STORAGE_)?CONF)$/;

/** What the lines see: where things are, and nothing of the job's secrets, nor what ties a process to the job. */
function lineEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      (pair): pair is [string, string] => passedOn.test(pair[0]) && pair[1] !== undefined,
    ),
  );
}
