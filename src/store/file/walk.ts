/** The files below a directory in the order object stores list keys: by bytes, "/" included. */
import type { Dirent, Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { hasCode, throwIfAborted } from "../../domain/errors.ts";
import { explained } from "./errors.ts";

export interface FoundFile {
  /** Below the root, "/"-separated. */
  readonly key: string;
  readonly stat: Stats;
}

/** A symlink that leads back up would make keys without end; none of ours is nearly this deep. */
const deepest = 16;

/** Keys that start with `prefix` whose every name is `wanted`. What vanishes meanwhile is left out. */
export async function* walkFiles(
  root: string,
  prefix: string,
  wanted: (name: string) => boolean,
  signal: AbortSignal,
): AsyncGenerator<FoundFile, void, undefined> {
  yield* walk("", 0);

  async function* walk(directory: string, depth: number): AsyncGenerator<FoundFile, void, undefined> {
    throwIfAborted(signal);
    const place = path.join(root, directory);
    const found: { readonly key: string; readonly stat: Stats }[] = [];
    for (const entry of await explained(place, () => entriesOf(place))) {
      const key = directory + entry.name;
      if (!wanted(entry.name) || !mayMatch(key, prefix)) continue;
      // stat, not lstat: a directory may be a symlink to another disk, and reads follow it too.
      const seen = await explained(place, () => statIfThere(path.join(root, key)));
      if (seen !== undefined) found.push({ key, stat: seen });
    }
    const sortKey = (item: FoundFile): Buffer =>
      Buffer.from(item.stat.isDirectory() ? `${item.key}/` : item.key);
    found.sort((a, b) => Buffer.compare(sortKey(a), sortKey(b)));
    for (const item of found) {
      if (item.stat.isDirectory()) {
        if (depth < deepest) yield* walk(`${item.key}/`, depth + 1);
      } else if (item.stat.isFile() && item.key.startsWith(prefix)) {
        yield item;
      }
    }
  }
}

/** Either the key lies below the prefix, or it is a directory on the way to it. */
function mayMatch(key: string, prefix: string): boolean {
  return key.startsWith(prefix) || prefix.startsWith(`${key}/`);
}

async function entriesOf(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return [];
    throw error;
  }
}

async function statIfThere(file: string): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return undefined;
    throw error;
  }
}
