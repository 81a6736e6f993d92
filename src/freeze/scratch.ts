/**
 * Directories a freezer makes: their names carry the run's id, so that a later run can tell a dead run's leavings from
 * anything else, and removes those and nothing more.
 */
import { mkdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ActionError } from "../errors.ts";
import { fsPath } from "../system/path-bytes.ts";
import type { EntrySelection } from "../chainstate/layout.ts";
import type { FreezeRequest } from "./port.ts";

/** Name of every directory this room makes beside or below a chainstate. */
const prefix = ".chainstate-snapshot-";

export function scratchName(runId: string): string {
  if (!/^[\w.-]+$/.test(runId)) {
    throw new ActionError("RUN_ID_INVALID", `"${runId}" cannot name a directory.`);
  }
  return prefix + runId;
}

/** The selection without directories that this or another run made below the chainstate. */
export function withoutScratch(selection: EntrySelection): EntrySelection {
  return {
    ...selection,
    leavesOut: (path, isDirectory) =>
      isDirectory && path.startsWith(prefix) ? "scratch" : selection.leavesOut(path, isDirectory),
  };
}

/** For spools and copies; in the state directory. */
export function spoolDirectory(request: Pick<FreezeRequest, "stateDir" | "runId">): string {
  return join(request.stateDir, `freeze${scratchName(request.runId)}`);
}

/** Where a directory on the chainstate's own file system can be: beside it, or below it where it is a mount point. */
export async function placesOnSameFileSystem(chainstateDir: string): Promise<readonly string[]> {
  const own = await stat(fsPath(chainstateDir));
  const parent = dirname(chainstateDir);
  const above = await stat(fsPath(parent));
  return above.dev === own.dev ? [parent, chainstateDir] : [chainstateDir];
}

/** Makes the directory, for this user alone; an error when it is there already. */
export async function makeDirectory(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await mkdir(fsPath(path), { mode: 0o700 });
}

/** Removes a directory that this room made, and everything in it. */
export async function removeDirectory(path: string): Promise<void> {
  await rm(fsPath(path), { recursive: true, force: true, maxRetries: 3 });
}
