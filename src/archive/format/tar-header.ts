/**
 * Tar headers of the archive: one entry becomes a ustar block (made by node-tar) and, where that cannot say everything
 * exactly, a pax extended header before it. The pax records are written and read here as bytes, because node-tar's
 * are strings: they lose names that are not UTF-8, values with a newline, and nanoseconds.
 */
import { Header } from "tar/header";
import { ActionError } from "../../domain/errors.ts";
import { decodePath, encodePath } from "../../system/path-bytes.ts";
import type { EntryFacts, EntryType } from "../view.ts";

export const tarBlockSize = 512;
/** Two zero blocks end a tar. */
export const endOfArchiveSize = 2 * tarBlockSize;

/** What a header says. `path` and a hard link's target include the archive's root directory. */
export type TarEntry = EntryFacts;

const typeNames = {
  file: "File",
  directory: "Directory",
  symlink: "SymbolicLink",
  hardlink: "Link",
} as const;
const typesByFlag: ReadonlyMap<string, EntryType> = new Map(
  Object.entries({
    "0": "file",
    "5": "directory",
    "2": "symlink",
    "1": "hardlink",
  }),
);

const maxOctal11 = 0o77777777777;
const maxOctal7 = 0o7777777;
const nsPerSecond = 1_000_000_000n;

/** Zero bytes that follow `size` bytes of content up to the next block. */
export function paddingAfter(size: number): number {
  return (tarBlockSize - (size % tarBlockSize)) % tarBlockSize;
}

/** The header of an entry: a whole number of blocks, the same bytes for the same entry always. */
export function encodeTarHeader(entry: TarEntry): Buffer {
  const tarPath = entry.type === "directory" ? `${entry.path}/` : entry.path;
  const seconds = entry.mtimeNs / nsPerSecond;
  const inOctal = entry.mtimeNs >= 0n && seconds <= BigInt(maxOctal11);
  // Fields are set one by one: the constructor would go through an object's entries, half a million times.
  const header = new Header();
  header.path = printable(tarPath);
  header.mode = entry.mode;
  // What octal cannot hold stands in the pax record; the field itself stays harmless for old readers.
  header.uid = entry.uid > maxOctal7 ? 0 : entry.uid;
  header.gid = entry.gid > maxOctal7 ? 0 : entry.gid;
  header.size = entry.size > maxOctal11 ? 0 : entry.size;
  header.mtime = new Date(inOctal ? Number(seconds) * 1000 : 0);
  header.type = typeNames[entry.type];
  header.uname = "";
  header.gname = "";
  if (entry.linkTarget !== undefined) header.linkpath = printable(entry.linkTarget);
  const block = Buffer.alloc(tarBlockSize);
  header.encode(block);

  const records: Buffer[] = [];
  const nameIsLong = !fitsHeader(block, tarPath);
  const linkIsLong = entry.linkTarget !== undefined && !isShortAscii(entry.linkTarget);
  if (!tarPath.isWellFormed() || entry.linkTarget?.isWellFormed() === false) {
    records.push(paxRecord("hdrcharset", Buffer.from("BINARY")));
  }
  if (nameIsLong) records.push(paxRecord("path", encodePath(tarPath)));
  if (linkIsLong) records.push(paxRecord("linkpath", encodePath(entry.linkTarget ?? "")));
  if (entry.size > maxOctal11) records.push(paxRecord("size", Buffer.from(String(entry.size))));
  if (entry.uid > maxOctal7) records.push(paxRecord("uid", Buffer.from(String(entry.uid))));
  if (entry.gid > maxOctal7) records.push(paxRecord("gid", Buffer.from(String(entry.gid))));
  if (!inOctal || entry.mtimeNs % nsPerSecond !== 0n) {
    records.push(paxRecord("mtime", Buffer.from(formatTime(entry.mtimeNs))));
  }
  if (records.length === 0) return block;
  return Buffer.concat([...paxBlocks(records), block]);
}

/**
 * Reads the header at the start of `bytes`, which must be exactly that header and nothing more.
 * Throws TAR_HEADER_INVALID for anything `encodeTarHeader` has no reason to write: other types, bad checksums.
 */
export function decodeTarHeader(bytes: Buffer): TarEntry {
  let at = 0;
  let pax: Map<string, Buffer> | undefined;
  if (flagOf(bytes, 0) === "x") {
    const size = readHeader(bytes, 0).size ?? 0;
    at = tarBlockSize + size + paddingAfter(size);
    if (size > bytes.length || at > bytes.length) throw invalid("its extended header is cut off");
    pax = parsePaxRecords(bytes.subarray(tarBlockSize, tarBlockSize + size));
  }
  if (at + tarBlockSize !== bytes.length) throw invalid("it is not as long as the index says");
  const flag = flagOf(bytes, at);
  const type = typesByFlag.get(flag);
  if (type === undefined) throw invalid(`entries of type "${flag}" are not part of a snapshot`);
  const header = readHeader(bytes, at);
  const size = paxNumber(pax, "size") ?? header.size ?? 0;
  const path = pax?.get("path");
  const fullPath = path === undefined ? plainName(bytes, at) : decodePath(path);
  const link = pax?.get("linkpath") ?? cString(bytes.subarray(at + 157, at + 257));
  const mtime = pax?.get("mtime");
  return {
    path: type === "directory" ? fullPath.replace(/\/$/, "") : fullPath,
    type,
    size,
    mode: (header.mode ?? 0) & 0o7777,
    uid: paxNumber(pax, "uid") ?? header.uid ?? 0,
    gid: paxNumber(pax, "gid") ?? header.gid ?? 0,
    mtimeNs:
      mtime === undefined
        ? BigInt(Math.trunc((header.mtime?.getTime() ?? 0) / 1000)) * nsPerSecond
        : parseTime(mtime.toString("latin1")),
    ...(type === "symlink" || type === "hardlink" ? { linkTarget: decodePath(link) } : {}),
  };
}

function readHeader(bytes: Buffer, at: number): Header {
  if (at + tarBlockSize > bytes.length) throw invalid("it is cut off");
  const header = new Header(bytes, at);
  if (!header.cksumValid) throw invalid("its checksum is wrong");
  return header;
}

function flagOf(bytes: Buffer, at: number): string {
  return String.fromCharCode(bytes[at + 156] ?? 0);
}

/** Name and prefix fields of a ustar block. */
export function plainName(bytes: Buffer, at: number): string {
  const name = cString(bytes.subarray(at, at + 100));
  const prefix = cString(bytes.subarray(at + 345, at + 500));
  return decodePath(prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from("/"), name]));
}

export function cString(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return end === -1 ? field : field.subarray(0, end);
}

/** What a ustar field can show of a name that is not UTF-8; the pax record has the bytes. */
function printable(path: string): string {
  return path.isWellFormed() ? path : path.replace(/[\ud800-\udfff]/g, "_");
}

/** True when the ustar fields alone give `path` back. */
function fitsHeader(block: Buffer, path: string): boolean {
  if (path.length <= 100 && block[345] === 0)
    return block.toString("latin1", 0, path.length) === path && isAscii(path);
  return isAscii(path) && plainName(block, 0) === path;
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

function isShortAscii(text: string): boolean {
  return text.length <= 100 && /^[\x20-\x7e]*$/.test(text);
}

/** "<length> <key>=<value>\n", the length counting its own digits. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from("\n")]);
}

function paxBlocks(records: readonly Buffer[]): Buffer[] {
  const body = Buffer.concat(records);
  return [paxHeaderFor(body.length), body, Buffer.alloc(paddingAfter(body.length))];
}

/** The block before pax records: it depends on their length alone. */
const paxHeaders = new Map<number, Buffer>();

function paxHeaderFor(size: number): Buffer {
  const made = paxHeaders.get(size);
  if (made !== undefined) return made;
  const block = Buffer.alloc(tarBlockSize);
  const mtime = new Date(0);
  new Header({ path: "PaxHeader", mode: 0o644, uid: 0, gid: 0, size, mtime, type: "ExtendedHeader" }).encode(
    block,
  );
  paxHeaders.set(size, block);
  return block;
}

export function parsePaxRecords(body: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const digits = space === -1 ? "" : body.toString("latin1", at, space);
    const length = Number(digits);
    const end = at + length;
    const equals = body.indexOf(0x3d, space);
    if (!/^[1-9]\d{0,9}$/.test(digits) || end > body.length || body[end - 1] !== 0x0a || equals >= end) {
      throw invalid("its extended header is malformed");
    }
    const key = body.toString("latin1", space + 1, equals);
    if (equals === -1 || records.has(key)) throw invalid("its extended header is malformed");
    records.set(key, body.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

function paxNumber(pax: ReadonlyMap<string, Buffer> | undefined, key: string): number | undefined {
  const text = pax?.get(key)?.toString("latin1");
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw invalid(`its ${key} is not a number`);
  return value;
}

/** Nanoseconds → decimal seconds, exactly: -1 ns is "-0.000000001". */
function formatTime(ns: bigint): string {
  const size = ns < 0n ? -ns : ns;
  const fraction = String(size % nsPerSecond)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${ns < 0n ? "-" : ""}${size / nsPerSecond}${fraction === "" ? "" : `.${fraction}`}`;
}

/** Decimal seconds → nanoseconds, exactly. Throws TAR_HEADER_INVALID. */
export function parseTime(text: string): bigint {
  const match = /^(-?)(\d{1,15})(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (match === null) throw invalid("its mtime is not a number");
  const size = BigInt(match[2] ?? "0") * nsPerSecond + BigInt((match[3] ?? "").padEnd(9, "0"));
  return match[1] === "-" ? -size : size;
}

function invalid(why: string): ActionError {
  return new ActionError("TAR_HEADER_INVALID", `A tar header cannot be used: ${why}.`);
}
