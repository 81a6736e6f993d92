/**
 * Who has the chainstate open. stacks-node takes no lock, so the only proof that nobody works in a directory is that no
 * process has any of its files open. Files are told by device and inode: a container sees them under other names.
 */
import { lstatSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { hasCode, throwIfAborted } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import type { Privilege } from "../system/privilege.ts";
import {
  describeProcess,
  fileKey,
  findHolders,
  listStats,
  readStat,
  withDescendants,
} from "../system/proc.ts";
import type { ProcessId } from "../system/proc.ts";
import { AmbiguousNodeError, DirectoryInUseError } from "./errors.ts";

export interface ChainstateFile {
  /** Below the chainstate directory. */
  readonly path: string;
  readonly key: string;
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
}

/**
 * Epoch-2 blocks lie in hundreds of thousands of directories named by four hex digits. There is no database in them,
 * they are written once, and to walk them would double the downtime.
 */
const blockFanOut = /^[0-9a-f]{4}$/;

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
          if (!blockFanOut.test(entry.name)) pending.push(relative);
        } else if (entry.isFile() || entry.isSymbolicLink()) {
          const file = describeFile(chainstateDir, relative);
          if (file !== undefined) files.push(file);
        }
      }
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
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
}

export interface HolderScan {
  readonly holders: readonly Holder[];
  readonly files: number;
  readonly seen: number;
  readonly unseen: number;
  readonly seesMapped: boolean;
}

/** Everybody who has a file of the chainstate open, this process and its children left out. */
export async function scanHolders(
  chainstateDir: string,
  privilege: Privilege,
  signal: AbortSignal,
): Promise<HolderScan> {
  const files = await listChainstateFiles(chainstateDir, signal);
  const names = new Map(files.map((file) => [file.key, file.path]));
  const scan = await findHolders(new Set(names.keys()), privilege);
  const own = withDescendants(listStats(), process.pid);
  const holders: Holder[] = [];
  for (const [pid, keys] of scan.holders) {
    if (own.has(pid)) continue;
    const stat = readStat(pid);
    if (stat === undefined) continue;
    const file = names.get([...keys][0] ?? "") ?? "";
    holders.push({ pid, startTicks: stat.startTicks, file, fileCount: keys.size });
  }
  const { seen, unseen, seesMapped } = scan;
  return { holders, files: files.length, seen, unseen, seesMapped };
}

/** The holders that were not started by another holder: one for each program that works in the directory. */
export function rootHolders(holders: readonly Holder[]): readonly Holder[] {
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

const settleMs = 3_000;

/**
 * Throws unless at most one program works in the directory. A reader that is gone within three seconds (a monitoring
 * query, say) does not count.
 */
export async function requireSingleHolder(
  chainstateDir: string,
  privilege: Privilege,
  clock: Clock,
  signal: AbortSignal,
): Promise<Holder | undefined> {
  const deadline = clock.now() + settleMs;
  for (;;) {
    const roots = rootHolders((await scanHolders(chainstateDir, privilege, signal)).holders);
    if (roots.length <= 1) return roots[0];
    if (clock.now() >= deadline) {
      const names = roots.map(({ pid }) => describeProcess(pid));
      const programs = new Set(names.map((name) => name.slice(0, name.lastIndexOf(","))));
      const who = describeHolders(roots);
      if (programs.size === 1) {
        throw new AmbiguousNodeError(`Two nodes work in ${chainstateDir}: ${who}.`, {
          hint: "Stop one of them: two nodes on one directory destroy it.",
        });
      }
      throw new DirectoryInUseError(`More than one program has files of ${chainstateDir} open: ${who}.`, {
        hint: "End the one that is not the node, then run again.",
      });
    }
    await clock.sleep(250, signal);
  }
}
