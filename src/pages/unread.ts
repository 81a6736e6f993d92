/**
 * Which pages of a database need not be read: those that share their blocks with the clone of what the last snapshot has. They
 * have the digests that they had then.
 */
import { constants, open, type FileHandle } from "node:fs/promises";
import type { DatabaseRecord } from "../domain/manifest.ts";
import { sharedBytes } from "../system/extents.ts";
import { fsPath } from "../system/path-bytes.ts";
import { openDatabase, type Database } from "./database.ts";

/** A file of a clone. */
export interface ClonedFile {
  readonly source: string;
  readonly size: number;
}

/** A database as the last snapshot has it. */
export interface ClonedDatabase {
  readonly file: ClonedFile;
  readonly wal: ClonedFile | undefined;
}

export class SamePages {
  readonly #bits: Uint8Array;
  readonly #pages: number;
  count = 0;
  /** Of the clone, which no other file need have any more: what it costs. */
  readonly ownBytes: number;
  /** In so many the file is now: a clone of it takes as much longer. */
  readonly pieces: number;

  constructor(pages: number, found: { readonly ownBytes: number; readonly pieces: number }) {
    this.#pages = pages;
    this.#bits = new Uint8Array(Math.ceil((pages + 1) / 8));
    this.ownBytes = found.ownBytes;
    this.pieces = found.pieces;
  }

  has(page: number): boolean {
    return page <= this.#pages && ((this.#bits[page >>> 3] ?? 0) & (1 << (page & 7))) !== 0;
  }

  add(page: number): void {
    if (page > this.#pages || this.has(page)) return;
    this.#bits[page >>> 3] = (this.#bits[page >>> 3] ?? 0) | (1 << (page & 7));
    this.count += 1;
  }

  /** 1 for each that is the same. Undefined: none is. */
  among(firstPage: number, count: number): Uint8Array | undefined {
    const same = new Uint8Array(count);
    for (let at = 0; at < count; at += 1) same[at] = this.has(firstPage + at) ? 1 : 0;
    return same.includes(1) ? same : undefined;
  }
}

/** In words why it cannot be told: then all are read. `last` is on the file system of `now`, and nobody writes to either. */
export async function samePages(
  last: ClonedDatabase,
  now: Database,
  record: Pick<DatabaseRecord, "pageSize" | "pages">,
  signal: AbortSignal,
): Promise<SamePages | string> {
  const before = await openDatabase(last.file, last.wal, signal);
  const { pageSize, pages } = record;
  if (before?.pageSize !== pageSize || before.pages !== pages || now.pageSize !== pageSize)
    return "the kept clone holds another state of it";
  const one = await openFile(last.file.source);
  try {
    const other = await openFile(now.source);
    try {
      const shared = await sharedBytes(one, other, signal);
      if (typeof shared === "string") return shared;
      const size = Math.min((await one.stat()).size, (await other.stat()).size);
      const same = new SamePages(Math.min(Math.floor(size / pageSize), pages, now.pages), {
        ownBytes: Math.max(0, last.file.size - shared.bytes),
        pieces: shared.pieces,
      });
      for (let index = 0; index < shared.count; index += 1) {
        const { start, end } = shared.at(index);
        for (let page = Math.ceil(start / pageSize) + 1; page * pageSize <= end; page += 1)
          // The first tells whether the others are, and a WAL holds newer ones than the file.
          if (page > 1 && !before.inWal.has(page) && !now.inWal.has(page)) same.add(page);
      }
      return same;
    } finally {
      await other.close();
    }
  } finally {
    await one.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  return await open(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW);
}
