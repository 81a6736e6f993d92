/**
 * What a night changed, told without a line of what archives it: pages of databases that have other bytes than before, what
 * files have behind their old end, and new files; each page, piece and file compressed by itself.
 */
import { hash } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { blobsPaths, blocksPath, databasePaths } from "./hash-keyed.ts";

export interface Changed {
  readonly bytes: number;
  readonly compressedBytes: number;
}

const pageBytes = 4096;
const pieceBytes = 4 * 1024 * 1024;
const digestBytes = 20;
const level = { params: { [constants.ZSTD_c_compressionLevel]: 3 } };

export class Changes {
  readonly #data: string;
  readonly #pages = new Map<string, Buffer>();
  readonly #ends = new Map<string, number>();
  #files = new Set<string>();

  constructor(data: string) {
    this.#data = data;
    this.#look(() => undefined);
  }

  /** Since the last time. A page in a WAL counts, and once more when it has got into the file: with few live frames that is little. */
  since(): Changed {
    let [bytes, compressedBytes] = [0, 0];
    this.#look((piece) => {
      bytes += piece.length;
      compressedBytes += zstdCompressSync(piece, level).length;
    });
    return { bytes, compressedBytes };
  }

  #look(take: (piece: Uint8Array) => void): void {
    for (const path of databasePaths) {
      this.#pagesOf(path, take);
      const wal = join(this.#data, `${path}-wal`);
      if (existsSync(wal)) eachPiece(wal, 0, pageBytes, take);
    }
    for (const path of blobsPaths) {
      const file = join(this.#data, path);
      eachPiece(file, this.#ends.get(path) ?? 0, pieceBytes, take);
      this.#ends.set(path, statSync(file).size);
    }
    const files = blockFilesIn(join(this.#data, blocksPath));
    for (const file of files) if (!this.#files.has(file)) take(readFileSync(file));
    this.#files = files;
  }

  #pagesOf(path: string, take: (page: Uint8Array) => void): void {
    const file = join(this.#data, path);
    const last = this.#pages.get(path) ?? Buffer.alloc(0);
    const next = Buffer.alloc((statSync(file).size / pageBytes) * digestBytes);
    let at = 0;
    eachPiece(file, 0, pieceBytes, (piece) => {
      for (let from = 0; from < piece.length; from += pageBytes, at += digestBytes) {
        const page = piece.subarray(from, from + pageBytes);
        const digest = hash("sha1", page, "buffer");
        digest.copy(next, at);
        if (!digest.equals(last.subarray(at, at + digestBytes))) take(page);
      }
    });
    this.#pages.set(path, next);
  }
}

function eachPiece(file: string, from: number, size: number, take: (piece: Uint8Array) => void): void {
  const descriptor = openSync(file, "r");
  const piece = Buffer.alloc(size);
  for (let at = from; ;) {
    const length = readSync(descriptor, piece, 0, size, at);
    if (length === 0) break;
    take(piece.subarray(0, length));
    at += length;
  }
  closeSync(descriptor);
}

function blockFilesIn(blocks: string): Set<string> {
  const files = new Set<string>();
  for (const entry of readdirSync(blocks, { withFileTypes: true, recursive: true }))
    if (entry.isFile() && !entry.name.includes(".")) files.add(join(entry.parentPath, entry.name));
  return files;
}
