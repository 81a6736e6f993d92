/**
 * A view of a directory that stands still: a stopped node's chainstate, a clone of it, a mounted volume snapshot. Walks
 * one directory at a time, so memory depends on the largest directory and the depth, not on the tree. Looks are
 * synchronous, a few at a time: through libuv's threads each would cost six times the CPU, which compression needs.
 */
import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ActionError, hasCode, throwIfAborted } from "../../domain/errors.ts";
import { comparePaths, decodePath, fsPath } from "../../system/path-bytes.ts";
import { show } from "../format/tree-check.ts";
import type { SkippedEntry, SourceStat, View, ViewEntry } from "../view.ts";

/** The part of chainstate's EntrySelection a walk needs. */
export interface Selection {
  leavesOut(path: string, isDirectory: boolean): SkippedEntry["reason"] | undefined;
  /** True for a file whose absence, after it was listed, is no loss. */
  mayVanish?(path: string): boolean;
}

export interface DirectoryViewOptions {
  /** Absolute. */
  readonly directory: string;
  readonly selection?: Selection;
  /**
   * For a symlink that is packed as the file it points to: the path of the file beside it that it belongs to. It is followed
   * only where that is a file and has the same owner: a link of another user leads to what that user may not read.
   */
  readonly followLink?: (path: string) => string | undefined;
  /** "unchanged": a file that differs from what `stat` said when it was listed is an error. Default. */
  readonly guard?: "unchanged" | "prefix";
}

/** Entries after which other work gets its turn. */
const entriesPerTurn = 64;

/** Throws DIRECTORY_UNREADABLE where there is no directory to read. */
export async function openDirectoryView(options: DirectoryViewOptions): Promise<View> {
  const root = readable(options.directory, () => statSync(fsPath(options.directory), { bigint: true }));
  if (!root.isDirectory()) {
    throw new ActionError("DIRECTORY_UNREADABLE", `${show(options.directory)} is no directory.`);
  }
  const view: View = {
    rootEntry: ownerOf(root),
    entries: (signal) => walk(options, (skipped) => view.onSkipped?.(skipped), signal),
  };
  return view;
}

/** A directory being walked: its names in byte order, and the subdirectories whose turn has not come. */
interface Level {
  /** Path below the root, "" for the root. */
  readonly path: string;
  readonly names: readonly string[];
  at: number;
  readonly waiting: { readonly name: string; readonly stats: BigIntStats }[];
}

async function* walk(
  options: DirectoryViewOptions,
  onSkipped: (entry: SkippedEntry) => void,
  signal: AbortSignal,
): AsyncGenerator<ViewEntry> {
  const hardLinks = new Map<string, string>();
  const levels = [openLevel(options.directory, "")];
  let seen = 0;
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    if (seen % entriesPerTurn === 0) await nextTurn();
    throwIfAborted(signal);
    seen += 1;
    const name = level.names[level.at];
    const waiting = level.waiting.at(-1);
    // The directory "a" sorts as "a/", and siblings such as "a-b" come before that.
    if (waiting !== undefined && (name === undefined || comparePaths(`${waiting.name}/`, name) < 0)) {
      level.waiting.pop();
      const path = below(level.path, waiting.name);
      yield { path, type: "directory", size: 0, ...ownerOf(waiting.stats) };
      levels.push(openLevel(options.directory, path));
      continue;
    }
    if (name === undefined) {
      levels.pop();
      continue;
    }
    const path = below(level.path, name);
    level.at += 1;
    const asFile = options.selection?.leavesOut(path, false);
    // What is left out whatever it is may be gone already: nobody looks at it.
    const unseen = asFile === undefined ? undefined : options.selection?.leavesOut(path, true);
    const stats = unseen === undefined ? lookAt(options, path, asFile !== undefined) : undefined;
    const leftOut = stats === undefined ? unseen : whyLeftOut(options, path, stats, asFile);
    if (leftOut !== undefined) onSkipped({ path, reason: leftOut });
    else if (stats?.isDirectory() === true) level.waiting.push({ name, stats });
    else if (stats !== undefined) yield entryOf(options, path, stats, hardLinks);
  }
}

/** Undefined: it is gone, and that is no loss. */
function lookAt(
  { directory, selection }: DirectoryViewOptions,
  path: string,
  isLeftOut: boolean,
): BigIntStats | undefined {
  const absolute = absoluteOf(directory, path);
  const look = (): BigIntStats | undefined =>
    readable(absolute, () => lstatSync(fsPath(absolute), { bigint: true, throwIfNoEntry: false }));
  const stats = look();
  if (stats !== undefined || isLeftOut) return stats;
  if (selection?.mayVanish?.(path) !== true) throw vanished(absolute);
  // It may have been made anew between the two.
  return look();
}

function whyLeftOut(
  { selection }: DirectoryViewOptions,
  path: string,
  stats: BigIntStats,
  asFile: SkippedEntry["reason"] | undefined,
): SkippedEntry["reason"] | undefined {
  return kindLeftOut(stats) ?? (stats.isDirectory() ? selection?.leavesOut(path, true) : asFile);
}

function openLevel(root: string, path: string): Level {
  const absolute = absoluteOf(root, path);
  const raw = readable(absolute, () => readdirSync(fsPath(absolute), { encoding: "buffer" }));
  const names = raw.map(decodePath);
  // Code units order like bytes as long as none is a surrogate or beyond one.
  const simple = names.every((name) => !/[\ud800-\uffff]/.test(name));
  if (simple) names.sort();
  else names.sort(comparePaths);
  return { path, names, at: 0, waiting: [] };
}

function entryOf(
  options: DirectoryViewOptions,
  path: string,
  stats: BigIntStats,
  hardLinks: Map<string, string>,
): ViewEntry {
  const absolute = absoluteOf(options.directory, path);
  if (stats.isSymbolicLink()) {
    const claimant = options.followLink?.(path);
    if (claimant === undefined) {
      const target = readable(absolute, () => readlinkSync(fsPath(absolute), { encoding: "buffer" }));
      return { path, type: "symlink", size: 0, ...ownerOf(stats), linkTarget: decodePath(target) };
    }
    const target = readable(absolute, () => statSync(fsPath(absolute), { bigint: true }));
    if (!target.isFile()) {
      throw new ActionError("LINK_NOT_A_FILE", `${show(absolute)} is a link to something that is no file.`, {
        hint: "Point it at a file, or leave it out with the input `exclude`.",
      });
    }
    const real = readable(absolute, () => realpathSync(fsPath(absolute), { encoding: "buffer" }));
    checkClaim(options.directory, path, claimant, stats.uid, target.uid);
    return fileEntry(options, path, decodePath(real), target);
  }
  if (stats.nlink > 1n) {
    const identity = `${stats.dev}:${stats.ino}`;
    const first = hardLinks.get(identity);
    if (first !== undefined) {
      return { path, type: "hardlink", size: 0, ...ownerOf(stats), linkTarget: first };
    }
    hardLinks.set(identity, path);
  }
  return fileEntry(options, path, absolute, stats);
}

/** Throws LINK_OF_ANOTHER unless the link's file has the owner of the one it belongs to, and root or that owner made the link. */
function checkClaim(directory: string, path: string, claimant: string, link: bigint, target: bigint): void {
  const beside = lstatSync(fsPath(absoluteOf(directory, claimant)), { bigint: true, throwIfNoEntry: false });
  if (beside?.isFile() === true && beside.uid === target && (link === 0n || link === target)) return;
  throw new ActionError(
    "LINK_OF_ANOTHER",
    `${show(absoluteOf(directory, path))} is a link to a file of another user than the chainstate's, or no database beside it needs it.`,
    { hint: "Give the file the owner of the chainstate, or remove the link." },
  );
}

function fileEntry(
  options: DirectoryViewOptions,
  path: string,
  source: string,
  stats: BigIntStats,
): ViewEntry {
  const stat: SourceStat = {
    ino: stats.ino,
    size: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
  };
  const guard = options.guard ?? "unchanged";
  return { path, type: "file", size: stat.size, ...ownerOf(stats), source, guard, stat };
}

function ownerOf(stats: BigIntStats): Pick<ViewEntry, "mode" | "uid" | "gid" | "mtimeNs"> {
  return {
    mode: Number(stats.mode & 0o777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtimeNs: stats.mtimeNs,
  };
}

function kindLeftOut(stats: BigIntStats): SkippedEntry["reason"] | undefined {
  if (stats.isSocket()) return "socket";
  if (stats.isFIFO()) return "fifo";
  if (stats.isBlockDevice() || stats.isCharacterDevice()) return "device";
  return undefined;
}

function below(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}

function absoluteOf(root: string, path: string): string {
  return path === "" ? root : `${root}/${path}`;
}

function readable<T>(path: string, look: () => T): T {
  try {
    return look();
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) throw vanished(path, cause);
    throw new ActionError("DIRECTORY_UNREADABLE", `${show(path)} cannot be read.`, {
      hint: "Run the action as a user who may read the whole chainstate, or set the input `sudo`.",
      cause,
    });
  }
}

function vanished(path: string, cause?: unknown): ActionError {
  return new ActionError("FILE_VANISHED", `${show(path)} vanished while the directory was listed.`, {
    hint: "Something else works in this directory. Stop it, or leave the file out with the input `exclude`.",
    cause,
  });
}
