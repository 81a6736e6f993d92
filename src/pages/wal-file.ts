/**
 * SQLite's write-ahead log as a file (https://sqlite.org/walformat.html, https://sqlite.org/fileformat2.html#walformat):
 * a header of 32 bytes, then frames of 24 bytes and a page, each with a running checksum over all before it. Read as
 * SQLite recovers it, up to the last commit that checks out; and continued by one more transaction.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { endianness } from "node:os";
import { throwIfAborted } from "../domain/errors.ts";
import { fsPath } from "../system/path-bytes.ts";
import { writeFully } from "../system/write-fully.ts";

export const walHeaderBytes = 32;
export const frameHeaderBytes = 24;

/** Its lowest bit says how the words are read that checksums are made over: 1 for big-endian. Everything else is big-endian. */
const walMagic = 0x377f0682;
const walVersion = 3_007_000;
/** Gathered before they are written, or read at once. */
const bufferedFrames = 256;

type Checksum = readonly [number, number];

/** Where a WAL ends and how it goes on. */
export interface WalEnd {
  /** Up to the end of the last commit. */
  readonly bytes: number;
  readonly pageSize: number;
  readonly isBigEndian: boolean;
  /** Eight bytes, as in each frame. */
  readonly salts: Buffer;
  readonly checksum: Checksum;
}

export interface CommittedWal extends WalEnd {
  /** Of the database, after the last commit. */
  readonly pages: number;
  /** Page (from 1) to where its newest committed bytes stand in the file. */
  readonly offsets: ReadonlyMap<number, number>;
}

export function isPageSize(size: number): boolean {
  return size >= 512 && size <= 65_536 && (size & (size - 1)) === 0;
}

/** The page that holds the byte at 1 GiB, which SQLite locks and never writes to: its bytes mean nothing. */
export function lockPageOf(pageSize: number): number {
  return 2 ** 30 / pageSize + 1;
}

/** "none" where nothing is committed in it, "too-large" where it has more than `mostFrames` frames. */
export async function readWal(
  path: string,
  size: number,
  mostFrames: number,
  signal: AbortSignal,
): Promise<CommittedWal | "none" | "too-large"> {
  if (size < walHeaderBytes) return "none";
  const file = await open(fsPath(path), "r");
  try {
    const header = parseHeader(await readExactly(file, 0, walHeaderBytes));
    if (header === undefined) return "none";
    const frameBytes = frameHeaderBytes + header.pageSize;
    if (Math.floor((size - walHeaderBytes) / frameBytes) > mostFrames) return "too-large";
    const walk = new Walk(header);
    for (let at = walHeaderBytes; at + frameBytes <= size;) {
      throwIfAborted(signal);
      const frames = Math.min(bufferedFrames, Math.floor((size - at) / frameBytes));
      const bytes = await readExactly(file, at, frames * frameBytes);
      const isWhole = bytes.length === frames * frameBytes;
      if (!walk.take(bytes, at) || !isWhole) break;
      at += bytes.length;
    }
    return walk.committed ?? "none";
  } finally {
    await file.close();
  }
}

/** What a header of 32 bytes says, with nothing committed behind it; undefined where it is none. */
export function parseHeader(header: Buffer): WalEnd | undefined {
  if (header.length < walHeaderBytes) return undefined;
  const magic = header.readUInt32BE(0);
  const pageSize = header.readUInt32BE(8);
  if (magic >>> 1 !== walMagic >>> 1 || header.readUInt32BE(4) !== walVersion || !isPageSize(pageSize))
    return undefined;
  const isBigEndian = (magic & 1) === 1;
  const checksum = checksumOf(header.subarray(0, 24), [0, 0], isBigEndian);
  if (checksum[0] !== header.readUInt32BE(24) || checksum[1] !== header.readUInt32BE(28)) return undefined;
  return {
    bytes: walHeaderBytes,
    pageSize,
    isBigEndian,
    salts: Buffer.from(header.subarray(16, 24)),
    checksum,
  };
}

/**
 * Where a WAL goes on behind the commit frame that `frame` is, with `bytes` in it up to there. Undefined where the frame is
 * none of that WAL. Its page is not looked at.
 */
export function endAfter(header: WalEnd, frame: Buffer, bytes: number, pages: number): WalEnd | undefined {
  const isOurs = frame.subarray(8, 16).equals(header.salts) && frame.readUInt32BE(4) === pages;
  return isOurs
    ? { ...header, bytes, checksum: [frame.readUInt32BE(16), frame.readUInt32BE(20)] }
    : undefined;
}

class Walk {
  readonly #header: WalEnd;
  readonly #offsets = new Map<number, number>();
  #checksum: Checksum;
  #pending: [page: number, offset: number][] = [];
  committed: CommittedWal | undefined;

  constructor(header: WalEnd) {
    this.#header = header;
    this.#checksum = header.checksum;
  }

  /** False: the WAL ends in these frames. */
  take(frames: Buffer, offset: number): boolean {
    const { pageSize, salts, isBigEndian } = this.#header;
    const frameBytes = frameHeaderBytes + pageSize;
    for (let at = 0; at + frameBytes <= frames.length; at += frameBytes) {
      const frame = frames.subarray(at, at + frameBytes);
      const page = frame.readUInt32BE(0);
      if (page === 0 || !frame.subarray(8, 16).equals(salts)) return false;
      this.#checksum = checksumOf(frame.subarray(0, 8), this.#checksum, isBigEndian);
      this.#checksum = checksumOf(frame.subarray(frameHeaderBytes), this.#checksum, isBigEndian);
      if (this.#checksum[0] !== frame.readUInt32BE(16) || this.#checksum[1] !== frame.readUInt32BE(20))
        return false;
      this.#pending.push([page, offset + at + frameHeaderBytes]);
      const pages = frame.readUInt32BE(4);
      if (pages > 0) this.#commit(offset + at + frameBytes, pages);
    }
    return true;
  }

  #commit(bytes: number, pages: number): void {
    for (const [page, place] of this.#pending) this.#offsets.set(page, place);
    this.#pending = [];
    this.committed = { ...this.#header, bytes, checksum: this.#checksum, pages, offsets: this.#offsets };
  }
}

/**
 * Writes one transaction behind `end` into a file that has the WAL's bytes up to there, or at least those that anybody is
 * going to read. Pages come one by one; the last one is the commit.
 */
export class WalWriter {
  readonly #file: FileHandle;
  readonly #end: WalEnd;
  readonly #buffer: Buffer;
  #buffered = 0;
  #at: number;
  #checksum: Checksum;
  #held: { readonly page: number; readonly bytes: Buffer } | undefined;

  constructor(file: FileHandle, end: WalEnd) {
    this.#file = file;
    this.#end = end;
    this.#at = end.bytes;
    this.#checksum = end.checksum;
    // Of its own, so that its words are aligned.
    this.#buffer = Buffer.from(new ArrayBuffer(bufferedFrames * (frameHeaderBytes + end.pageSize)));
  }

  /** Bytes of the WAL with all that was added. */
  get bytes(): number {
    const held = this.#held === undefined ? 0 : frameHeaderBytes + this.#end.pageSize;
    return this.#at + this.#buffered + held;
  }

  async add(page: number, bytes: Buffer): Promise<void> {
    await this.#writeHeld(0);
    this.#held = { page, bytes: Buffer.from(bytes) };
  }

  /** `pages`: of the database. */
  async commit(pages: number): Promise<void> {
    await this.#writeHeld(pages);
    await this.#flush();
  }

  async #writeHeld(commits: number): Promise<void> {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    const { salts, pageSize, isBigEndian } = this.#end;
    const frame = this.#buffer.subarray(this.#buffered, this.#buffered + frameHeaderBytes + pageSize);
    frame.writeUInt32BE(held.page, 0);
    frame.writeUInt32BE(commits, 4);
    salts.copy(frame, 8);
    held.bytes.copy(frame, frameHeaderBytes);
    this.#checksum = checksumOf(frame.subarray(0, 8), this.#checksum, isBigEndian);
    this.#checksum = checksumOf(frame.subarray(frameHeaderBytes), this.#checksum, isBigEndian);
    frame.writeUInt32BE(this.#checksum[0], 16);
    frame.writeUInt32BE(this.#checksum[1], 20);
    this.#buffered += frame.length;
    if (this.#buffered === this.#buffer.length) await this.#flush();
  }

  async #flush(): Promise<void> {
    await writeFully(this.#file, this.#buffer.subarray(0, this.#buffered), this.#at);
    this.#at += this.#buffered;
    this.#buffered = 0;
  }
}

/** The header of a WAL that begins anew, and where it goes on. */
export function newWal(pageSize: number): { readonly header: Buffer; readonly end: WalEnd } {
  const header = Buffer.alloc(walHeaderBytes);
  header.writeUInt32BE(walMagic, 0);
  header.writeUInt32BE(walVersion, 4);
  header.writeUInt32BE(pageSize, 8);
  randomBytes(8).copy(header, 16);
  const checksum = checksumOf(header.subarray(0, 24), [0, 0], false);
  header.writeUInt32BE(checksum[0], 24);
  header.writeUInt32BE(checksum[1], 28);
  const end = parseHeader(header);
  if (end === undefined) throw new RangeError(`No page size: ${pageSize}`);
  return { header, end };
}

const isBigEndianHere = endianness() === "BE";

/** Over whole pairs of words. */
function checksumOf(bytes: Buffer, before: Checksum, isBigEndian: boolean): Checksum {
  let words = bytes;
  if (isBigEndian !== isBigEndianHere || words.byteOffset % 4 !== 0) {
    words = Buffer.from(new ArrayBuffer(bytes.length));
    bytes.copy(words);
    if (isBigEndian !== isBigEndianHere) words.swap32();
  }
  const view = new Uint32Array(words.buffer, words.byteOffset, words.length / 4);
  let [one, two] = before;
  for (let at = 0; at < view.length; at += 2) {
    one = (one + (view[at] as number) + two) | 0;
    two = (two + (view[at + 1] as number) + one) | 0;
  }
  return [one >>> 0, two >>> 0];
}

async function readExactly(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) return bytes.subarray(0, done);
    done += bytesRead;
  }
  return bytes;
}
