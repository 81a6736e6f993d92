/**
 * The mutual exclusion behind the journal: an exclusive SQLite transaction on an empty file, which is a POSIX record lock
 * that the kernel takes away the moment its process dies, however it dies. So a reused pid, a reboot or another pid
 * namespace cannot make a dead run look alive or a live one dead, and two takers cannot both win.
 *
 * POSIX drops all locks of a process when it closes any descriptor of the file: nothing else may ever open a `.lock`.
 * The file stays empty. Only its holder removes it (`releaseAndRemove`), and who has taken a lock looks whether the file
 * is still the one that has that name: else another could lock a new one beside it.
 */
import { closeSync, openSync, readdirSync, readlinkSync, realpathSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ActionError } from "../domain/errors.ts";

export interface AcquiredLock {
  /** Safe to call twice. */
  release(): void;
  /** Nobody is expected to need the file soon. Of a lock that is held alone. */
  releaseAndRemove(): void;
}

const sqliteBusy = 5;

/** A connection that nothing holds is closed when memory is collected, and its lock is free then. */
const held = new Set<DatabaseSync>();

/**
 * Takes the lock if it is free; undefined when another process (or another holder in this one) has it. Any number may
 * share it as long as nobody has it alone.
 */
export function tryLock(path: string, mode: "alone" | "shared" = "alone"): AcquiredLock | undefined {
  for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
    makeFile(path);
    const before = identityOf(path);
    const lock = tryLockFile(path, mode);
    if (lock === undefined) return undefined;
    if (before !== undefined && before === identityOf(path) && !holdsRemoved(path)) return lock;
    // It was removed, and perhaps made anew, while it was being locked.
    lock.release();
  }
  return undefined;
}

/** Each of them is lost to a holder that ends at that very moment. */
const mostAttempts = 10;

/** Never opens one that exists: see above. */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o644));
  } catch {
    // It is there; or it cannot be made, and then locking it says so.
  }
}

function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev}:${found.ino}`;
}

/**
 * True where this process has a removed file of that name open. The inode alone does not tell: its number may belong to the
 * next file already. Linux says it of each descriptor; elsewhere there is the inode.
 */
function holdsRemoved(path: string): boolean {
  try {
    const removed = `${join(realpathSync(dirname(path)), basename(path))} (deleted)`;
    return readdirSync("/proc/self/fd").some((fd) => linkOf(`/proc/self/fd/${fd}`) === removed);
  } catch {
    return false;
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // Closed since it was listed.
  }
}

function tryLockFile(path: string, mode: "alone" | "shared"): AcquiredLock | undefined {
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
  const locked = database;
  held.add(locked);
  const release = (): void => {
    if (held.delete(locked)) locked.close();
  };
  return {
    release,
    releaseAndRemove() {
      if (held.has(locked)) rmSync(path, { force: true });
      release();
    },
  };
}

/**
 * True while a process has the lock alone. A look shares it for a moment: takers retry, see `journal.ts`, and of two looks, one of
 * which may take long on a busy machine, neither takes the other for a run.
 */
export function isLocked(path: string): boolean {
  const lock = tryLock(path, "shared");
  lock?.release();
  return lock === undefined;
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && Number(error.errcode) % 256 === sqliteBusy;
}
