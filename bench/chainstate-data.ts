/**
 * Chainstate-shaped data for benches: the files, proportions and compressibility of a mainnet chainstate (about 3 : 1),
 * from a seed, so that every machine measures the same bytes.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

export interface ChainstateShape {
  /** Bytes of all files together, about. */
  readonly sizeBytes: number;
  /** Epoch-2 block files among them. */
  readonly smallFiles: number;
  /** Where those go; default: where they are in a chainstate. */
  readonly blocks?: string;
}

/** Share of the bytes that is not in block files, by path. The blobs are append-only, the rest are databases. */
const bigFiles = [
  { path: "chainstate/vm/clarity/marf.sqlite.blobs", share: 0.44, kind: "trie" },
  { path: "chainstate/vm/clarity/marf.sqlite", share: 0.2, kind: "table" },
  { path: "chainstate/vm/index.sqlite", share: 0.08, kind: "table" },
  { path: "chainstate/vm/index.sqlite.blobs", share: 0.08, kind: "trie" },
  { path: "chainstate/blocks/nakamoto.sqlite", share: 0.14, kind: "block" },
  { path: "burnchain/sortition/marf.sqlite", share: 0.06, kind: "table" },
] as const;

type Kind = (typeof bigFiles)[number]["kind"];

const pageBytes = 4096;
const chunkPages = 1024;
const smallFileShare = 0.07;

/** Writes the mode directory's files below `directory`, which is made. */
export function writeChainstate(directory: string, shape: ChainstateShape): void {
  const random = new Random(0x5eed);
  const small = Math.floor(shape.sizeBytes * smallFileShare);
  for (const file of bigFiles) {
    const size = Math.floor(((shape.sizeBytes - small) * file.share) / pageBytes) * pageBytes;
    writePages(join(directory, file.path), size, file.kind, random);
  }
  smallFiles(blocksOf(directory, shape), shape.smallFiles, small, random);
}

/** `bytes` more at the end of a file, which is made where there is none. */
export function growFile(path: string, bytes: number, kind: Kind, seed: number): void {
  const descriptor = openSync(path, "a+");
  appendPages(descriptor, undefined, bytes, kind, new Random(0x5eed + seed));
  closeSync(descriptor);
}

/** So many block files with about so many bytes together, in directories as a node has them. */
export function writeSmallFiles(blocks: string, count: number, sizeBytes: number, seed: number): void {
  smallFiles(blocks, count, sizeBytes, new Random(0x5eed + seed));
}

/** Of the pages of a database keyed by hashes, how many a night with `share` more rows touches: bench/segment-size.ts. */
const touchedPagesPerShare = 14.6;
const rowBytes = 160;

/**
 * A night in which the chainstate grows by `share`: blobs, block tables and block files get new bytes at their end or
 * files beside the others; of the databases keyed by hashes, random pages get a row, and new pages come at the end.
 */
export function addNight(directory: string, shape: ChainstateShape, share: number, night: number): void {
  const random = new Random(0x5eed + night);
  const small = Math.floor(shape.sizeBytes * smallFileShare);
  for (const file of bigFiles) {
    const path = join(directory, file.path);
    const descriptor = openSync(path, "r+");
    const { size } = fstatSync(descriptor);
    if (file.kind === "table")
      touchPages(descriptor, size, Math.min(1, share * touchedPagesPerShare), random);
    appendPages(descriptor, size, Math.ceil((size * share) / pageBytes) * pageBytes, file.kind, random);
    closeSync(descriptor);
  }
  smallFiles(
    blocksOf(directory, shape),
    Math.ceil(shape.smallFiles * share),
    Math.ceil(small * share),
    random,
  );
}

function blocksOf(directory: string, { blocks }: ChainstateShape): string {
  return blocks ?? join(directory, "chainstate/blocks");
}

function touchPages(descriptor: number, size: number, touched: number, random: Random): void {
  const page = Buffer.alloc(pageBytes);
  for (let at = 0; at < size; at += pageBytes) {
    if (random.next() >= touched * 0x1_0000_0000) continue;
    readSync(descriptor, page, 0, pageBytes, at);
    const row = 64 + (random.next() % (pageBytes - 1024));
    page.copyWithin(row + rowBytes, row, pageBytes - rowBytes);
    page.write(`clarity-hash::${hex(random)}${hex(random)}${hex(random)}${hex(random)}`, row);
    writeSync(descriptor, page, 0, pageBytes, at);
  }
}

function smallFiles(blocks: string, count: number, sizeBytes: number, random: Random): void {
  const page = Buffer.alloc(pageBytes * 16);
  const average = Math.max(1, Math.floor(sizeBytes / Math.max(1, count)));
  for (let n = 0; n < count; n += 1) {
    const name = `${hex(random)}${hex(random)}${hex(random)}${hex(random)}`.repeat(2);
    const path = join(blocks, name.slice(0, 4), name.slice(4, 8), name);
    const size = Math.min(page.length, 1 + (random.next() % (2 * average)));
    for (let at = 0; at < size; at += pageBytes) fillPage(page, at, "block", random);
    mkdirSync(dirname(path), { recursive: true });
    const descriptor = openSync(path, "w");
    writeSync(descriptor, page, 0, size);
    closeSync(descriptor);
  }
}

function writePages(path: string, size: number, kind: Kind, random: Random): void {
  mkdirSync(dirname(path), { recursive: true });
  const descriptor = openSync(path, "w");
  appendPages(descriptor, 0, size, kind, random);
  closeSync(descriptor);
}

/** `from` undefined: behind what there is. */
function appendPages(
  descriptor: number,
  from: number | undefined,
  size: number,
  kind: Kind,
  random: Random,
): void {
  const chunk = Buffer.alloc(chunkPages * pageBytes);
  for (let done = 0; done < size; done += chunk.length) {
    const length = Math.min(chunk.length, size - done);
    for (let at = 0; at < length; at += pageBytes) fillPage(chunk, at, kind, random);
    writeSync(descriptor, chunk, 0, length, from === undefined ? null : from + done);
  }
}

/** One page: hashes and signatures, which do not compress, between structure and text, which does. */
function fillPage(buffer: Buffer, start: number, kind: Kind, random: Random): void {
  buffer.fill(0, start, start + pageBytes);
  let at = start;
  const end = start + pageBytes - 256;
  if (kind === "trie") {
    // Trie nodes: an id, a path, children as (character, back pointer, offset) and the hash of each.
    while (at < end) {
      buffer.writeUInt8(random.next() & 3, at);
      buffer.writeUInt32LE(random.next() & 0xfffff, at + 1);
      for (let child = 0; child < 6; child += 1)
        buffer.writeUInt16LE(random.next() & 0x3ff, at + 8 + child * 10);
      at = random.fill(buffer, at + 80, 32);
    }
  } else if (kind === "table") {
    // Rows keyed by the hex of a hash, with a value of text.
    buffer.writeUInt8(13, at);
    at += 64;
    while (at < end - 256) {
      at += buffer.write(`clarity-hash::${hex(random)}${hex(random)}${hex(random)}${hex(random)}`, at);
      at += buffer.write(`vm::SP000000000000000000002Q6VF78.pox-${random.next() & 7}::balance::`, at);
      at += buffer.write(hex(random), at);
      at += 8;
    }
  } else {
    // Transactions: signature, addresses, a contract call.
    while (at < end - 400) {
      at = random.fill(buffer, at + 16, 65);
      at = random.fill(buffer, at + 12, 20);
      at +=
        buffer.write("contract-call? .arkadiko-swap-v2-1 swap-x-for-y (token-x-trait <ft-trait>)", at) + 24;
      buffer.writeUInt32LE(random.next() & 0xffff, at);
      at += 160;
    }
  }
}

function hex(random: Random): string {
  return random.next().toString(16).padStart(8, "0");
}

/** xorshift128: fast, and the same everywhere. */
class Random {
  readonly #state: Uint32Array;

  constructor(seed: number) {
    this.#state = new Uint32Array([seed, 0x9e3779b9, 0x243f6a88, 0xb7e15162]);
  }

  next(): number {
    const state = this.#state;
    const last = state[0] ?? 0;
    let mixed = state[3] ?? 0;
    mixed ^= mixed << 11;
    mixed ^= mixed >>> 8;
    state[3] = state[2] ?? 0;
    state[2] = state[1] ?? 0;
    state[1] = last;
    state[0] = mixed ^ last ^ (last >>> 19);
    return state[0];
  }

  /** Fills `length` bytes (a multiple of 4 is rounded up to) and returns where they end. */
  fill(buffer: Buffer, at: number, length: number): number {
    for (let done = 0; done < length; done += 4) buffer.writeUInt32LE(this.next(), at + done);
    return at + length;
  }
}
