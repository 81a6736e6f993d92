/**
 * Unpacks an archive into a directory of its own, or verifies it without writing. Frames are independent, so they are
 * fetched, checked and written many at a time, in any order; what an interrupted run or another local directory has
 * already is taken from there when its digest fits.
 */
import { chmodSync, chownSync, linkSync, rmSync, utimesSync } from "node:fs";
import { lstat, mkdir, readdir } from "node:fs/promises";
import { ActionError } from "../errors.ts";
import { runOk } from "../system/exec.ts";
import { fsPath } from "../system/path-bytes.ts";
import { OpenDirectories } from "./entry-paths.ts";
import { fetchFrames } from "./frame-fetch.ts";
import type { Fetched, FetchProgress } from "./frame-fetch.ts";
import { planFrames } from "./frame-plan.ts";
import type { PlannedFrame } from "./frame-plan.ts";
import {
  cloneLargeFile,
  createLargeFile,
  finishLargeFile,
  ownerFor,
  secondsOf,
  withParents,
  writeFailed,
} from "./frame-placer.ts";
import type { IndexEntry } from "./index-format.ts";
import { openIndex } from "./index-reader.ts";
import type { ArchiveIndex } from "./index-reader.ts";
import type { FrameSource } from "./transport.ts";
import { show } from "./tree-check.ts";
import { openUnpackJournal } from "./unpack-journal.ts";
import type { UnpackJournal } from "./unpack-journal.ts";
import { WorkerPool } from "./worker-pool.ts";
import type { OwnerPolicy } from "./worker-protocol.ts";

export interface ReadArchiveOptions {
  readonly source: FrameSource;
  /** Local copy of `index.json.zst`. */
  readonly indexFile: string;
  /** What the manifest says of that file. */
  readonly indexDigest?: { readonly size: number; readonly sha256: string };
  /** Worker threads. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: FetchProgress) => void;
}

export interface UnpackOptions extends ReadArchiveOptions {
  /** Absolute; stands for the archive's root. Absent or empty, or what a run with the same journal left. */
  readonly target: string;
  /** `archived` needs root; `mine` leaves the owner to whoever unpacks. */
  readonly owner: OwnerPolicy;
  /** Which entries are written, by path below the root; directories above them are made as needed, mode 0700. Default: all. */
  readonly select?: (path: string) => boolean;
  /** Directories laid out like the target, whose bytes are used where a whole frame fits; large files are cloned where that is possible. */
  readonly seeds?: readonly string[];
  /** Keeps what is done, so that the next run with the same journal goes on. Outside the target. */
  readonly journalFile?: string;
  /** Return only when everything is on disk (`syncfs` of the target's file system). For whoever swaps directories after. */
  readonly durable: boolean;
}

export interface UnpackedArchive extends Fetched {
  readonly files: number;
  readonly contentSize: number;
  readonly treeSha256: string;
}

export interface VerifiedArchive {
  readonly frames: number;
  readonly files: number;
  readonly tarSize: number;
  readonly treeSha256: string;
  /** Bytes of the archive that were read for it. */
  readonly fetchedBytes: number;
}

const syncTimeoutMs = 60 * 60 * 1000;

/**
 * Throws INDEX_INVALID, ARCHIVE_SIZE_WRONG, SEEK_TABLE_INVALID, FRAME_CORRUPT, ARCHIVE_INDEX_MISMATCH (the snapshot),
 * TARGET_NOT_EMPTY, TARGET_UNWRITABLE, DISK_FULL, OWNER_DENIED (the target), what the source throws, or the signal's
 * reason. After a failure the target is incomplete, for the caller to remove or to resume.
 */
export async function unpackArchive(options: UnpackOptions): Promise<UnpackedArchive> {
  const { indexFile, signal, target, owner } = options;
  // Threads take a while to start; meanwhile the index is read.
  const pool = new WorkerPool(options.concurrency);
  let journal: UnpackJournal | undefined;
  try {
    const index = await openIndex(indexFile, { signal, ...expected(options) });
    const resumable = openUnpackJournal(options.journalFile, index);
    journal = resumable;
    const used = await prepareTarget(target, resumable.resumed);
    resumable.begin();
    const seeds = options.seeds ?? [];
    const wanted = wantedBy(options.select, index);
    /** Large files that were not made empty. They are few. */
    const cloned = new Set<string>();
    const frames = planFrames(index, {
      signal,
      wanted,
      onLargeFile({ path, size }) {
        const place = `${target}/${path}`;
        const originals = used ? [] : seeds.map((seed) => `${seed}/${path}`);
        if (cloneLargeFile(place, size, originals)) cloned.add(path);
        else createLargeFile(place, size, used);
      },
    });
    const stands = ({ frame, items }: PlannedFrame): boolean =>
      resumable.has(frame) || items.some(({ entry, piece }) => piece !== undefined && cloned.has(entry.path));
    const fetched = await fetchFrames(onlyWanted(frames, options.select === undefined), {
      ...options,
      index,
      pool,
      target: { directory: target, owner, used },
      seedsOf: (frame) => (stands(frame) ? [target, ...seeds] : seeds),
      onFrame: (frame) => resumable.add(frame.frame),
      onProgress: options.onProgress,
    });
    await finishTree(index, options, wanted);
    if (options.durable) await runOk(["sync", "-f", target], { signal, timeoutMs: syncTimeoutMs });
    const { files, contentSize, treeSha256 } = index;
    return { ...fetched, files, contentSize, treeSha256 };
  } finally {
    journal?.close();
    await pool.close();
  }
}

/** Reads every frame and checks all that `unpackArchive` checks, and `archiveSha256` where the manifest has one. */
export async function verifyArchive(
  options: ReadArchiveOptions & { readonly archiveSha256?: string },
): Promise<VerifiedArchive> {
  const { indexFile, signal } = options;
  const pool = new WorkerPool(options.concurrency);
  try {
    const index = await openIndex(indexFile, { signal, ...expected(options) });
    const frames = planFrames(index, { signal, wanted: () => false, onLargeFile: () => undefined });
    const { fetchedBytes } = await fetchFrames(frames, {
      ...options,
      index,
      pool,
      target: undefined,
      seedsOf: () => [],
      onFrame: () => undefined,
      onProgress: options.onProgress,
    });
    return {
      frames: index.frames.count,
      files: index.files,
      tarSize: index.tarSize,
      treeSha256: index.treeSha256,
      fetchedBytes,
    };
  } finally {
    await pool.close();
  }
}

function expected(options: ReadArchiveOptions): { expect?: { size: number; sha256: string } } {
  return options.indexDigest === undefined ? {} : { expect: options.indexDigest };
}

/** A hard link is nothing without the file it names, so that one is taken along. */
function wantedBy(
  select: ((path: string) => boolean) | undefined,
  index: ArchiveIndex,
): (entry: IndexEntry) => boolean {
  if (select === undefined) return () => true;
  return (entry) => select(entry.path) || (entry.type === "file" && index.linkTargets.has(entry.path));
}

async function* onlyWanted(frames: AsyncIterable<PlannedFrame>, all: boolean): AsyncGenerator<PlannedFrame> {
  for await (const frame of frames) if (all || frame.wanted) yield frame;
}

/** Returns whether something of an earlier run is in it. */
async function prepareTarget(target: string, resumed: boolean): Promise<boolean> {
  try {
    await mkdir(fsPath(target), { mode: 0o700, recursive: true });
    const stats = await lstat(fsPath(target));
    const used = (await readdir(fsPath(target))).length > 0;
    if (!stats.isDirectory() || (used && !resumed)) {
      throw new ActionError("TARGET_NOT_EMPTY", `${show(target)} is not an empty directory.`, {
        hint: "Restore into a directory that is absent or empty.",
      });
    }
    return used;
  } catch (cause) {
    throw writeFailed(target, cause);
  }
}

/** Hard links first, for they change directories; then each directory when nothing below it is left to do. */
async function finishTree(
  index: ArchiveIndex,
  options: UnpackOptions,
  wanted: (entry: IndexEntry) => boolean,
): Promise<void> {
  const { target, owner, signal } = options;
  if (index.linkTargets.size > 0) {
    for await (const batch of index.entries(signal)) {
      for (const entry of batch) if (entry.type === "hardlink" && wanted(entry)) makeHardLink(target, entry);
    }
  }
  const open = new OpenDirectories();
  const waiting = new Map<string, IndexEntry>();
  const close = (path: string): void => {
    const entry = waiting.get(path);
    waiting.delete(path);
    if (entry !== undefined) dressDirectory(`${target}/${path}`, entry, owner);
  };
  for await (const batch of index.entries(signal)) {
    for (const entry of batch) {
      for (const path of open.advance(entry.path)) close(path);
      if (!wanted(entry)) continue;
      if (entry.type === "directory") {
        open.add(entry.path);
        waiting.set(entry.path, entry);
      } else if (entry.pieces.length > 1) {
        finishLargeFile(`${target}/${entry.path}`, entry, owner);
      }
    }
  }
  for (const path of [...waiting.keys()].toReversed()) close(path);
  dressDirectory(target, index.root, owner);
}

function makeHardLink(target: string, entry: IndexEntry): void {
  const path = `${target}/${entry.path}`;
  try {
    rmSync(fsPath(path), { force: true });
    withParents(path, () => linkSync(fsPath(`${target}/${entry.linkTarget ?? ""}`), fsPath(path)));
  } catch (cause) {
    throw writeFailed(path, cause);
  }
}

function dressDirectory(
  path: string,
  entry: Pick<IndexEntry, "mode" | "uid" | "gid" | "mtimeNs">,
  policy: OwnerPolicy,
): void {
  try {
    const owner = ownerFor(entry, policy);
    if (owner !== undefined) chownSync(fsPath(path), owner.uid, owner.gid);
    chmodSync(fsPath(path), entry.mode);
    utimesSync(fsPath(path), secondsOf(entry.mtimeNs), secondsOf(entry.mtimeNs));
  } catch (cause) {
    throw writeFailed(path, cause);
  }
}
