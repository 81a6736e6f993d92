/** How a process was started, as a recipe to start it again; and what of it cannot be had back. */
import { statSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { ActionError } from "../../domain/errors.ts";
import type { StartRecipe } from "../../domain/start-recipe.ts";
import type { Privilege } from "../../system/privilege.ts";
import {
  executablePath,
  mayWrite,
  readArguments,
  readEnvironment,
  readLink,
  readOomScoreAdjust,
  readOpenFilesLimit,
  readStatus,
} from "../../system/proc.ts";
import type { ProcessId } from "../../system/proc.ts";
import { shellAsUser, type ProcessRecipe } from "./launch.ts";

/** All that `launch` needs to start it again as it was. NODE_STOP_UNSAFE where that cannot be read. */
export async function describeAsRecipe(
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
    throw new ActionError(
      "NODE_STOP_UNSAFE",
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

/** What a restart would lose, in words. Throws where it could not be started at all. */
export async function describeLosses(recipe: StartRecipe, privilege: Privilege): Promise<string[]> {
  if (recipe.manager !== "process") return [];
  const losses: string[] = [];
  if (recipe.startCommand === undefined) {
    try {
      await access(recipe.executable, constants.X_OK);
    } catch (cause) {
      throw new ActionError(
        "NODE_STOP_UNSAFE",
        `${recipe.executable}, which runs as the node, is not there any more.`,
        {
          cause,
          hint: "Put the executable back or give `node-start-command`.",
        },
      );
    }
    if (recipe.stdout === "/dev/null" && recipe.stderr === "/dev/null")
      losses.push(
        `${recipe.name} writes its log to a pipe or terminal, which cannot be opened again: after the restart its output is lost`,
      );
    for (const file of new Set([recipe.stdout, recipe.stderr]))
      if (file !== "/dev/null" && !isWritableBy(file, recipe))
        losses.push(
          `${file} is not ${recipe.name}'s user's to write to: after the restart what it logs there is lost`,
        );
  }
  if (recipe.uid !== process.geteuid?.() && !privilege.isRoot)
    await privilege.require(shellAsUser(recipe), `to start ${recipe.name} again as its own user`);
  return losses;
}

function isWritableBy(file: string, { uid, gid, groups }: ProcessRecipe): boolean {
  const info = statSync(file, { throwIfNoEntry: false });
  // Gone since: it is made anew, or is not.
  return info === undefined || mayWrite(info, { uid, gid, groups });
}
