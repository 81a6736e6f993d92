/** Free space of the file system a path is on, and the question whether something fits. */
import { lstat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { ActionError, hasCode } from "../domain/errors.ts";
import { fsPath } from "./path-bytes.ts";

export interface Space {
  /** Bytes that an unprivileged user may still write. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Undefined on file systems that make inodes as they need them (btrfs, zfs say 0 in all). */
  readonly inodes?: { readonly free: number; readonly total: number };
}

/** Space of the file system that holds `path`, which must exist. */
export async function spaceAt(path: string): Promise<Space> {
  const found = await statfs(fsPath(path));
  return {
    freeBytes: found.bavail * found.bsize,
    totalBytes: found.blocks * found.bsize,
    ...(found.files > 0 ? { inodes: { free: found.ffree, total: found.files } } : {}),
  };
}

/** `path`, or the nearest of those above it that is there. */
export async function nearestExisting(path: string): Promise<string> {
  try {
    await lstat(fsPath(path));
    return path;
  } catch (error) {
    if (!hasCode(error, "ENOENT") && !hasCode(error, "ENOTDIR")) throw error;
    return await nearestExisting(dirname(path));
  }
}

/** Throws SPACE_MISSING unless `needBytes` are free where `path` is. `purpose` completes "… are needed to <purpose>". */
export async function requireSpace(path: string, needBytes: number, purpose: string): Promise<void> {
  const { freeBytes } = await spaceAt(path);
  if (freeBytes >= needBytes) return;
  throw new ActionError(
    "SPACE_MISSING",
    `${formatBytes(needBytes)} are needed to ${purpose}, but the file system of ${path} has ${formatBytes(freeBytes)} free.`,
    { hint: "Free some space or use a larger disk." },
  );
}

/** "512 B", "1.5 GiB": three significant digits, binary units. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  // What would be rounded to 1024 belongs to the next unit.
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit] ?? ""}`;
}

/** "12.3": a share in percent, rounded down, so that 100.0 is all of it. */
export function percentOf(part: number, whole: number): string {
  return (whole === 0 ? 0 : Math.floor((1000 * part) / whole) / 10).toFixed(1);
}
