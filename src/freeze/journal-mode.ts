/** Tells databases from other files by their content, not by their names. */
import { closeSync, openSync, readSync } from "node:fs";
import { hasCode } from "../domain/errors.ts";
import { fsPath } from "../system/path-bytes.ts";

const smallestPage = 512;

/**
 * What the first 100 bytes of a file of `size` bytes say. "none": it is no SQLite database; those are whole pages, so that
 * most other files are told without being opened.
 */
export function journalModeOf(path: string, size: number): "wal" | "rollback" | "none" {
  if (size === 0 || size % smallestPage !== 0) return "none";
  const head = readHead(path, 100);
  if (head.length < 100 || head.toString("latin1", 0, 16) !== "SQLite format 3\0") return "none";
  return head[18] === 2 && head[19] === 2 ? "wal" : "rollback";
}

/** Empty where there is no such file. */
function readHead(path: string, length: number): Buffer {
  let file: number;
  try {
    file = openSync(fsPath(path), "r");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return Buffer.alloc(0);
    throw error;
  }
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, 0));
  } finally {
    closeSync(file);
  }
}
