/**
 * A view is a frozen directory tree: a list of entries with the lengths they had at the cut, and where their
 * bytes are read. The archive is written from a view, never from a directory, so a stopped node's directory, a frozen
 * one and a volume snapshot all look the same to it. Freezers make views; `archive/` only reads them.
 */

import { comparePaths } from "../system/path-bytes.ts";

export type EntryType = "file" | "directory" | "symlink" | "hardlink";

/** What an entry is, in a view as in an archive. */
export interface EntryFacts {
  /** Path below the root, no leading "./" or "/", components joined by "/", see `system/path-bytes.ts`; "" for the root itself. */
  readonly path: string;
  readonly type: EntryType;
  /** Bytes; 0 unless `type` is "file". */
  readonly size: number;
  /** Permission bits alone: set-uid, set-gid and sticky have no business in a chainstate. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  /** Symlink: its text. Hard link: the path (below the root) of the earlier entry it is the same file as. */
  readonly linkTarget?: string;
}

/** `size`: bytes that belong to the cut. */
export interface ViewEntry extends EntryFacts {
  /** Absolute path the bytes [0, size) are read from; for "file" only. */
  readonly source?: string;
  /**
   * What must not happen to `source` while it is read. "unchanged": inode, size, mtime and ctime stay as `stat` says (a
   * stopped node's file). "prefix": it may grow, its first `size` bytes stand (a frozen database, append-only blobs).
   */
  readonly guard?: "unchanged" | "prefix";
  /** What of it stands in the base archive already and need not be read. */
  readonly inBase?: BytesInBase;
  /** What `lstat`/`stat` of `source` said at the cut; wanted with guard "unchanged" and by `trust-timestamps`. */
  readonly stat?: SourceStat;
}

/** The first bytes of a file, known to stand in the base archive in frames that are cut as this file's are. */
export interface BytesInBase {
  readonly bytes: number;
  /** SHA-256 (hex) of the segment that begins there. */
  sha256At(fileOffset: number): string;
  /** True: it is read all the same, and has to be as it was. */
  readonly isSampled?: (fileOffset: number) => boolean;
  /** The frame as it stands in the base, for bytes that are nowhere else. Absent: they can be read from `source` as well. */
  readonly fetchAt?: (fileOffset: number, signal: AbortSignal) => Promise<Uint8Array>;
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

/** The entries of a view of the directory `at`, by their paths in the tree above it. */
export async function* placedAt(at: string, entries: AsyncIterable<ViewEntry>): AsyncGenerator<ViewEntry> {
  for await (const entry of entries) {
    const target =
      entry.type === "hardlink" && entry.linkTarget !== undefined
        ? { linkTarget: `${at}/${entry.linkTarget}` }
        : {};
    yield { ...entry, path: `${at}/${entry.path}`, ...target };
  }
}

/** Two streams in the archive's order as one. */
export async function* mergeSorted(
  a: AsyncIterable<ViewEntry>,
  b: AsyncIterable<ViewEntry>,
): AsyncGenerator<ViewEntry> {
  const [left, right] = [a[Symbol.asyncIterator](), b[Symbol.asyncIterator]()];
  try {
    let [one, other] = [await left.next(), await right.next()];
    while (one.done !== true || other.done !== true) {
      if (other.done === true || (one.done !== true && compareEntries(one.value, other.value) <= 0)) {
        if (one.done !== true) yield one.value;
        one = await left.next();
      } else {
        yield other.value;
        other = await right.next();
      }
    }
  } finally {
    try {
      await left.return?.();
    } finally {
      await right.return?.();
    }
  }
}
