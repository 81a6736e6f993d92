/**
 * A node that nobody supervises. It is found by the exact base name of its executable and by the files of the chainstate
 * that it has open (never by a pattern on command lines), asked to stop with SIGTERM and started again as it was.
 */
import { access, constants, readFile } from "node:fs/promises";
import { hasCode } from "../errors.ts";
import { query } from "../system/exec.ts";
import type { Clock } from "../system/clock.ts";
import type { Privilege } from "../system/privilege.ts";
import {
  executablePath,
  findByExecutable,
  isAlive,
  readArguments,
  readEnvironment,
  readLink,
  readOomScoreAdjust,
  readOpenFilesLimit,
  readStat,
  readStatus,
} from "../system/proc.ts";
import type { ProcessId } from "../system/proc.ts";
import { finishStopMs, poll, requireSignalHandler } from "./context.ts";
import type { NodeContext } from "./context.ts";
import {
  AmbiguousNodeError,
  NodeCameBackError,
  NodeStartError,
  NodeStillRunningError,
  StopRefusedError,
  StopTimeoutError,
  UncleanStopError,
  UnsafeStopError,
} from "./errors.ts";
import { describeHolders, requireSingleHolder, rootHolders, scanHolders } from "./holders.ts";
import type { Holder } from "./holders.ts";
import { launch, launchCommand } from "./launch.ts";
import type { ProcessRecipe } from "./launch.ts";
import type { NodeControl, NodeState, StopReport } from "./port.ts";
import type { StartRecipe } from "./recipe.ts";
import { findUnit } from "./systemd.ts";

const sigterm = 15;

export function processNode(name: string, context: NodeContext): NodeControl {
  const { chainstateDir, options, privilege, clock } = context;
  let stopped: ProcessId | undefined;
  let kept: ProcessRecipe | undefined;

  const find = (signal: AbortSignal): Promise<Holder | undefined> =>
    findNodeProcess(name, chainstateDir, privilege, signal);

  const takeRecipe = async (signal: AbortSignal): Promise<StartRecipe> => {
    const node = await find(signal);
    if (node === undefined) return kept ?? { manager: "none" };
    kept = await describeAsRecipe(name, node, options.startCommand, privilege);
    return kept;
  };

  return {
    identity: {
      manager: "process",
      name,
      foundBy: `a process whose executable is named ${name} has files of ${chainstateDir} open`,
    },

    async inspect(signal): Promise<NodeState> {
      const node = await find(signal);
      if (node === undefined) {
        // One that has just been started has none of them open yet, for as long as it takes to load.
        const started = kept === undefined ? undefined : await findSame(kept, privilege);
        const detail = `no process named ${name} has files of ${chainstateDir} open`;
        return started === undefined
          ? { running: false, detail }
          : {
              running: true,
              process: started,
              detail: `pid ${started.pid} has no files of ${chainstateDir} open yet`,
            };
      }
      return {
        running: true,
        process: { pid: node.pid, startTicks: node.startTicks },
        detail: `pid ${node.pid} has ${node.fileCount} files open`,
      };
    },

    async preflight(_stopTimeoutMs, signal) {
      await requireSingleHolder(chainstateDir, privilege, clock, signal);
      const node = await find(signal);
      if (node === undefined) return [];
      await requireUnsupervised(node, name);
      if (!maySignal(node) && options.stopCommand === undefined)
        await privilege.require(killCommand(node.pid), `to stop ${name}`);
      return describeLosses(await takeRecipe(signal), privilege);
    },

    recipe: takeRecipe,

    async stop(timeoutMs, signal): Promise<StopReport> {
      const node = await find(signal);
      if (node === undefined) return { result: "was not running", exitCode: null, signal: null, seconds: 0 };
      await takeRecipe(signal);
      await requireSignalHandler(node, sigterm, name, clock, signal);
      const startedAt = clock.now();
      await askToStop(node, name, privilege);
      stopped = node;
      let ending: { exitCode: number | null; signal: string | null } | undefined;
      const gone = await poll(clock, timeoutMs, signal, async () => {
        ending ??= await readEnding(node);
        return isAlive(node) ? undefined : true;
      });
      if (gone === undefined) throw new StopTimeoutError(`${name} (pid ${node.pid})`, timeoutMs);
      if (ending !== undefined && ending.exitCode !== 0)
        throw new UncleanStopError(name, ending.signal ?? `exit code ${ending.exitCode}`);
      return {
        result: ending === undefined ? "gone after SIGTERM" : "exited after SIGTERM",
        exitCode: ending?.exitCode ?? null,
        signal: null,
        seconds: (clock.now() - startedAt) / 1000,
      };
    },

    async provesDown(signal) {
      if (stopped !== undefined && isAlive(stopped))
        throw new NodeStillRunningError(`${name} (pid ${stopped.pid}) still runs.`);
      const { found } = await findByExecutable(name, privilege);
      const again = await find(signal);
      if (again !== undefined)
        throw new NodeCameBackError(
          `${name} runs again, as pid ${again.pid}, and works in ${chainstateDir}.`,
        );
      const others = found.length === 0 ? "" : `; ${found.length} of that name work elsewhere`;
      return [{ id: "supervisor", detail: `no process named ${name} works in ${chainstateDir}${others}` }];
    },

    async start(signal) {
      if (kept === undefined) {
        if ((await find(signal)) !== undefined) return;
        throw new NodeStartError(
          `How ${name} was started is not known: it was not running when this run began.`,
          {
            hint: "Start it by hand, or set `node-manager: command` with `node-start-command`.",
          },
        );
      }
      await startProcess(kept, privilege, clock, signal, finishStopMs);
    },

    async versionCommand(signal) {
      const node = await find(signal);
      const link = node === undefined ? undefined : await readLink(node.pid, "exe", privilege);
      if (node === undefined || link === undefined) return undefined;
      const executable = executablePath(link);
      // Replaced on disk since it was started: what runs is still to be had by its link.
      return [executable.replaced ? `/proc/${node.pid}/exe` : executable.path, "version"];
    },
  };
}

/** The one process of that executable name that works in the directory. AmbiguousNodeError when there are two. */
export async function findNodeProcess(
  name: string,
  chainstateDir: string,
  privilege: Privilege,
  signal: AbortSignal,
): Promise<Holder | undefined> {
  const { found } = await findByExecutable(name, privilege);
  if (found.length === 0) return undefined;
  const named = new Set(found.map(({ pid }) => pid));
  const { holders } = await scanHolders(chainstateDir, privilege, signal);
  const nodes = rootHolders(holders.filter(({ pid }) => named.has(pid)));
  if (nodes.length > 1) {
    throw new AmbiguousNodeError(`Two nodes work in ${chainstateDir}: ${describeHolders(nodes)}.`, {
      hint: "Stop one of them: two nodes on one directory destroy it.",
    });
  }
  return nodes[0];
}

async function describeAsRecipe(
  name: string,
  node: ProcessId,
  startCommand: string | undefined,
  privilege: Privilege,
): Promise<ProcessRecipe> {
  const { pid } = node;
  const status = readStatus(pid);
  const executable = await readLink(pid, "exe", privilege);
  const directory = await readLink(pid, "cwd", privilege);
  if (status === undefined || executable === undefined || directory === undefined) {
    throw new UnsafeStopError(
      `Not enough can be read about ${name} (pid ${pid}) to start it again as it was.`,
      {
        hint: "Run the runner as the node's user, allow sudo, or give `node-start-command`.",
      },
    );
  }
  const openFiles = readOpenFilesLimit(pid);
  return {
    manager: "process",
    name,
    executable: executablePath(executable).path,
    argv: readArguments(pid),
    environment: await readEnvironment(pid, privilege),
    directory: executablePath(directory).path,
    uid: status.uid,
    gid: status.gid,
    groups: status.groups,
    umask: status.umask,
    ...(openFiles === undefined ? {} : { openFiles }),
    oomScoreAdjust: readOomScoreAdjust(pid),
    stdout: outputFile(await readLink(pid, "fd/1", privilege)),
    stderr: outputFile(await readLink(pid, "fd/2", privilege)),
    ...(startCommand === undefined ? {} : { startCommand }),
    sudo: privilege.elevate(["true"]).length > 1,
    process: { pid, startTicks: node.startTicks },
  };
}

/** Pipes, sockets and terminals cannot be opened again; neither can a file that was deleted. */
function outputFile(link: string | undefined): string {
  if (link === undefined || !link.startsWith("/") || link.endsWith(" (deleted)")) return "/dev/null";
  return link.startsWith("/dev/") ? "/dev/null" : link;
}

async function describeLosses(recipe: StartRecipe, privilege: Privilege): Promise<string[]> {
  if (recipe.manager !== "process") return [];
  const losses: string[] = [];
  if (recipe.startCommand === undefined) {
    try {
      await access(recipe.executable, constants.X_OK);
    } catch (cause) {
      throw new UnsafeStopError(`${recipe.executable}, which runs as the node, is not there any more.`, {
        cause,
        hint: "Put the executable back or give `node-start-command`.",
      });
    }
    if (recipe.stdout === "/dev/null" && recipe.stderr === "/dev/null")
      losses.push(
        `${recipe.name} writes its log to a pipe or terminal, which cannot be opened again: after the restart its output is lost`,
      );
  }
  if (recipe.uid !== process.geteuid?.() && !privilege.isRoot)
    await privilege.require(launchCommand, `to start ${recipe.name} again as its own user`);
  return losses;
}

/** Throws when a service or a container is what runs the process: it has to be stopped by name there. */
async function requireUnsupervised(node: ProcessId, name: string): Promise<void> {
  const cgroup = await readCgroup(node.pid);
  const container = /(?:docker|libpod|crio|containerd)[-/]([0-9a-f]{12})[0-9a-f]{52}/.exec(cgroup)?.[1];
  if (container !== undefined) {
    throw new UnsafeStopError(`${name} (pid ${node.pid}) runs in the container ${container}.`, {
      hint: "Set `node-manager: docker` and `node-name` to the container.",
    });
  }
  const service = /\/([^/\n]+\.service)(?:\/|$)/m.exec(cgroup)?.[1];
  if (service === undefined) return;
  const unit = await findUnit(service);
  if (unit?.mainPid === node.pid) {
    throw new UnsafeStopError(`${name} (pid ${node.pid}) is run by the systemd unit ${service}.`, {
      hint: `Set \`node-manager: systemd\` and \`node-name: ${service}\`.`,
    });
  }
}

async function readCgroup(pid: number): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/cgroup`, "utf8");
  } catch {
    // Gone in between, or hidden: then nothing is known of a supervisor.
    return "";
  }
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
      throw new StopRefusedError(`This runner may not signal ${name} (pid ${node.pid}).`, {
        cause: error,
        hint: 'Run the runner as the node\'s user, or allow `sudo -n kill -TERM` (see "Permissions" in the README).',
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
): Promise<"started" | "already-running"> {
  const before = recipe.process;
  if (before !== undefined) {
    const gone = await poll(clock, finishMs, signal, async () => (isAlive(before) ? undefined : true));
    if (gone === undefined) return "already-running";
  }
  if ((await findSame(recipe, privilege)) !== undefined) return "already-running";
  const started = await launch(recipe, privilege);
  await clock.sleep(300, signal);
  if (recipe.startCommand === undefined && !isAlive(started)) {
    throw new NodeStartError(`${recipe.name} ended as soon as it was started.`, {
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
