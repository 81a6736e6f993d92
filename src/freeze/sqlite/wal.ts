/**
 * Where a database's state stands in its files, read as raw bytes: the header of the database file, the wal-index in
 * `-shm` and the frames of `-wal` (https://sqlite.org/fileformat2.html#walformat, https://sqlite.org/walformat.html).
 * Only ever called in a process that holds no lock on these files, because closing a descriptor drops a process's locks.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { endianness } from "node:os";
import { ActionError, hasCode } from "../../domain/errors.ts";
import { frameHeaderBytes, walHeaderBytes } from "../../pages/wal-file.ts";
import { fsPath } from "../../system/path-bytes.ts";

/** Bytes of a WAL with this many frames: nothing where there are none. */
export function walBytes(frames: number, pageSize: number): number {
  return frames === 0 ? 0 : walHeaderBytes + frames * (frameHeaderBytes + pageSize);
}

/** The part of the wal-index that says what is committed. */
export interface WalIndex {
  /** The header's 48 bytes as hex, for comparison: equal means that nothing was committed in between. */
  readonly identity: string;
  /** Frames of the WAL that are committed. */
  readonly frames: number;
  readonly pageSize: number;
  /** Pages of the database after the last of them. */
  readonly pages: number;
  readonly frameChecksum: readonly [number, number];
  /** Names one generation of the WAL; changes when it is restarted. As in the WAL's own header. */
  readonly salt: string;
}

const little = endianness() === "LE";
const indexHeaderBytes = 48;

/** The committed state according to `-shm`. SQLite writes its header twice; both copies must agree. */
export function readWalIndex(shmPath: string): WalIndex {
  const file = openSync(fsPath(shmPath), "r");
  try {
    // A writer may be between the two copies; it needs no more than a few instructions there.
    for (let attempt = 0; attempt < 1000; attempt += 1) {
      const bytes = Buffer.alloc(2 * indexHeaderBytes);
      if (readSync(file, bytes, 0, bytes.length, 0) < bytes.length) break;
      const first = bytes.subarray(0, indexHeaderBytes);
      if (first.equals(bytes.subarray(indexHeaderBytes)) && first[12] === 1) return parseWalIndex(first);
    }
  } finally {
    closeSync(file);
  }
  throw new ActionError("FREEZE_FAILED", `The wal-index ${shmPath} has no valid header.`);
}

function parseWalIndex(header: Buffer): WalIndex {
  const u32 = (at: number): number => (little ? header.readUInt32LE(at) : header.readUInt32BE(at));
  const u16 = (at: number): number => (little ? header.readUInt16LE(at) : header.readUInt16BE(at));
  const pageSize = u16(14);
  return {
    identity: header.toString("hex"),
    // 1 stands for 65,536, which does not fit.
    pageSize: pageSize === 1 ? 65_536 : pageSize,
    frames: u32(16),
    pages: u32(20),
    frameChecksum: [u32(24), u32(28)],
    salt: header.toString("hex", 32, 40),
  };
}

/** The salt in a WAL's own header; undefined where the file is shorter than a header or not there. */
export function readWalSalt(walPath: string): string | undefined {
  const header = readAt(walPath, 0, walHeaderBytes);
  return header.length < walHeaderBytes ? undefined : header.toString("hex", 16, 24);
}

/**
 * Throws unless the last committed frame stands in the WAL as the wal-index says: a commit frame of this generation,
 * with the running checksum over everything before it. So whoever reads the WAL up to there gets exactly this state.
 */
export function assertLastFrame(walPath: string, index: WalIndex): void {
  const at = walBytes(Math.max(0, index.frames - 1), index.pageSize) || walHeaderBytes;
  const frame = readAt(walPath, at, frameHeaderBytes);
  const stands =
    frame.length === frameHeaderBytes &&
    readWalSalt(walPath) === index.salt &&
    frame.readUInt32BE(4) === index.pages &&
    frame.toString("hex", 8, 16) === index.salt &&
    frame.readUInt32BE(16) === index.frameChecksum[0] &&
    frame.readUInt32BE(20) === index.frameChecksum[1];
  if (!stands) {
    throw new ActionError(
      "FREEZE_FAILED",
      `Frame ${index.frames} of ${walPath} is not the commit that the wal-index says it is.`,
    );
  }
}

function readAt(path: string, offset: number, length: number): Buffer {
  let file: number;
  try {
    file = openSync(fsPath(path), "r");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return Buffer.alloc(0);
    throw error;
  }
  try {
    const available = Math.max(0, Math.min(length, fstatSync(file).size - offset));
    const bytes = Buffer.alloc(available);
    const read = available === 0 ? 0 : readSync(file, bytes, 0, available, offset);
    return bytes.subarray(0, read);
  } finally {
    closeSync(file);
  }
}
