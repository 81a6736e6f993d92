/** A database on its way into the archive by what changed in it, and where its WAL goes on. */
import type { FileHandle } from "node:fs/promises";
import { segmentSizeBytes } from "../archive/format/segments.ts";
import type { ViewEntry } from "../archive/view.ts";
import type { DatabaseRecord } from "../domain/manifest.ts";
import { BaseFile, type BaseArchive } from "./base-file.ts";
import type { LastDigests } from "./page-state.ts";
import {
  endAfter,
  frameHeaderBytes,
  newWal,
  parseHeader,
  walHeaderBytes,
  type WalEnd,
  type WalWriter,
} from "./wal-file.ts";

export interface BegunWal {
  /** In the base; undefined where there is none. */
  readonly wal: BaseFile | undefined;
  readonly kept: number;
  readonly bytes: Buffer;
  readonly end: WalEnd;
}

export interface Carrying {
  readonly baseId: string;
  readonly record: DatabaseRecord;
  readonly last: LastDigests;
  readonly file: BaseFile;
  readonly wal: BaseFile | undefined;
  /** Bytes of the WAL that are in the base alone; behind them it is in the file `source`. */
  readonly keptBytes: number;
  readonly source: string;
  readonly output: FileHandle;
  readonly writer: WalWriter;
  readonly mostBytes: number;
  changedPages: number;
  /** Why, in words. */
  givenUp: string | undefined;
  /** A page of the sample that is not what its blocks say. */
  different: number | undefined;
}

export interface Carried {
  readonly walBytes: number;
  readonly carried: NonNullable<DatabaseRecord["carried"]>;
  readonly file: ViewEntry;
  readonly wal: ViewEntry | undefined;
}

/** Words for the log: why a database is archived as it is. */
export class NotCarriedError extends Error {
  override readonly name = "NotCarriedError";
}

/** Where the WAL goes on: how much of it stands in frames of its own, and the bytes behind that. */
export async function beginWal(
  base: BaseArchive,
  { path, pageSize, pages, walBytes }: DatabaseRecord,
  signal: AbortSignal,
): Promise<BegunWal> {
  if (walBytes === 0) {
    const { header, end } = newWal(pageSize);
    return { wal: undefined, kept: 0, bytes: header, end };
  }
  const wal = BaseFile.of(base, `${path}-wal`);
  const lastFrame = walBytes - frameHeaderBytes - pageSize;
  if (wal === undefined || wal.size < walBytes || lastFrame < walHeaderBytes)
    throw new NotCarriedError(`${base.id} does not have its WAL`);
  const kept = Math.floor(wal.alone(lastFrame) / segmentSizeBytes) * segmentSizeBytes;
  const bytes = await wal.read(kept, walBytes, signal);
  const header = kept === 0 ? bytes.subarray(0, walHeaderBytes) : await wal.read(0, walHeaderBytes, signal);
  const parsed = parseHeader(header);
  const end = parsed && endAfter(parsed, bytes.subarray(lastFrame - kept), walBytes, pages);
  if (end?.pageSize !== pageSize) throw new NotCarriedError(`${base.id} has another WAL of it`);
  return { wal, kept, bytes, end };
}
