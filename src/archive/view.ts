/**
 * A view is a directory tree that holds still: a list of entries with the lengths they had at the cut, and where their
 * bytes are read. The archive is written from a view, never from a directory, so a stopped node's directory, a frozen
 * one and a volume snapshot all look the same to it. Freezers make views; `archive/` only reads them.
 */

import { comparePaths } from "../system/path-bytes.ts";

export type EntryType = "file" | "directory" | "symlink" | "hardlink";

export interface ViewEntry {
  /** Path below the view's root, no leading "./" or "/", components joined by "/", see `system/path-bytes.ts`. */
  readonly path: string;
  readonly type: EntryType;
  /** Bytes that belong to the cut; 0 unless `type` is "file". */
  readonly size: number;
  /** Permission bits and setuid/setgid/sticky (`mode & 0o7777`). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  /** Symlink: its text. Hard link: the path (below the root) of the earlier entry it is the same file as. */
  readonly linkTarget?: string;
  /** Absolute path the bytes [0, size) are read from; for "file" only. */
  readonly source?: string;
  /**
   * What must not happen to `source` while it is read. "unchanged": inode, size, mtime and ctime stay as `stat` says (a
   * stopped node's file). "prefix": it may grow, its first `size` bytes stand (a frozen database, append-only blobs).
   */
  readonly guard?: "unchanged" | "prefix";
  /** What `lstat`/`stat` of `source` said at the cut; wanted with guard "unchanged" and by `trust-timestamps`. */
  readonly stat?: SourceStat;
}

export interface SourceStat {
  readonly ino: bigint;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** Something found in the tree that does not go into the archive. */
export interface SkippedEntry {
  readonly path: string;
  readonly reason: "socket" | "fifo" | "device" | "profile" | "exclude" | "scratch";
}

export interface View {
  /** Entries in the archive's order (`compareEntries`), the root itself not among them. */
  entries(signal: AbortSignal): AsyncIterable<ViewEntry>;
  /** Mode, owner and mtime of the root directory itself. */
  readonly rootEntry: Omit<ViewEntry, "path" | "type" | "size">;
  /** Called for each entry left out while `entries` is iterated. */
  onSkipped?: (entry: SkippedEntry) => void;
}

/**
 * The order of entries in an archive: byte order of their paths, where a directory's ends in "/". So a directory is
 * followed by all that is in it and then by its siblings, which plain tar needs to set directories' times and modes right.
 */
export function compareEntries(
  a: Pick<ViewEntry, "path" | "type">,
  b: Pick<ViewEntry, "path" | "type">,
): number {
  return comparePaths(orderKey(a), orderKey(b));
}

function orderKey(entry: Pick<ViewEntry, "path" | "type">): string {
  return entry.type === "directory" ? `${entry.path}/` : entry.path;
}
