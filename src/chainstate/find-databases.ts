/** Finds the databases of a directory, and what of a chainstate is not where it should be, before anything is opened. */
import { lstat, readdir } from "node:fs/promises";
import { ActionError, hasCode, throwIfAborted } from "../domain/errors.ts";
import { decodePath, fsPath } from "../system/path-bytes.ts";
import { databases, essentialDatabases, isDatabase, isScratch, isWriteOnceDirectory } from "./layout.ts";
import { type DatabaseFile, lookAtDatabase } from "./sqlite-file.ts";

export interface FoundDatabase extends DatabaseFile {
  /** Below the mode directory. */
  readonly path: string;
}

export interface FoundFiles {
  /** In order of their paths; damaged ones too. */
  readonly databases: readonly FoundDatabase[];
  /** Each a sentence without its full stop, with the database it is about. */
  readonly problems: readonly { readonly database: string; readonly detail: string }[];
  readonly hasPruningManifest: boolean;
}

/** Throws CHAINSTATE_NOT_FOUND where `dir` is no readable directory. */
export async function findDatabases(dir: string, signal: AbortSignal): Promise<FoundFiles> {
  const found: FoundDatabase[] = [];
  const problems: { database: string; detail: string }[] = [];
  const pending = [""];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    throwIfAborted(signal);
    for (const entry of await list(dir, at)) {
      const path = at === "" ? entry.name : `${at}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!isWriteOnceDirectory(path) && !isScratch(path)) pending.push(path);
      } else if (entry.isSymbolicLink() && leadsToChainstate(path)) {
        // Blobs alone are followed when the archive is written.
        problems.push({
          database: path,
          detail: `${path} is a symbolic link: a snapshot would hold the link alone`,
        });
      } else if (isDatabase(path)) {
        const file = look(dir, path);
        if (file !== undefined) found.push({ path, ...file });
      }
    }
  }
  found.sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { path, damage } of found)
    if (damage !== undefined) problems.push({ database: path, detail: `${path} ${damage}` });
  for (const path of essentialDatabases) {
    if (problems.some((problem) => path === problem.database || path.startsWith(`${problem.database}/`)))
      continue;
    if (!found.some((each) => each.path === path))
      problems.push({ database: path, detail: `${path} is missing` });
  }
  return { databases: found, problems, hasPruningManifest: await exists(`${dir}/PCS_manifest.toml`) };
}

function leadsToChainstate(path: string): boolean {
  return Object.values(databases).some((each) => each === path || each.startsWith(`${path}/`));
}

function look(dir: string, path: string): DatabaseFile | undefined {
  try {
    return lookAtDatabase(`${dir}/${path}`);
  } catch (error) {
    const why = hasCode(error, "EACCES") ? "may not be read by this user" : "cannot be read";
    return {
      sizeBytes: 0,
      walBytes: 0,
      damage: `${why} (${error instanceof Error ? error.message : String(error)})`,
    };
  }
}

interface Entry {
  readonly name: string;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

async function list(dir: string, at: string): Promise<Entry[]> {
  const path = at === "" ? dir : `${dir}/${at}`;
  try {
    const entries = await readdir(fsPath(path), { withFileTypes: true, encoding: "buffer" });
    return entries.map((entry) => ({
      name: decodePath(entry.name),
      isDirectory: () => entry.isDirectory(),
      isSymbolicLink: () => entry.isSymbolicLink(),
    }));
  } catch (cause) {
    throw new ActionError("CHAINSTATE_NOT_FOUND", `${path} cannot be read as a directory.`, {
      cause,
      hint: "chainstate-dir is the mode directory, such as /var/stacks/mainnet; this user needs to read all of it.",
    });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(fsPath(path));
    return true;
  } catch {
    return false;
  }
}
