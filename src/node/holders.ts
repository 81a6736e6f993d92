/**
 * Who has the chainstate open. stacks-node takes no lock, so the only proof that nobody works in a directory is that no
 * process has any of its files open. Files are told by device and inode: a container sees them under other names.
 */
import { lstatSync, readdirSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { isWriteOnceDirectory } from "../chainstate/layout.ts";
import { ActionError, hasCode, throwIfAborted } from "../domain/errors.ts";
import type { Clock } from "../system/clock.ts";
import { poll } from "../system/poll.ts";
import type { Privilege } from "../system/privilege.ts";
import {
  describeProcess,
  fileKey,
  findHolders,
  listStats,
  mayWrite,
  openFilesCommand,
  readFileLocks,
  readStat,
  readStatus,
  withDescendants,
} from "../system/proc.ts";
import type { ProcessId } from "../system/proc.ts";

export interface ChainstateFile {
  /** Below the chainstate directory. */
  readonly path: string;
  readonly key: string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
}

/** The files a node can have open: everything but the flat block files. A directory that is not there has none. */
export async function listChainstateFiles(
  chainstateDir: string,
  signal: AbortSignal,
): Promise<ChainstateFile[]> {
  const files: ChainstateFile[] = [];
  const pending = [""];
  for (let below = pending.pop(); below !== undefined; below = pending.pop()) {
    throwIfAborted(signal);
    try {
      for (const entry of await readdir(path.join(chainstateDir, below), { withFileTypes: true })) {
        const relative = path.join(below, entry.name);
        if (entry.isDirectory()) {
          // Written once, no database among them, and to walk them would double the downtime.
          if (!isWriteOnceDirectory(relative)) pending.push(relative);
        } else if (entry.isFile() || entry.isSymbolicLink()) {
          const file = describeFile(chainstateDir, relative);
          if (file !== undefined) files.push(file);
        }
      }
    } catch (error) {
      if (hasCode(error, "ENOENT")) continue;
      if (!hasCode(error, "EACCES")) throw error;
      throw new ActionError(
        "DIRECTORY_UNREADABLE",
        `This runner may not read ${path.join(chainstateDir, below)}, so it cannot be seen who works there.`,
        { cause: error, hint: "Run the runner as the node's own user, or as root." },
      );
    }
  }
  return files;
}

/** At once: a trip to another thread for each of tens of thousands of files is seconds of downtime. */
function describeFile(directory: string, relative: string): ChainstateFile | undefined {
  const full = path.join(directory, relative);
  try {
    const link = lstatSync(full, { bigint: true });
    // A `.blobs` may be a link to another disk; the file behind it is what the node has open.
    const info = link.isSymbolicLink() ? statSync(full, { bigint: true }) : link;
    if (!info.isFile()) return undefined;
    return {
      path: relative,
      key: fileKey(info.dev, info.ino),
      uid: Number(info.uid),
      gid: Number(info.gid),
      mode: Number(info.mode),
      sizeBytes: Number(info.size),
      mtimeNs: info.mtimeNs,
    };
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

export interface Holder extends ProcessId {
  /** One of the files it has open, below the chainstate directory. */
  readonly file: string;
  readonly fileCount: number;
  /** Its user is root or may write to the file. Undefined: cannot be seen. */
  readonly mayWrite: boolean | undefined;
}

export interface HolderScan {
  readonly holders: readonly Holder[];
  readonly files: number;
  readonly seen: number;
  /** Processes of other users that could not be looked at. */
  readonly unseen: number;
  readonly seesMapped: boolean;
  /** How far "nobody" can be believed; see `requireSeen`. */
  readonly view: "whole" | "own-files" | "partial";
  /** Files of the directory that a process which could not be looked at has a lock on. */
  readonly lockedByOthers: readonly string[];
}

/**
 * Everybody who has a file of the chainstate open, this process and its children left out. Where other users' processes
 * cannot be looked at, the kernel's table of locks is: SQLite has a lock on each database that it has open in WAL mode.
 */
export async function scanHolders(
  chainstateDir: string,
  privilege: Privilege,
  signal: AbortSignal,
): Promise<HolderScan> {
  for (let tries = 1; ; tries += 1) {
    const { lockers, ...scan } = await scanOnce(chainstateDir, privilege, signal);
    // One of ours has opened a file after it was looked at: the next look finds it.
    const isLate = lockers.length > 0 && lockers.every(mayLookAt);
    if (!isLate || tries === 3) return scan;
  }
}

/** True for what is gone, too: its locks are gone with it. */
function mayLookAt(pid: number): boolean {
  try {
    readdirSync(`/proc/${pid}/fd`);
    return true;
  } catch (error) {
    return hasCode(error, "ENOENT");
  }
}

async function scanOnce(
  chainstateDir: string,
  privilege: Privilege,
  signal: AbortSignal,
): Promise<HolderScan & { readonly lockers: readonly number[] }> {
  const files = await listChainstateFiles(chainstateDir, signal);
  const byKey = new Map(files.map((file) => [file.key, file]));
  const scan = await findHolders(new Set(byKey.keys()), privilege);
  const own = withDescendants(listStats(), process.pid);
  const holders: Holder[] = [];
  let nameless = 0;
  for (const [pid, keys] of scan.holders) {
    if (own.has(pid)) continue;
    const stat = readStat(pid);
    if (stat === undefined) {
      // Gone since; or, where /proc hides the processes of others, there and not to be told from any other.
      if (scan.hidden) nameless += 1;
      continue;
    }
    // A node makes and removes files at every poll of the burn chain. What was listed and has gone by now says nothing: its inode
    // may be that of another node's file, in another directory.
    const standing = [...keys]
      .flatMap((key) => byKey.get(key) ?? [])
      .filter((each) => stands(chainstateDir, each));
    const [file] = standing;
    if (file === undefined) continue;
    const status = readStatus(pid);
    holders.push({
      pid,
      startTicks: stat.startTicks,
      file: file.path,
      fileCount: standing.length,
      mayWrite: status === undefined ? undefined : mayWrite(file, status),
    });
  }
  const { seen, seesMapped } = scan;
  const unseen = scan.unseen + nameless;
  const isWhole = unseen === 0 && (!scan.hidden || scan.asRoot);
  const view = isWhole ? "whole" : areOwn(files) ? "own-files" : "partial";
  const known = new Set([...own, ...holders.map(({ pid }) => pid)]);
  const locks = (isWhole ? [] : locksOf(files, known)).filter(({ file }) => stands(chainstateDir, file));
  const lockedByOthers = [...new Set(locks.map(({ file }) => file.path))];
  const lockers = locks.map(({ pid }) => pid);
  return { holders, files: files.length, seen, unseen, seesMapped, view, lockedByOthers, lockers };
}

const stands = (directory: string, { path: relative, key }: ChainstateFile): boolean =>
  describeFile(directory, relative)?.key === key;

function areOwn(files: readonly ChainstateFile[]): boolean {
  return files.every(({ uid }) => uid === process.geteuid?.());
}

/** Locks that processes outside `known` have on these files. */
function locksOf(
  files: readonly ChainstateFile[],
  known: ReadonlySet<number>,
): readonly { readonly file: ChainstateFile; readonly pid: number }[] {
  const locks = readFileLocks().filter(({ pid }) => !known.has(pid));
  return files.flatMap((file) => {
    const [device = "", inode] = file.key.split(":");
    const [major, minor] = splitDevice(BigInt(device));
    return locks
      .filter(
        (lock) =>
          lock.inode === inode &&
          // The table names the file system, which is not the device of a file where that is a subvolume's or an overlay's.
          ((lock.major === major && lock.minor === minor) || (major === 0 && lock.major === 0)),
      )
      .map(({ pid }) => ({ file, pid }));
  });
}

function splitDevice(device: bigint): readonly [number, number] {
  return [Number((device >> 8n) & 0xfffn), Number((device & 0xffn) | ((device >> 12n) & 0xfff00n))];
}

/**
 * Throws unless "nobody has a file open" can be believed of a scan that found nobody: PRIVILEGE_MISSING where processes
 * could not be looked at and the directory is not this user's own, DIRECTORY_IN_USE where one of those has a lock.
 */
export function requireSeen(scan: HolderScan, chainstateDir: string): void {
  const [locked] = scan.lockedByOthers;
  if (locked !== undefined) {
    throw new ActionError(
      "DIRECTORY_IN_USE",
      `A process of another user, which this runner may not look at, has a lock on ${path.join(chainstateDir, locked)}.`,
      { hint: seeOthersHint },
    );
  }
  if (scan.view !== "partial") return;
  throw new ActionError(
    "PRIVILEGE_MISSING",
    `Whether a process of another user has files of ${chainstateDir} open cannot be seen by this runner, so it is not known whether a node works there.`,
    { hint: seeOthersHint },
  );
}

const seeOthersHint =
  "Allow the `find` line in sudoers (docs/permissions.md), run the runner as the node's own user, or as root. " +
  `The command is: sudo -n ${openFilesCommand.join(" ").replaceAll("\n", "\\n")}`;

/** What a scan that found nobody says, for the evidence. */
export function describeNobody(scan: HolderScan): string {
  const unseen =
    scan.view === "whole"
      ? ""
      : `; nobody has a lock on them either, ${scan.unseen} processes of other users could not be looked at`;
  return `none of ${scan.seen} processes has any of ${scan.files} files ${scan.seesMapped ? "open or mapped" : "open"}${unseen}`;
}

/** The holders that were not started by another holder: one for each program that works in the directory. */
export function rootHolders(holders: readonly Holder[]): readonly Holder[] {
  if (holders.length < 2) return holders;
  const stats = listStats();
  const families = holders.map(({ pid }) => withDescendants(stats, pid));
  return holders.filter((holder, at) =>
    families.every((family, other) => other === at || !family.has(holder.pid)),
  );
}

export function describeHolders(holders: readonly Holder[]): string {
  const shown = holders.slice(0, 3).map(({ pid, file }) => `${describeProcess(pid)} (${file})`);
  return shown.join("; ") + (holders.length > 3 ? `; and ${holders.length - 3} more` : "");
}

/** Whoever may only read the chainstate is not its node, whatever it calls itself. DIRECTORY_IN_USE. */
export function requireWriter(holder: Holder): void {
  if (holder.mayWrite !== false) return;
  throw new ActionError(
    "DIRECTORY_IN_USE",
    `${describeProcess(holder.pid)} has ${holder.file} of the chainstate open, and its user may not write there: it is not the node.`,
    { hint: "End it, and see who may read the chainstate." },
  );
}

const readerMs = 3_000;

/**
 * Throws unless at most one program works in the directory, and unless that can be seen. A reader that is gone within
 * three seconds (a monitoring query, say) does not count.
 */
export async function requireSingleHolder(
  chainstateDir: string,
  privilege: Privilege,
  clock: Clock,
  signal: AbortSignal,
): Promise<Holder | undefined> {
  let scan: HolderScan | undefined;
  let roots: readonly Holder[] = [];
  const single = await poll({ everyMs: 250, limitMs: readerMs, signal, clock }, async () => {
    scan = await scanHolders(chainstateDir, privilege, signal);
    roots = rootHolders(scan.holders);
    return roots.length <= 1 && scan.lockedByOthers.length === 0 ? { holder: roots[0], scan } : undefined;
  });
  if (single !== undefined) {
    if (single.holder === undefined) requireSeen(single.scan, chainstateDir);
    else requireWriter(single.holder);
    return single.holder;
  }
  if (scan !== undefined && roots.length <= 1) requireSeen(scan, chainstateDir);
  const names = roots.map(({ pid }) => describeProcess(pid));
  const programs = new Set(names.map((name) => name.slice(0, name.lastIndexOf(","))));
  const who = describeHolders(roots);
  if (programs.size === 1) {
    throw new ActionError("NODE_AMBIGUOUS", `Two nodes work in ${chainstateDir}: ${who}.`, {
      hint: "Stop one of them: two nodes on one directory destroy it.",
    });
  }
  throw new ActionError(
    "DIRECTORY_IN_USE",
    `More than one program has files of ${chainstateDir} open: ${who}.`,
    { hint: "End the one that is not the node, then run again." },
  );
}
