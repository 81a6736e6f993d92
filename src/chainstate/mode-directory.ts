/**
 * Where in a tree that somebody else made the chainstate is: archives hold the mode directory itself, what is in it, or
 * whatever else stood around it.
 */
import { lstat, readdir } from "node:fs/promises";
import { ActionError, hasCode, throwIfAborted } from "../domain/errors.ts";
import { databases, isNeededForChecks } from "./layout.ts";

const deepest = 16;

/** The path of the one directory that holds a chainstate, below `directory`; "" for itself. CHAINSTATE_NOT_FOUND, CHAINSTATE_AMBIGUOUS. */
export async function findModeDirectory(directory: string, signal: AbortSignal): Promise<string> {
  const found: string[] = [];
  const pending = [""];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    throwIfAborted(signal);
    const path = at === "" ? directory : `${directory}/${at}`;
    if (await isFile(`${path}/${databases.index}`)) {
      found.push(at);
      continue;
    }
    if (at.split("/").length >= deepest) continue;
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isDirectory()) pending.push(at === "" ? entry.name : `${at}/${entry.name}`);
    }
  }
  const [first, second] = found.sort();
  if (first === undefined) {
    throw new ActionError("CHAINSTATE_NOT_FOUND", "There is no chainstate in the archive.", {
      hint: `It has no ${databases.index} below any directory. Use an archive of a whole mode directory.`,
    });
  }
  if (second !== undefined) {
    throw new ActionError(
      "CHAINSTATE_AMBIGUOUS",
      `The archive holds more than one chainstate: ${JSON.stringify(first)} and ${JSON.stringify(second)}.`,
      { hint: "Unpack it by hand and archive the one you want." },
    );
  }
  return first;
}

/** `isNeededForChecks` for a path below a root of which it is not known yet how deep the mode directory is. */
export function mayBeNeededForChecks(path: string, depth: "tips" | "quick" | "proof" | "full"): boolean {
  if (isNeededForChecks(path, depth)) return true;
  for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
    if (isNeededForChecks(path.slice(slash + 1), depth)) return true;
  }
  return false;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return false;
    throw error;
  }
}
