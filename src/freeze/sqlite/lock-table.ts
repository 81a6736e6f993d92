/**
 * Which locks a process holds, as the kernel says (/proc/locks). SQLite's readers hold a shared lock on one byte of
 * `-shm`; a process that lost it cannot get it back without ending its transaction, so a lock that is there at the end
 * has been there all the time. https://sqlite.org/walformat.html, "WAL Locks".
 */
import { readFile } from "node:fs/promises";
import { poll } from "../../system/poll.ts";

export interface FileLock {
  readonly inode: bigint;
  readonly exclusive: boolean;
  /** First and last locked byte; Infinity for "to the end". */
  readonly start: number;
  readonly end: number;
}

/** Read marks 0 to 4 are bytes 123 to 127 of `-shm`; byte 128 says that the file is in use at all. */
const firstReadLockByte = 123;
const markCount = 5;
const inUseByte = 128;

const lookEveryMs = 25;
/** Long, for a machine on which two looks in a second are many; only a lock that is lost takes all of it. */
const limitMs = 10_000;

/**
 * The read mark that a process which takes and gives back no locks stands on, for each of these `-shm` inodes; those
 * without one are missing. The kernel hands the table out a page at a time, and locks that others take in between can
 * hide a line, so a lock counts as lost only when it stays missing. One that is seen is there.
 */
export async function readMarks(
  pid: number,
  shmInodes: readonly bigint[],
  signal: AbortSignal,
): Promise<ReadonlyMap<bigint, number>> {
  const seen: FileLock[] = [];
  const marks = new Map<bigint, number>();
  await poll({ everyMs: lookEveryMs, limitMs, signal }, async () => {
    seen.push(...parseLocks(await readFile("/proc/locks", "utf8"), pid));
    for (const inode of shmInodes) {
      const mark = readMarkOf(seen, inode);
      if (mark !== undefined) marks.set(inode, mark);
    }
    return marks.size === shmInodes.length ? marks : undefined;
  });
  return marks;
}

/** Lines such as `7: POSIX  ADVISORY  READ 4711 fe:00:131 123 124`; waiting requests have an arrow before their kind. */
export function parseLocks(table: string, pid: number): readonly FileLock[] {
  const locks: FileLock[] = [];
  for (const line of table.split("\n")) {
    const [, kind, , mode, owner, file, start, end] = line.trim().split(/\s+/);
    if (kind !== "POSIX" || Number(owner) !== pid || file === undefined) continue;
    const inode = file.slice(file.lastIndexOf(":") + 1);
    locks.push({
      inode: BigInt(inode),
      exclusive: mode === "WRITE",
      start: Number(start),
      end: end === "EOF" ? Infinity : Number(end),
    });
  }
  return locks;
}

/** The read mark a reader stands on (0: on the database file alone), or undefined when it holds none any more. */
export function readMarkOf(locks: readonly FileLock[], shmInode: bigint): number | undefined {
  const own = locks.filter((lock) => lock.inode === shmInode);
  const covers = (byte: number): boolean => own.some((lock) => lock.start <= byte && byte <= lock.end);
  if (!covers(inUseByte)) return undefined;
  const marks = Array.from({ length: markCount }, (_, mark) => mark);
  return marks.find((mark) => covers(firstReadLockByte + mark));
}
