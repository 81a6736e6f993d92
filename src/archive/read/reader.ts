/**
 * Unpacks an archive into a directory of its own, or verifies it without writing. Frames are independent, so they are
 * fetched, checked and written many at a time, in any order; what an interrupted run or another local directory has
 * already is taken from there when its digest fits.
 */
import { chmodSync, chownSync, linkSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { lstat, mkdir, readdir } from "node:fs/promises";
import { basename } from "node:path";
import { ActionError } from "../../domain/errors.ts";
import { runOk } from "../../system/exec.ts";
import { nameOf } from "../../system/held-directory.ts";
import { decodePath, fsPath } from "../../system/path-bytes.ts";
import { OpenDirectories, parentOf } from "../format/entry-paths.ts";
import { fetchFrames } from "./frame-fetch.ts";
import type { Fetched, FetchProgress } from "./frame-fetch.ts";
import { planFrames } from "./frame-plan.ts";
import type { PlannedFrame } from "./frame-plan.ts";
import {
  cloneLargeFile,
  createLargeFile,
  finishLargeFile,
  ownerFor,
  permissionBits,
  secondsOf,
  withParents,
  writeFailed,
} from "../workers/frame-placer.ts";
import type { IndexEntry } from "../format/index-format.ts";
import { openIndex } from "../format/index-reader.ts";
import type { ArchiveIndex } from "../format/index-reader.ts";
import type { FrameSource } from "../transport.ts";
import { show } from "../format/tree-check.ts";
import { openUnpackJournal } from "./unpack-journal.ts";
import type { UnpackJournal } from "./unpack-journal.ts";
import { SpaceWatch } from "../space-watch.ts";
import { WorkerPool } from "../workers/worker-pool.ts";
import type { OwnerPolicy } from "../workers/worker-protocol.ts";

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
    const space = new SpaceWatch(target);
    if (!used && options.select === undefined) await space.requireInodes(index.files);
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
    const claim = async (frame: PlannedFrame): Promise<void> => {
      if (!stands(frame)) await claimFrame(space, frame);
    };
    const fetched = await fetchFrames(onlyWanted(frames, options.select === undefined, claim), {
      ...options,
      index,
      pool,
      target: { directory: target, owner, used },
      complete: options.select === undefined,
      seedsOf: (frame) => (stands(frame) ? [target, ...seeds] : seeds),
      onFrame: (frame) => resumable.add(frame.frame),
      onProgress: options.onProgress,
    });
    await finishTree(index, options, wanted, used && options.select === undefined);
    if (options.durable) await runOk(["sync", "-f", target], { signal, timeoutMs: syncTimeoutMs });
    const { files, contentSize, treeSha256 } = index;
    return { ...fetched, files, contentSize, treeSha256 };
  } finally {
    journal?.close();
    await pool.close();
  }
}

export interface VerifyOptions extends ReadArchiveOptions {
  /** Asks for every frame. */
  readonly archiveSha256?: string;
  /** Which frames are read, by the SHA-256 of what they hold; asked once for each, in order. Default: all. */
  readonly select?: (sha256: string) => boolean;
}

/** Reads the frames and checks all that `unpackArchive` checks, and `archiveSha256` where the manifest has one. */
export async function verifyArchive(options: VerifyOptions): Promise<VerifiedArchive> {
  const { indexFile, signal, select } = options;
  const pool = new WorkerPool(options.concurrency);
  try {
    const index = await openIndex(indexFile, { signal, ...expected(options) });
    const all = planFrames(index, { signal, wanted: () => false, onLargeFile: () => undefined });
    const fetched = await fetchFrames(select === undefined ? all : selected(all, index, select), {
      ...options,
      index,
      pool,
      target: undefined,
      complete: select === undefined,
      seedsOf: () => [],
      onFrame: () => undefined,
      onProgress: options.onProgress,
    });
    return {
      frames: fetched.frames,
      files: index.files,
      tarSize: index.tarSize,
      treeSha256: index.treeSha256,
      fetchedBytes: fetched.fetchedBytes,
    };
  } finally {
    await pool.close();
  }
}

async function* selected(
  frames: AsyncIterable<PlannedFrame>,
  index: ArchiveIndex,
  select: (sha256: string) => boolean,
): AsyncGenerator<PlannedFrame> {
  for await (const frame of frames) if (select(index.frames.sha256Of(frame.frame))) yield frame;
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

async function* onlyWanted(
  frames: AsyncIterable<PlannedFrame>,
  all: boolean,
  claim: (frame: PlannedFrame) => Promise<void>,
): AsyncGenerator<PlannedFrame> {
  for await (const frame of frames) {
    if (!all && !frame.wanted) continue;
    await claim(frame);
    yield frame;
  }
}

/** Space for what a frame makes, before it is made. */
async function claimFrame(space: SpaceWatch, { items }: PlannedFrame): Promise<void> {
  let sizeBytes = 0;
  let entries = 0;
  let path = "";
  for (const { entry, header, piece, wanted } of items) {
    if (!wanted) continue;
    path = entry.path;
    sizeBytes += piece?.size ?? 0;
    if (header !== undefined) entries += 1;
  }
  await space.claim(path, sizeBytes, entries);
}

/** Returns whether something of an earlier run is in it. */
async function prepareTarget(target: string, resumed: boolean): Promise<boolean> {
  try {
    await mkdir(fsPath(target), { mode: 0o700, recursive: true });
    const stats = await lstat(fsPath(target));
    const used = (await readdir(fsPath(target))).length > 0;
    if (!stats.isDirectory() || (used && !resumed)) {
      throw new ActionError("TARGET_NOT_EMPTY", `${show(nameOf(target))} is not an empty directory.`, {
        hint: "Restore into a directory that is absent or empty.",
      });
    }
    return used;
  } catch (cause) {
    throw writeFailed(target, cause);
  }
}

/**
 * Hard links first, for they change directories; then each directory when nothing below it is left to do. `clears`: what
 * is there and not in the archive goes, for a node may have worked in it, and a WAL of its would be read with ours.
 */
async function finishTree(
  index: ArchiveIndex,
  options: UnpackOptions,
  wanted: (entry: IndexEntry) => boolean,
  clears: boolean,
): Promise<void> {
  const { target, owner, signal } = options;
  if (index.linkTargets.size > 0) {
    for await (const batch of index.entries(signal)) {
      for (const entry of batch) if (entry.type === "hardlink" && wanted(entry)) makeHardLink(target, entry);
    }
  }
  const open = new OpenDirectories();
  const waiting = new Map<string, IndexEntry>();
  /** Of the root and of the directories that are open. */
  const names = new Map<string, Set<string>>([["", new Set()]]);
  const close = (path: string): void => {
    const entry = waiting.get(path);
    waiting.delete(path);
    if (clears) removeStrangers(`${target}/${path}`, names.get(path));
    names.delete(path);
    if (entry !== undefined) applyDirectoryMetadata(`${target}/${path}`, entry, owner);
  };
  for await (const batch of index.entries(signal)) {
    for (const entry of batch) {
      for (const path of open.advance(entry.path)) close(path);
      if (!wanted(entry)) continue;
      names.get(parentOf(entry.path))?.add(basename(entry.path));
      if (entry.type === "directory") {
        open.add(entry.path);
        names.set(entry.path, new Set());
        waiting.set(entry.path, entry);
      } else if (entry.pieces.length > 1) {
        finishLargeFile(`${target}/${entry.path}`, entry, owner);
      }
    }
  }
  for (const path of [...waiting.keys()].toReversed()) close(path);
  if (clears) removeStrangers(target, names.get(""));
  applyDirectoryMetadata(target, index.root, owner);
}

function removeStrangers(directory: string, names: ReadonlySet<string> | undefined): void {
  try {
    for (const name of readdirSync(fsPath(directory), { encoding: "buffer" }).map(decodePath)) {
      if (names?.has(name) !== true) rmSync(fsPath(`${directory}/${name}`), { recursive: true, force: true });
    }
  } catch (cause) {
    throw writeFailed(directory, cause);
  }
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

function applyDirectoryMetadata(
  path: string,
  entry: Pick<IndexEntry, "mode" | "uid" | "gid" | "mtimeNs">,
  policy: OwnerPolicy,
): void {
  try {
    const owner = ownerFor(entry, policy);
    if (owner !== undefined) chownSync(fsPath(path), owner.uid, owner.gid);
    chmodSync(fsPath(path), entry.mode & permissionBits);
    utimesSync(fsPath(path), secondsOf(entry.mtimeNs), secondsOf(entry.mtimeNs));
  } catch (cause) {
    throw writeFailed(path, cause);
  }
}
