/**
 * What the bytes of a database's files say before anybody opens them: is it a database, does a WAL hold more of it, is
 * there a transaction to be rolled back. Opening can answer the last two only by changing files.
 * (https://sqlite.org/fileformat2.html, sections 1.3 and 3)
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { hasCode } from "../domain/errors.ts";
import { fsPath } from "../system/path-bytes.ts";

export interface DatabaseFile {
  /** Bytes of the database file, and of its `-wal` (0 where there is none). */
  readonly sizeBytes: number;
  readonly walBytes: number;
  /** What makes it unusable, in words; undefined where nothing does. */
  readonly damage?: string;
}

const headerBytes = 100;
const magic = Buffer.from("SQLite format 3\0", "latin1");
const journalMagic = Buffer.from("d9d505f920a163d7", "hex");

/** Undefined where there is no such file. */
export function lookAtDatabase(path: string): DatabaseFile | undefined {
  const file = readHead(path, headerBytes);
  if (file === undefined) return undefined;
  const walBytes = readHead(`${path}-wal`, 0)?.size ?? 0;
  const damage = damageOf(file, walBytes) ?? hotJournalOf(path);
  return { sizeBytes: file.size, walBytes, ...(damage === undefined ? {} : { damage }) };
}

interface Head {
  readonly bytes: Buffer;
  readonly size: number;
}

function damageOf({ bytes, size }: Head, walBytes: number): string | undefined {
  // A database that was never checkpointed is an empty file, all of it still in the WAL.
  if (size === 0) return undefined;
  if (bytes.length < headerBytes || bytes.every((byte) => byte === 0)) {
    return size < headerBytes
      ? `is only ${size} bytes long: no database`
      : "begins with zeros: its first page is lost";
  }
  if (!bytes.subarray(0, magic.length).equals(magic)) return "is no SQLite database";
  const pageSize = bytes.readUInt16BE(16) === 1 ? 65_536 : bytes.readUInt16BE(16);
  const versions = [bytes[18], bytes[19]];
  if (
    pageSize < 512 ||
    (pageSize & (pageSize - 1)) !== 0 ||
    versions.some((version) => version !== 1 && version !== 2)
  ) {
    return "has a damaged header";
  }
  // The count is valid where the change counter says so; while a WAL is there the file may still be behind it.
  const pages = bytes.readUInt32BE(28);
  const countIsValid = bytes.readUInt32BE(24) === bytes.readUInt32BE(92);
  if (countIsValid && walBytes === 0 && size < pages * pageSize) {
    return `is cut short: ${size} of ${pages * pageSize} bytes`;
  }
  return undefined;
}

function hotJournalOf(path: string): string | undefined {
  const journal = readHead(`${path}-journal`, journalMagic.length);
  // A journal that is kept (PERSIST) or truncated after its commit has no magic number any more.
  if (journal === undefined || !journal.bytes.equals(journalMagic)) return undefined;
  return "has a hot rollback journal: a transaction was cut off in the middle and has to be rolled back by the node";
}

function readHead(path: string, length: number): Head | undefined {
  let file: number;
  try {
    file = openSync(fsPath(path), "r");
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(length);
    const read = readSync(file, bytes, 0, length, 0);
    return { bytes: bytes.subarray(0, read), size: fstatSync(file).size };
  } finally {
    closeSync(file);
  }
}
