/**
 * Writes what a checked frame holds: directories, symlinks, files. A file that is whole in one frame is created, written and given its
 * owner, mode and time at once; of a larger one only the piece is written, its file was made before and is finished after
 * all frames. Blocks of zeros stay holes. No symlink is ever followed: the index reader has made sure that every parent
 * is a directory of the archive, and O_NOFOLLOW keeps the last component.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { ActionError, hasCode } from "../../domain/errors.ts";
import { nameOf } from "../../system/held-directory.ts";
import { encodePath, fsPath } from "../../system/path-bytes.ts";
import { writeFullySync } from "../../system/write-fully.ts";
import { parentOf } from "../format/entry-paths.ts";
import { show } from "../format/tree-check.ts";
import type { EntryFacts } from "../view.ts";
import type { FrameItem, OwnerPolicy, UnpackTarget } from "./worker-protocol.ts";

const holeBlockBytes = 64 * 1024;
const zeros = Buffer.alloc(holeBlockBytes);

/** `from` is the directory the bytes were read from, where they came from one. */
export function placeFrame(
  items: readonly FrameItem[],
  target: UnpackTarget,
  bytes: Buffer,
  from: string | undefined,
): void {
  for (const item of items) {
    if (!item.wanted) continue;
    const path = `${target.directory}/${item.entry.path}`;
    try {
      withParents(path, () => placeItem(path, item, target, bytes, from));
    } catch (cause) {
      throw writeFailed(path, cause);
    }
  }
}

function placeItem(
  path: string,
  { entry, header, piece }: FrameItem,
  target: UnpackTarget,
  bytes: Buffer,
  from: string | undefined,
): void {
  if (piece !== undefined) {
    const content = bytes.subarray(piece.offset, piece.offset + piece.size);
    if (piece.size === entry.size) writeWhole(path, entry, target, content);
    // Read from this very place and found right: it stands already.
    else if (from !== target.directory) writePiece(path, piece.fileOffset, target, content);
  } else if (header !== undefined) {
    if (entry.type === "directory") makeDirectory(path);
    else if (entry.type === "symlink") makeSymlink(path, entry, target);
    else if (entry.type === "file" && entry.size === 0) writeWhole(path, entry, target, Buffer.alloc(0));
  }
}

/**
 * Frames are placed in any order, so a file may come before its directory. Directories made here get their metadata like all
 * others in the end.
 */
export function withParents(path: string, make: () => void): void {
  try {
    make();
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    mkdirSync(fsPath(parentOf(path)), { recursive: true, mode: 0o700 });
    make();
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(fsPath(path), { mode: 0o700 });
  } catch (error) {
    // Made for a file that came first, or by the run before. Should it be no directory, what goes into it fails.
    if (!hasCode(error, "EEXIST")) throw error;
  }
}

function makeSymlink(path: string, entry: EntryFacts, target: UnpackTarget): void {
  if (target.used) rmSync(fsPath(path), { force: true });
  symlinkSync(encodePath(entry.linkTarget ?? ""), fsPath(path));
  const owner = ownerFor(entry, target.owner);
  if (owner !== undefined) lchownSync(fsPath(path), owner.uid, owner.gid);
  lutimesSync(fsPath(path), secondsOf(entry.mtimeNs), secondsOf(entry.mtimeNs));
}

/** Creates the file of an entry that comes in several pieces, at its full size. */
export function createLargeFile(path: string, size: number, used: boolean): void {
  try {
    withParents(path, () => {
      const descriptor = openSync(fsPath(path), creating(used) & ~constants.O_TRUNC, 0o600);
      try {
        ftruncateSync(descriptor, size);
      } finally {
        closeSync(descriptor);
      }
    });
  } catch (cause) {
    throw writeFailed(path, cause);
  }
}

/**
 * Creates such a file as a clone of the first of `seeds` that shares its blocks with it (XFS, btrfs), at its full size. Nothing of it is
 * trusted: each of its frames is checked where it stands. False: none can be cloned, and nothing was made.
 */
export function cloneLargeFile(path: string, size: number, seeds: readonly string[]): boolean {
  const flags = constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL;
  for (const seed of seeds) {
    try {
      // What a seed has under this name may be a link to elsewhere.
      if (!lstatSync(fsPath(seed)).isFile()) continue;
      withParents(path, () => copyFileSync(fsPath(seed), fsPath(path), flags));
    } catch {
      // Not there, on another file system, or on one that cannot share: the file is written.
      continue;
    }
    try {
      const descriptor = openSync(fsPath(path), constants.O_WRONLY | constants.O_NOFOLLOW);
      try {
        fchmodSync(descriptor, 0o600);
        ftruncateSync(descriptor, size);
      } finally {
        closeSync(descriptor);
      }
    } catch (cause) {
      throw writeFailed(path, cause);
    }
    return true;
  }
  return false;
}

/** Owner, mode and time of a file that was written in pieces. */
export function finishLargeFile(path: string, entry: EntryFacts, owner: OwnerPolicy): void {
  try {
    const descriptor = openSync(fsPath(path), constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
      applyMetadata(descriptor, entry, owner);
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    throw writeFailed(path, cause);
  }
}

/** Permission bits alone, whatever an archive says: it may be anybody's, and the owner may be root. */
export const permissionBits = 0o777;

export function ownerFor(
  entry: Pick<EntryFacts, "uid" | "gid">,
  policy: OwnerPolicy,
): { uid: number; gid: number } | undefined {
  return policy === "archived" ? { uid: entry.uid, gid: entry.gid } : policy === "mine" ? undefined : policy;
}

/** Seconds for Node's utimes; a double holds today's times to a quarter of a microsecond. */
export function secondsOf(ns: bigint): number {
  return Number(ns) / 1e9;
}

export function writeFailed(path: string, cause: unknown): ActionError {
  if (cause instanceof ActionError) return cause;
  if (hasCode(cause, "ENOSPC") || hasCode(cause, "EDQUOT")) {
    return new ActionError("DISK_FULL", `The disk is full: ${show(nameOf(path))} cannot be written.`, {
      hint: "Free space or restore to a larger file system.",
      cause,
    });
  }
  if (hasCode(cause, "EPERM")) {
    return new ActionError("OWNER_DENIED", `The owner of ${show(nameOf(path))} cannot be set.`, {
      hint: "Run the action as root (or as the owner of the chainstate), or set the input `sudo`.",
      cause,
    });
  }
  return new ActionError("TARGET_UNWRITABLE", `${show(nameOf(path))} cannot be written.`, { cause });
}

function creating(used: boolean): number {
  const fresh = used ? constants.O_TRUNC : constants.O_EXCL;
  return constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | fresh;
}

function writeWhole(path: string, entry: EntryFacts, target: UnpackTarget, content: Buffer): void {
  const descriptor = openSync(fsPath(path), creating(target.used), 0o600);
  try {
    // The file is new and empty, so what is left out is a hole that reads as zeros.
    writeContent(descriptor, 0, content, true);
    if (endsInHole(content)) ftruncateSync(descriptor, content.length);
    applyMetadata(descriptor, entry, target.owner);
  } finally {
    closeSync(descriptor);
  }
}

function writePiece(path: string, fileOffset: number, target: UnpackTarget, content: Buffer): void {
  const descriptor = openSync(fsPath(path), constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    writeContent(descriptor, fileOffset, content, !target.used);
  } finally {
    closeSync(descriptor);
  }
}

function applyMetadata(descriptor: number, entry: EntryFacts, policy: OwnerPolicy): void {
  const owner = ownerFor(entry, policy);
  if (owner !== undefined) fchownSync(descriptor, owner.uid, owner.gid);
  fchmodSync(descriptor, entry.mode & permissionBits);
  futimesSync(descriptor, secondsOf(entry.mtimeNs), secondsOf(entry.mtimeNs));
}

/** Writes runs of blocks that are not all zero. */
function writeContent(descriptor: number, fileOffset: number, content: Buffer, holes: boolean): void {
  let from = 0;
  let at = 0;
  while (at < content.length) {
    const end = Math.min(at + holeBlockBytes, content.length);
    if (holes && isZero(content, at, end)) {
      writeFullySync(descriptor, content.subarray(from, at), fileOffset + from);
      from = end;
    }
    at = end;
  }
  writeFullySync(descriptor, content.subarray(from), fileOffset + from);
}

function endsInHole(content: Buffer): boolean {
  const start = Math.max(0, Math.floor((content.length - 1) / holeBlockBytes) * holeBlockBytes);
  return content.length > 0 && isZero(content, start, content.length);
}

function isZero(content: Buffer, from: number, to: number): boolean {
  return content.compare(zeros, 0, to - from, from, to) === 0;
}
