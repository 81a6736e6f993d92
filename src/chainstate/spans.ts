/**
 * Whether all of a chainstate is in one place. What freezes a file system takes along none that is mounted, or a subvolume,
 * below it; and an archive keeps a symbolic link as the link. The node does not mind either, so it is found out beforehand.
 */
import { lstat, readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { ActionError, hasCode, throwIfAborted } from "../domain/errors.ts";
import { readMounts } from "../system/mounts.ts";
import { isWriteOnceDirectory } from "./layout.ts";

export interface Spans {
  /** Directories that are symbolic links, below the chainstate directory. */
  readonly links: readonly string[];
  /** Directories that are on another file system or subvolume. */
  readonly elsewhere: readonly string[];
}

/** Looks at directories only, and not into those of the flat block files. */
export async function findSpans(chainstateDir: string, signal: AbortSignal): Promise<Spans> {
  const root = await realpath(chainstateDir);
  const { dev } = await stat(root);
  const links: string[] = [];
  const elsewhere = new Set(
    (await readMounts())
      .map(({ mountPoint }) => mountPoint)
      .filter((point) => point.startsWith(`${root}/`))
      .map((point) => point.slice(root.length + 1)),
  );
  const pending = [""];
  for (let below = pending.pop(); below !== undefined; below = pending.pop()) {
    throwIfAborted(signal);
    for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
      const path = join(below, entry.name);
      if (entry.isSymbolicLink() && (await leadsToDirectory(join(root, path)))) links.push(path);
      if (!entry.isDirectory() || isWriteOnceDirectory(path)) continue;
      if ((await lstat(join(root, path))).dev !== dev) elsewhere.add(path);
      pending.push(path);
    }
  }
  return { links, elsewhere: [...elsewhere].sort() };
}

/** False for a link to nothing, which carries no data. */
async function leadsToDirectory(link: string): Promise<boolean> {
  try {
    return (await stat(link)).isDirectory();
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ELOOP")) return false;
    throw error;
  }
}

/** `by`: what freezes one file system and no other; undefined where files are read by their paths. CHAINSTATE_DIR_SPANS. */
export async function requireOnePlace(
  chainstateDir: string,
  by: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { links, elsewhere } = await findSpans(chainstateDir, signal);
  const [link] = links;
  if (link !== undefined) {
    throw new ActionError(
      "CHAINSTATE_DIR_SPANS",
      `${join(chainstateDir, link)} is a symbolic link to a directory; a snapshot would hold the link and not what is in it.`,
      { hint: "Stop the node, and move the directory itself there (or mount it there with `mount --bind`)." },
    );
  }
  const [place] = elsewhere;
  if (place === undefined || by === undefined) return;
  throw new ActionError(
    "CHAINSTATE_DIR_SPANS",
    `${join(chainstateDir, place)} is another file system or subvolume than ${chainstateDir}, and ${by} freezes only one of the two.`,
    {
      hint: "Set `freeze-with: sqlite` (with `method: archive`), which reads both, or move it into the directory.",
    },
  );
}
