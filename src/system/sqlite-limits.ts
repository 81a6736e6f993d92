/**
 * How much a database that others wrote may take of this machine. A view or a row can be made to grow without end, and a
 * time limit alone comes after the memory is gone. The heap's limit is the process's, so it belongs into a process apart.
 */
import type { DatabaseSync } from "node:sqlite";

/** Page caches, sorters and an index of a WAL of tens of gigabytes fit. */
const heapBytes = 512 * 1024 * 1024;
/** Of one text or blob: far above any block or contract. */
const valueBytes = 64 * 1024 * 1024;
/** Of all rows of one answer, as text. */
const answerChars = 128 * 1024 * 1024;

export function limitMemory(connection: DatabaseSync): void {
  connection.exec(`PRAGMA hard_heap_limit = ${heapBytes}`);
  connection.limits.length = valueBytes;
}

/** Every row as `plain` makes it. A RangeError where they are more than any question here asks for. */
export function collectRows<T extends object>(
  rows: Iterable<Record<string, unknown>>,
  plain: (row: Record<string, unknown>) => T,
): T[] {
  const found: T[] = [];
  let chars = 0;
  for (const row of rows) {
    const made = plain(row);
    for (const value of Object.values(made)) chars += 16 + (typeof value === "string" ? value.length : 0);
    if (chars > answerChars) throw new RangeError("the answer is far larger than that of any chainstate");
    found.push(made);
  }
  return found;
}
