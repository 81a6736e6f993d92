/**
 * Starts a process as it was: executable, arguments, environment, directory, user, groups, umask, limit of open files,
 * score for the kernel's out-of-memory killer, output files. The work is done by a small shell script that comes on
 * stdin, so that neither environment nor secrets ever stand in an argv, and it is the same behind sudo as without it.
 */
import { realpath } from "node:fs/promises";
import path from "node:path";
import { query } from "../system/exec.ts";
import type { Privilege } from "../system/privilege.ts";
import { listStats, readStatus } from "../system/proc.ts";
import type { ProcessId } from "../system/proc.ts";
import { NodeStartError } from "./errors.ts";
import type { StartRecipe } from "./recipe.ts";

export type ProcessRecipe = Extract<StartRecipe, { manager: "process" }>;

/** The shell that runs the launch script; what a sudoers line has to allow for a node of another user. */
export const launchCommand = ["env", "-i", "/bin/sh", "-s"] as const;

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

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The script. `changeUser`: the shell runs as root and has to become the process's user. */
export function launchScript(recipe: ProcessRecipe, command: readonly string[], changeUser: boolean): string {
  const names = Object.keys(recipe.environment);
  const late = names.filter((name) => !shellName.test(name) || shellOwn.has(name));
  const exported = names.filter((name) => !late.includes(name));
  const unset = [...shellOwn].filter((name) => !(name in recipe.environment));
  const words = [
    "setsid",
    ...(changeUser
      ? [
          "setpriv",
          `--reuid=${recipe.uid}`,
          `--regid=${recipe.gid}`,
          recipe.groups.length === 0 ? "--clear-groups" : `--groups=${recipe.groups.join(",")}`,
        ]
      : []),
    // A shell without job control starts background commands with SIGINT and SIGQUIT ignored.
    "env",
    "--default-signal=INT,QUIT",
    ...unset.flatMap((name) => ["-u", name]),
    ...late.map((name) => `${name}=${recipe.environment[name]}`),
    ...command,
  ];
  const limit = recipe.openFiles;
  return [
    "set -e",
    "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ...exported.map((name) => `export ${name}=${quote(recipe.environment[name] ?? "")}`),
    ...(recipe.umask === undefined ? [] : [`umask ${recipe.umask.toString(8).padStart(4, "0")}`]),
    // These two are tried and no more: a limit that may not be raised again must not keep the node down.
    ...(limit === undefined
      ? []
      : [
          `{ ulimit -Hn ${limit.hard} && ulimit -Sn ${limit.soft}; } 2>/dev/null || ulimit -Sn ${limit.soft} 2>/dev/null || :`,
        ]),
    ...(recipe.oomScoreAdjust === undefined
      ? []
      : [`{ echo ${recipe.oomScoreAdjust} >/proc/self/oom_score_adj; } 2>/dev/null || :`]),
    `cd ${quote(recipe.directory)}`,
    `${words.map(quote).join(" ")} </dev/null >>${quote(recipe.stdout)} 2>>${quote(recipe.stderr)} &`,
    'echo "$!"',
  ].join("\n");
}

/** Starts it, in a session of its own. Returns once it runs. Throws NodeStartError. */
export async function launch(recipe: ProcessRecipe, privilege: Privilege): Promise<ProcessId> {
  const command =
    recipe.startCommand === undefined
      ? await originalCommand(recipe)
      : ["/bin/sh", "-c", recipe.startCommand];
  const changeUser = recipe.uid !== process.geteuid?.() || !(await hasSameGroups(recipe));
  const argv = changeUser ? privilege.elevate(launchCommand) : launchCommand;
  const started = await query(argv, { input: launchScript(recipe, command, changeUser) });
  const pid = Number(started.stdout.trim());
  if (started.exitCode !== 0 || !Number.isInteger(pid) || pid <= 0) {
    throw new NodeStartError(
      `${recipe.name} could not be started again: ${started.stderr.trim().slice(-300)}`,
      {
        hint: "Give `node-start-command` (and `node-stop-command`), or run the runner as the node's own user.",
      },
    );
  }
  const stat = listStats().find((process) => process.pid === pid);
  if (stat === undefined) throw new NodeStartError(`${recipe.name} ended as soon as it was started.`);
  return { pid, startTicks: stat.startTicks };
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

async function hasSameGroups(recipe: ProcessRecipe): Promise<boolean> {
  const own = readStatus(process.pid);
  if (own === undefined) return false;
  const sorted = (groups: readonly number[]): string => [...groups].sort((a, b) => a - b).join();
  return own.gid === recipe.gid && sorted(own.groups) === sorted(recipe.groups);
}
