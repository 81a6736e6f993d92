/**
 * Starts a process as it was: executable, arguments, environment, directory, user, groups, umask, limit of open files,
 * score for the kernel's out-of-memory killer, output files. The work is done by a small shell script that comes on
 * stdin, so that neither environment nor secrets ever stand in an argv, and it is the same behind sudo as without it.
 */
import { realpath } from "node:fs/promises";
import path from "node:path";
import { query } from "../../system/exec.ts";
import { quote } from "../../system/shell-quote.ts";
import type { Privilege } from "../../system/privilege.ts";
import { readStat, readStatus } from "../../system/proc.ts";
import type { ProcessId } from "../../system/proc.ts";
import { ActionError } from "../../domain/errors.ts";
import type { StartRecipe } from "../../domain/start-recipe.ts";
import type { Environment } from "../context.ts";

export type ProcessRecipe = Extract<StartRecipe, { manager: "process" }>;

/** The shell that runs the launch script. */
const ownShell = ["env", "-i", "/bin/sh", "-s"] as const;

const shellName = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Variables that the script's shell sets or needs itself; they are set, or unset, only after it. */
const shellOwn = new Set([
  "PATH",
  "PWD",
  "OLDPWD",
  "SHLVL",
  "_",
  "PPID",
  "IFS",
  "OPTIND",
  "PS1",
  "PS2",
  "PS4",
]);

/**
 * The same shell as the process's user, by way of root. Root's part has nothing of the process in it but numbers: what it
 * exports, where it works and where it logs to is all that user's choice, and must not be acted on with more rights.
 */
export function shellAsUser(recipe: ProcessRecipe): readonly string[] {
  const groups = recipe.groups.length === 0 ? "--clear-groups" : `--groups=${recipe.groups.join(",")}`;
  const become = `exec setpriv --reuid=${recipe.uid} --regid=${recipe.gid} ${groups} ${ownShell.join(" ")}`;
  return ["env", "-i", "/bin/sh", "-c", [searchPath, ...limits(recipe), become].join("; ")];
}

const searchPath = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** These two are tried and no more: a limit that may not be raised again must not keep the node down. */
function limits({ openFiles, oomScoreAdjust }: ProcessRecipe): readonly string[] {
  const lines: string[] = [];
  if (openFiles !== undefined) {
    const { hard, soft } = openFiles;
    lines.push(
      `{ ulimit -Hn ${hard} && ulimit -Sn ${soft}; } 2>/dev/null || ulimit -Sn ${soft} 2>/dev/null || :`,
    );
  }
  if (oomScoreAdjust !== undefined)
    lines.push(`{ echo ${oomScoreAdjust} >/proc/self/oom_score_adj; } 2>/dev/null || :`);
  return lines;
}

/** The script, run as the process's user. A log that this user may not open any more is given up. */
export function launchScript(recipe: ProcessRecipe, command: readonly string[]): string {
  const names = Object.keys(recipe.environment);
  const late = names.filter((name) => !shellName.test(name) || shellOwn.has(name));
  const exported = names.filter((name) => !late.includes(name));
  const unset = [...shellOwn].filter((name) => !(name in recipe.environment));
  const words = [
    "setsid",
    // A shell without job control starts background commands with SIGINT and SIGQUIT ignored.
    "env",
    "--default-signal=INT,QUIT",
    ...unset.flatMap((name) => ["-u", name]),
    ...late.map((name) => `${name}=${recipe.environment[name]}`),
    ...command,
  ];
  return [
    "set -e",
    searchPath,
    ...exported.map((name) => `export ${name}=${quote(recipe.environment[name] ?? "")}`),
    ...(recipe.umask === undefined ? [] : [`umask ${recipe.umask.toString(8).padStart(4, "0")}`]),
    ...limits(recipe),
    `set -- ${quote(recipe.stdout)} ${quote(recipe.stderr)}`,
    '{ true >>"$1"; } 2>/dev/null || set -- /dev/null "$2"',
    '{ true >>"$2"; } 2>/dev/null || set -- "$1" /dev/null',
    `cd ${quote(recipe.directory)}`,
    `${words.map(quote).join(" ")} </dev/null >>"$1" 2>>"$2" &`,
    'echo "$!"',
  ].join("\n");
}

/**
 * Starts it, in a session of its own. Returns once it runs; undefined where it has ended again, as a start line does that puts the
 * node into the background. NODE_START_FAILED where it cannot be started.
 */
export async function launch(recipe: ProcessRecipe, privilege: Privilege): Promise<ProcessId | undefined> {
  const command =
    recipe.startCommand === undefined
      ? await originalCommand(recipe)
      : ["/bin/sh", "-c", recipe.startCommand];
  const changeUser = recipe.uid !== process.geteuid?.() || !hasSameGroups(recipe);
  const shell = changeUser ? privilege.elevate(shellAsUser(recipe)) : ownShell;
  const started = await query(shell, { input: launchScript(recipe, command) });
  const pid = Number(started.stdout.trim());
  if (started.exitCode !== 0 || !Number.isInteger(pid) || pid <= 0) {
    throw new ActionError(
      "NODE_START_FAILED",
      `${recipe.name} could not be started again: ${started.stderr.trim().slice(-300)}`,
      {
        hint: "Give `node-start-command` (and `node-stop-command`), or run the runner as the node's own user.",
      },
    );
  }
  const stat = readStat(pid);
  return stat === undefined ? undefined : { pid, startTicks: stat.startTicks };
}

/** The original argv where its first word still names the executable; else the executable's own path. */
async function originalCommand(recipe: ProcessRecipe): Promise<readonly string[]> {
  const [first = "", ...rest] = recipe.argv;
  if (first.includes("/")) {
    try {
      if ((await realpath(path.resolve(recipe.directory, first))) === recipe.executable)
        return [first, ...rest];
    } catch {
      // The name it was started by is gone; the executable itself is what counts.
    }
  }
  return [recipe.executable, ...rest];
}

function hasSameGroups(recipe: ProcessRecipe): boolean {
  const own = readStatus(process.pid);
  if (own === undefined) return false;
  const sorted = (groups: readonly number[]): string => [...groups].sort((a, b) => a - b).join();
  return own.gid === recipe.gid && sorted(own.groups) === sorted(recipe.groups);
}

const passedOn =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|XDG_RUNTIME_DIR|DBUS_\w+|DOCKER_\w+|CONTAINER_HOST|CONTAINERS_(?:STORAGE_)?CONF)$/;

/** What the lines see: where things are, and nothing of the job's secrets, nor what ties a process to the job. */
export function lineEnvironment(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      (pair): pair is [string, string] => passedOn.test(pair[0]) && pair[1] !== undefined,
    ),
  );
}
