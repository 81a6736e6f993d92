/**
 * The mutual exclusion behind the journal: an exclusive SQLite transaction on an empty file, which is a POSIX record lock
 * that the kernel takes away the moment its process dies, however it dies. So a reused pid, a reboot or another pid
 * namespace cannot make a dead run look alive or a live one dead, and two takers cannot both win.
 *
 * POSIX drops all locks of a process when it closes any descriptor of the file: nothing else may ever open a `.lock`.
 * The file itself stays for ever (removing a lock file is a race) and stays empty.
 */
import { DatabaseSync } from "node:sqlite";
import { ActionError } from "../errors.ts";

export interface HeldLock {
  /** Safe to call twice. */
  release(): void;
}

const sqliteBusy = 5;

/**
 * Takes the lock if it is free; undefined when another process (or another holder in this one) has it. Any number may
 * share it as long as nobody has it alone.
 */
export function tryLock(path: string, mode: "alone" | "shared" = "alone"): HeldLock | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    // A transaction that has read shares the lock until it ends.
    const begin = mode === "alone" ? "BEGIN EXCLUSIVE" : "BEGIN; SELECT count(*) FROM sqlite_schema";
    database.exec(`PRAGMA journal_mode = MEMORY; ${begin}`);
  } catch (cause) {
    database?.close();
    if (isBusy(cause)) return undefined;
    throw new ActionError("LOCK_FAILED", `The lock ${path} cannot be taken.`, {
      cause,
      hint: "The state directory must be writable and on a file system with working locks (a local disk, not NFS).",
    });
  }
  const held = database;
  return {
    release() {
      if (held.isOpen) held.close();
    },
  };
}

/** True while somebody holds the lock. A look takes the lock for a moment: takers retry, see `journal.ts`. */
export function isLocked(path: string): boolean {
  const lock = tryLock(path);
  lock?.release();
  return lock === undefined;
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && Number(error.errcode) % 256 === sqliteBusy;
}
