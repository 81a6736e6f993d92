/**
 * A database as SQLite reads it: the pages of its file, and over them those that its WAL has committed. A checkpoint that
 * runs meanwhile writes to the file only pages that the WAL has, so no page that may be half written is looked at.
 */
import { open } from "node:fs/promises";
import type { ViewEntry } from "../archive/view.ts";
import type { PagesRequest } from "../archive/workers/worker-protocol.ts";
import { fsPath } from "../system/path-bytes.ts";
import { isPageSize, lockPageOf, readWal } from "./wal-file.ts";

const magic = Buffer.from("SQLite format 3\0", "latin1");
const headerBytes = 100;
/** A WAL with more is not looked into: where each page stands is kept in memory. 4 GB of pages of 4 KiB. */
const mostFrames = 1_000_000;
/** Of pages that are asked for at once. */
const batchBytes = 4 * 1024 * 1024;

export interface Database {
  readonly source: string;
  readonly walSource: string;
  readonly pageSize: number;
  /** Of the database, committed ones in the WAL among them. */
  readonly pages: number;
  /** Bytes of the WAL up to its last commit; 0 where it has none. */
  readonly walEnd: number;
  /** Page to its place in the WAL. */
  readonly inWal: ReadonlyMap<number, number>;
}

/** Undefined: it is no database in WAL mode, or not a whole one. */
export async function openDatabase(
  { source, size }: Pick<ViewEntry, "source" | "size">,
  wal: Pick<ViewEntry, "source" | "size"> | undefined,
  signal: AbortSignal,
): Promise<Database | undefined> {
  if (source === undefined) return undefined;
  const pageSize = await pageSizeOf(source);
  if (pageSize === undefined || size % pageSize !== 0) return undefined;
  const plain = { source, walSource: "", pageSize, pages: size / pageSize, walEnd: 0, inWal: new Map() };
  if (wal?.source === undefined) return plain;
  const committed = await readWal(wal.source, wal.size, mostFrames, signal);
  if (committed === "none") return plain;
  if (committed === "too-large" || committed.pageSize !== pageSize) return undefined;
  const { pages, bytes, offsets } = committed;
  for (let page = size / pageSize + 1; page <= pages; page += 1) if (!offsets.has(page)) return undefined;
  return { source, walSource: wal.source, pageSize, pages, walEnd: bytes, inWal: offsets };
}

/** Of a database whose header says WAL mode. */
async function pageSizeOf(path: string): Promise<number | undefined> {
  const file = await open(fsPath(path), "r");
  try {
    const header = Buffer.alloc(headerBytes);
    const { bytesRead } = await file.read(header, 0, headerBytes, 0);
    if (bytesRead < headerBytes || !header.subarray(0, magic.length).equals(magic)) return undefined;
    if (header[18] !== 2 || header[19] !== 2) return undefined;
    const size = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
    return isPageSize(size) ? size : undefined;
  } finally {
    await file.close();
  }
}

/** What to ask the workers for, pages in order; `last` is left to the caller. */
export function* batchesOf(database: Database): Generator<Omit<PagesRequest, "last">> {
  const { source, walSource, pageSize, pages, inWal } = database;
  const most = Math.max(1, Math.floor(batchBytes / pageSize));
  for (let firstPage = 1; firstPage <= pages; firstPage += most) {
    const count = Math.min(most, pages - firstPage + 1);
    const elsewhere: number[] = [];
    for (let page = firstPage; inWal.size > 0 && page < firstPage + count; page += 1) {
      const offset = inWal.get(page);
      if (offset !== undefined) elsewhere.push(page, offset);
    }
    yield {
      source,
      otherSource: walSource,
      pageSize,
      firstPage,
      count,
      elsewhere: Float64Array.from(elsewhere),
      ignoredPage: lockPageOf(pageSize),
    };
  }
}
