/**
 * Directories a freezer makes: their names carry the run's id, so that a later run can tell a dead run's leavings from
 * anything else, and removes those and nothing more.
 */
import { lstat, mkdir, readdir, realpath, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ActionError, hasCode } from "../domain/errors.ts";
import { exchanged, holdDirectory, type HeldDirectory } from "../system/held-directory.ts";
import { fsPath } from "../system/path-bytes.ts";
import type { EntrySelection } from "../chainstate/layout.ts";
import type { FreezeRequest } from "./port.ts";

/** Name of every directory this folder makes beside or below a chainstate. */
const prefix = ".chainstate-snapshot-";

export function scratchName(runId: string): string {
  if (!/^[\w.-]+$/.test(runId)) {
    throw new ActionError("RUN_ID_INVALID", `"${runId}" cannot name a directory.`);
  }
  return prefix + runId;
}

/** The selection without what this or another run made below the chainstate. */
export function withoutScratch(selection: EntrySelection): EntrySelection {
  return {
    ...selection,
    leavesOut: (path, isDirectory) =>
      path.startsWith(prefix) ? "scratch" : selection.leavesOut(path, isDirectory),
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

/** As `makeDirectory`, and holds it: whoever owns the directory that it stands in may rename it. */
export async function makeHeldDirectory(path: string): Promise<HeldDirectory> {
  await makeDirectory(path);
  return await holdOwn(path);
}

/** Removes a directory that this folder made, and everything in it. PATH_EXCHANGED: what stands there is another user's. */
export async function removeDirectory(path: string): Promise<void> {
  const found = await lstat(fsPath(path)).catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  });
  if (found === undefined) return;
  const held = await holdOwn(path);
  try {
    for (const name of await readdir(held.at, { encoding: "buffer" })) {
      const child = Buffer.concat([Buffer.from(`${held.at}/`), name]);
      await rm(child, { recursive: true, force: true, maxRetries: 3 });
    }
  } finally {
    held.close();
  }
  await rmdir(fsPath(path));
}

async function holdOwn(path: string): Promise<HeldDirectory> {
  const held = holdDirectory(join(await realpath(dirname(path)), basename(path)));
  if (held.stat().uid === process.geteuid?.()) return held;
  held.close();
  throw exchanged(path, "it is another user's");
}
