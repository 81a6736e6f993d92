/**
 * Whether databases that were unpacked hold the very pages that were frozen: the digest over all of them is the one that
 * the manifest has, which was made of the live database and owes nothing to what this host remembered of the night before.
 */
import { createHash } from "node:crypto";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { WorkerPool } from "../archive/workers/worker-pool.ts";
import { hasCode } from "../domain/errors.ts";
import type { DatabaseRecord } from "../domain/manifest.ts";
import { inOrder } from "../system/concurrency.ts";
import { fsPath } from "../system/path-bytes.ts";
import { batchesOf, openDatabase } from "./database.ts";

export interface PagesToVerify {
  /** Absolute; with the WALs of the databases that have one. */
  readonly directory: string;
  readonly records: readonly DatabaseRecord[];
  readonly concurrency: number;
  readonly signal: AbortSignal;
}

/** The databases that hold other pages, each in words. */
export async function differentPages(options: PagesToVerify): Promise<readonly string[]> {
  const { directory, records, concurrency, signal } = options;
  if (records.length === 0) return [];
  const pool = new WorkerPool(concurrency);
  const different: string[] = [];
  try {
    for (const { path, pages, pageSize, sha256 } of records) {
      const source = join(directory, path);
      const { size } = await lstat(fsPath(source));
      const wal = await walOf(source);
      const database = await openDatabase({ source, size }, wal, signal);
      if (database?.pageSize !== pageSize || database.pages !== pages) {
        different.push(`${path} has ${database?.pages ?? "no"} pages instead of ${pages}`);
        continue;
      }
      const hash = createHash("sha256");
      const found = inOrder(batchesOf(database), concurrency + 2, async (request) =>
        pool.use(async (lease) => lease.call({ kind: "pages", ...request, last: undefined }), signal),
      );
      for await (const { digests } of found) hash.update(digests);
      if (hash.digest("hex") !== sha256) different.push(`${path} has other pages`);
    }
  } finally {
    await pool.close();
  }
  return different;
}

async function walOf(
  database: string,
): Promise<{ readonly source: string; readonly size: number } | undefined> {
  const source = `${database}-wal`;
  try {
    const { size } = await lstat(fsPath(source));
    return { source, size };
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}
