/**
 * Folds the WALs of databases that were just unpacked into their files, by SQLite's own checkpoint in the check process, so
 * that the node that opens them need not. Only for copies that no node has opened: everywhere else nothing is ever
 * checkpointed by this program.
 */
import { ActionError } from "../domain/errors.ts";
import { openReader } from "./read-only-database.ts";

/** 30 GB on a disk that does 10 MB/s. */
const foldTimeoutMs = 3600_000;

/** `paths` below `dir`. DATABASE_UNREADABLE where SQLite cannot. */
export async function foldWals(dir: string, paths: readonly string[], signal: AbortSignal): Promise<void> {
  if (paths.length === 0) return;
  const reader = await openReader({ dir, signal });
  try {
    for (const path of paths) {
      const [row] = await reader.fold(path, foldTimeoutMs);
      if (row?.["busy"] === 0) continue;
      throw new ActionError(
        "DATABASE_UNREADABLE",
        `The WAL of ${path} cannot be folded into it: it is in use.`,
        {
          hint: "Something else has opened what was just unpacked: find it with `fuser -v`, end it and run again.",
        },
      );
    }
  } finally {
    await reader.end();
  }
}
