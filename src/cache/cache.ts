/**
 * Pristine copies of restored chainstates on the runner, by snapshot, and clones of them for jobs. Safe for any number of
 * jobs at once and for any of them to be killed at any moment: a kernel lock for each key says who fills and who uses, and
 * it is free the moment its process is gone; a copy counts from the rename that follows its sealing, and not before.
 */
import { mkdir, readdir, rename, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { ActionError, throwIfAborted } from "../domain/errors.ts";
import { syncDirectory } from "../system/atomic-file.ts";
import { tryLock, type AcquiredLock } from "../system/process-lock.ts";
import type { Clock } from "../system/clock.ts";
import { poll } from "../system/poll.ts";
import { formatBytes } from "../system/space.ts";
import { cacheLimits, lockOf, freeSpace, removeAside, setAside, type CacheLimits } from "./evict.ts";
import { canShare, cloneSeed, makeTrialFile, type CloneMethod, type CloneRequest } from "./clone.ts";
import { openPlaces, requireKey, type Places } from "./places.ts";
import { isSealing, readSealed, seal, treeOf, tryMakeSubvolume, useMarkOf, type Notes } from "./seal.ts";

export interface CacheOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What is waited for and what is removed, in words. */
  readonly onInfo: (message: string) => void;
  readonly limits?: Partial<CacheLimits>;
}

export interface FillRequest {
  /** Bytes that the copy will take. */
  readonly neededBytes: number;
  /**
   * Makes `tree` the complete chainstate, on disk, and returns notes to keep with it. `tree` is absent, empty, or what a
   * filler left that died; its parent is the maker's as well.
   */
  readonly make: (tree: string) => Promise<Notes>;
}

/** A pristine copy that stays as it is until `release`. */
export interface Seed {
  readonly tree: string;
  readonly notes: Notes;
  readonly bytes: number;
  /** Independent of the pristine copy, with its modes, writable. Returns how it was made. */
  clone(request: Omit<CloneRequest, "signal">): Promise<CloneMethod>;
  /** Safe to call twice. */
  release(): void;
}

export interface Cache {
  /** The copy of this key, if there is a whole one. */
  take(key: string): Promise<Seed | undefined>;
  /**
   * The copy of this key; where there is none, it is made, by this process or by the one that is at it already.
   * CACHE_FULL, CACHE_WAIT_TIMEOUT, and what `make` throws.
   */
  fill(key: string, request: FillRequest): Promise<{ readonly seed: Seed; readonly filledHere: boolean }>;
  /** The most recently used copy but this one, for its bytes. */
  takeAnother(than: string): Promise<Seed | undefined>;
  /** Clones on the cache's own file system take no space. */
  readonly sharesBlocks: boolean;
}

const lookAgainMs = 250;
/** A copy that changes right after it was made is no copy; something works in the cache's directory. */
const mostFills = 2;

/** CACHE_UNUSABLE where the directory is not, or not only, this user's cache. */
export async function openCache(root: string, options: CacheOptions): Promise<Cache> {
  const places = await openPlaces(root);
  const trial = await makeTrialFile(root);
  return new DirectoryCache(places, trial, await canShare(trial, root), options);
}

class DirectoryCache implements Cache {
  readonly sharesBlocks: boolean;
  readonly #places: Places;
  readonly #trial: string;
  readonly #options: CacheOptions;
  readonly #limits: CacheLimits;

  constructor(places: Places, trial: string, sharesBlocks: boolean, options: CacheOptions) {
    this.#places = places;
    this.#trial = trial;
    this.sharesBlocks = sharesBlocks;
    this.#options = options;
    this.#limits = { ...cacheLimits, ...options.limits };
  }

  async take(key: string): Promise<Seed | undefined> {
    requireKey(key);
    const path = join(this.#places.seeds, key);
    if (!(await exists(path))) return undefined;
    const lock = tryLock(lockOf(this.#places, key), "shared");
    if (lock === undefined) return undefined;
    try {
      const seed = await this.#open(path, lock);
      if (seed !== undefined) return seed;
    } catch (error) {
      lock.release();
      throw error;
    }
    lock.release();
    await this.#dropChanged(key, path);
    return undefined;
  }

  async takeAnother(than: string): Promise<Seed | undefined> {
    const used: { key: string; at: number }[] = [];
    for (const key of await readdir(this.#places.seeds)) {
      const mark = await stat(useMarkOf(join(this.#places.seeds, key))).catch(() => undefined);
      if (key !== than && mark !== undefined) used.push({ key, at: mark.mtimeMs });
    }
    const newest = used.toSorted((a, b) => b.at - a.at)[0];
    return newest === undefined ? undefined : await this.take(newest.key);
  }

  async fill(key: string, request: FillRequest): Promise<{ seed: Seed; filledHere: boolean }> {
    const { clock, signal, onInfo } = this.#options;
    const filled = { count: 0 };
    let hasSaid = false;
    // Sixteen waiters that look at the same moment would be in each other's way.
    const everyMs = lookAgainMs * (0.5 + Math.random());
    const seed = await poll({ everyMs, limitMs: this.#limits.waitMs, signal, clock }, async () => {
      const found = await this.#takeOrMake(key, request, filled);
      if (found === undefined && !hasSaid)
        onInfo(`Another job is filling the cache with ${key}; waiting for it.`);
      hasSaid = true;
      return found;
    });
    if (seed === undefined) throw waitedTooLong(key, this.#limits.waitMs);
    return { seed, filledHere: filled.count > 0 };
  }

  /** Undefined: another has the lock. */
  async #takeOrMake(key: string, request: FillRequest, filled: { count: number }): Promise<Seed | undefined> {
    for (;;) {
      throwIfAborted(this.#options.signal);
      const seed = await this.take(key);
      if (seed !== undefined) return seed;
      const lock = tryLock(lockOf(this.#places, key));
      if (lock === undefined) return undefined;
      try {
        // Whoever had the lock until now may have made it.
        if (await exists(join(this.#places.seeds, key))) continue;
        if (filled.count === mostFills) throw unstable(key);
        filled.count += 1;
        await this.#make(key, request);
      } finally {
        lock.release();
      }
    }
  }

  /** The caller has the lock alone. */
  async #make(key: string, { neededBytes, make }: FillRequest): Promise<void> {
    const { clock, signal, onInfo } = this.#options;
    const request = { neededBytes, forKey: key, now: clock.now() };
    const { removed, fits } = await freeSpace(this.#places, this.#limits, request);
    for (const gone of removed) onInfo(`Removed ${gone} from the cache to free space or because it was old.`);
    if (!fits) throw full(this.#places.root, neededBytes);
    const filling = join(this.#places.filling, key);
    const tree = treeOf(filling);
    if (await isSealing(filling)) await this.#discard(filling);
    await mkdir(filling, { recursive: true, mode: 0o700 });
    if (!(await exists(tree))) await tryMakeSubvolume(tree, filling);
    const notes = await make(tree);
    await seal(filling, { notes, filledAt: new Date(clock.now()).toISOString() }, signal);
    await rename(filling, join(this.#places.seeds, key));
    await syncDirectory(this.#places.seeds);
  }

  async #open(path: string, lock: AcquiredLock): Promise<Seed | undefined> {
    const { clock, signal } = this.#options;
    const record = await readSealed(path, signal);
    if (record === undefined) return undefined;
    const now = new Date(clock.now());
    await utimes(useMarkOf(path), now, now);
    return {
      tree: treeOf(path),
      notes: record.notes,
      bytes: record.inventory.bytes,
      clone: async (request) => await cloneSeed(path, record, this.#trial, { ...request, signal }),
      release: () => lock.release(),
    };
  }

  /** A copy that is not what was sealed is of no use to anybody; while others use it, they are left alone. */
  async #dropChanged(key: string, path: string): Promise<void> {
    const lock = tryLock(lockOf(this.#places, key));
    if (lock === undefined) return;
    try {
      // Another job may have dropped it and made a new one since it was looked at.
      if ((await readSealed(path, this.#options.signal)) !== undefined) return;
      this.#options.onInfo(`${key} in the cache was changed after it was made, and is made anew.`);
      await this.#discard(path);
    } finally {
      lock.release();
    }
  }

  /** The caller has the lock alone. */
  async #discard(path: string): Promise<void> {
    const aside = await setAside(this.#places, path);
    if (aside !== undefined) await removeAside(aside);
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

function full(root: string, neededBytes: number): ActionError {
  return new ActionError(
    "CACHE_FULL",
    `The cache in ${root} has no space for another ${formatBytes(neededBytes)}.`,
    {
      hint: "Put the cache on a larger disk. Copies that jobs use at this moment are never removed.",
    },
  );
}

function unstable(key: string): ActionError {
  return new ActionError("CACHE_UNSTABLE", `${key} in the cache was changed as soon as it was made.`, {
    hint: "Something else works in the cache's directory (a backup, an indexer). Keep it away from there.",
  });
}

function waitedTooLong(key: string, waitMs: number): ActionError {
  return new ActionError(
    "CACHE_WAIT_TIMEOUT",
    `Another job was filling the cache with ${key} for ${Math.round(waitMs / 60_000)} minutes.`,
    { hint: "See what that job does; end it, or run this one without `cache`." },
  );
}
