/**
 * Frees space in a cache: what nobody has used for days goes first, then, where space is missing, the least recently used.
 * Nothing that is in use goes: to remove a seed is to hold its lock alone for the moment in which it is set aside.
 */
import { readdir, rename, rm, stat } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { tryLock } from "../system/process-lock.ts";
import { spaceAt } from "../system/space.ts";
import { discardTree } from "./clone.ts";
import type { Places } from "./places.ts";
import { treeOf, useMarkOf } from "./seal.ts";

export interface CacheLimits {
  /** A seed that no job has used for this long is removed. */
  readonly unusedMs: number;
  /** What a dead filler left is kept this long, so that the next one can go on with it. */
  readonly abandonedMs: number;
  /** This share of the file system stays free, because jobs write to their clones. */
  readonly keepFreeShare: number;
  /** How long a job waits for the one that fills. */
  readonly waitMs: number;
}

const dayMs = 24 * 3600_000;

export const cacheLimits: CacheLimits = {
  unusedMs: 14 * dayMs,
  abandonedMs: dayMs,
  keepFreeShare: 0.05,
  waitMs: 6 * 3600_000,
};

export interface SpaceRequest {
  readonly neededBytes: number;
  /** Is about to be filled by the caller, who has its lock: what is left of it stays. */
  readonly forKey: string;
  readonly now: number;
}

interface Candidate {
  readonly key: string;
  readonly path: string;
  readonly usedAt: number;
  readonly isSeed: boolean;
}

/** Returns the keys of the seeds that were removed, and whether `neededBytes` are free now. */
export async function freeSpace(
  places: Places,
  limits: CacheLimits,
  request: SpaceRequest,
): Promise<{ readonly removed: readonly string[]; readonly fits: boolean }> {
  await sweep(places);
  const removed: string[] = [];
  const candidates = (await findCandidates(places)).filter(({ key }) => key !== request.forKey);
  const fits = async (): Promise<boolean> => {
    const { freeBytes, totalBytes } = await spaceAt(places.root);
    return freeBytes >= request.neededBytes + totalBytes * limits.keepFreeShare;
  };
  for (const { key, path, usedAt, isSeed } of candidates) {
    const isOld = request.now - usedAt > (isSeed ? limits.unusedMs : limits.abandonedMs);
    if (!isOld && (await fits())) continue;
    const lock = tryLock(lockOf(places, key));
    if (lock === undefined) continue;
    let aside;
    try {
      aside = await setAside(places, path);
    } finally {
      lock.release();
    }
    if (aside === undefined) continue;
    await removeAside(aside);
    if (isSeed) removed.push(key);
  }
  return { removed, fits: await fits() };
}

export function lockOf(places: Places, key: string): string {
  return join(places.locks, `${key}.lock`);
}

/** From here on it does not count; whoever calls has the lock alone. Undefined: it was gone already. */
export async function setAside(places: Places, path: string): Promise<string | undefined> {
  const aside = join(places.going, randomBytes(8).toString("hex"));
  try {
    await rename(path, aside);
    return aside;
  } catch (error) {
    if ((await stat(path).catch(() => undefined)) === undefined) return undefined;
    throw error;
  }
}

export async function removeAside(aside: string): Promise<void> {
  await discardTree(treeOf(aside));
  await discardTree(aside);
}

/** What was set aside by a process that died before it was removed. Two may remove the same at once. */
async function sweep(places: Places): Promise<void> {
  for (const name of await readdir(places.going)) {
    await removeAside(join(places.going, name)).catch(
      async () => await rm(join(places.going, name), quietly),
    );
  }
}

const quietly = { recursive: true, force: true } as const;

/** What can be removed, least recently used first; what dead fillers left goes before whole seeds. */
async function findCandidates(places: Places): Promise<readonly Candidate[]> {
  const found: Candidate[] = [];
  for (const [folder, isSeed] of [
    [places.filling, false],
    [places.seeds, true],
  ] as const) {
    for (const key of await readdir(folder)) {
      const path = join(folder, key);
      const marked = await stat(isSeed ? useMarkOf(path) : treeOf(path)).catch(() => undefined);
      found.push({ key, path, isSeed, usedAt: marked?.mtimeMs ?? 0 });
    }
  }
  return found.toSorted((a, b) => Number(a.isSeed) - Number(b.isSeed) || a.usedAt - b.usedAt);
}
