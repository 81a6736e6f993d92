/**
 * Removes what retention lets go, and what a person names. The order makes every crash harmless: a tombstone, so that nobody lists the snapshot
 * again; out of the catalogue; what it has outside the store, which its manifest alone says; the manifest, so that it is no snapshot
 * any more; its objects; the tombstone. Whoever prunes next finishes what has a tombstone, and clears what dead runs left unfinished.
 */
import { ActionError, describeError, hasCode } from "../domain/errors.ts";
import type { ObjectInfo, ObjectStore } from "../store/port.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { byNewest, clocksDifferMs, describeAfterNow, type CatalogEntry } from "./catalog.ts";
import {
  claimKey,
  manifestKey,
  readersPrefix,
  signatureOf,
  snapshotFolder,
  snapshotsPrefix,
  tombstoneKey,
} from "./ids.ts";
import type { VolumeRecord } from "../domain/manifest.ts";
import { decide, type Asked } from "./decide-removals.ts";
import { putMark } from "./marks.ts";
import { findNamed, inUse, neededBy, unpin } from "./named.ts";
import { changeCatalog, moveLatestFrom, reconcile } from "./publish.ts";
import { isBeingRead } from "./readers.ts";
import { loadManifest, rebuildEntries, type Refused } from "./read.ts";
import type { Decision } from "./retention.ts";
import type { ManifestSigner } from "./signing/signer.ts";

export interface PruneOptions extends Asked {
  /** Decides and changes nothing. */
  readonly dryRun: boolean;
  readonly clock?: Clock;
  /** Ids that are no longer pinned; see `named.ts`. */
  readonly unpin?: readonly string[];
  readonly volumes?: VolumeRemover;
  /** Signs what is marked: without it those with `trusted-signers` believe no mark. */
  readonly signer?: ManifestSigner | undefined;
}

export interface VolumeRemover extends NonNullable<Asked["volumes"]> {
  /** Removing what is gone is no error. */
  remove(volume: VolumeRecord): Promise<void>;
}

export interface Pruned {
  /** Newest first, one for each snapshot there was. */
  readonly decisions: readonly Decision[];
  /** What the catalogue says of each of them. */
  readonly entries: readonly CatalogEntry[];
  readonly removed: readonly string[];
  /** Of those named by `unpin`, which were pinned; with `dryRun` those that are. */
  readonly unpinned: readonly string[];
  /** What people should know of the clocks that dated the snapshots. */
  readonly notices: readonly string[];
  /** Uploads and folders that dead runs left, by key; with `dryRun` those that would be removed. */
  readonly leftovers: readonly string[];
  /**
   * Manifests and marks that cannot be believed, which are left alone for a person to look at; snapshots whose volumes could not
   * be removed, which the next prune tries again; and what `delete` names and a restore began to read at the last moment.
   */
  readonly refused: readonly Refused[];
}

/** An upload or a folder without a manifest may belong to a run that is still writing until it is this old. */
const deadAfterMs = 24 * 3600_000;

/** Nothing is removed where what is named cannot be: errors as `findNamed` and `requireDeletable`. */
export async function prune(store: ObjectStore, options: PruneOptions): Promise<Pruned> {
  const { signal, dryRun } = options;
  const ownClock = options.clock ?? systemClock;
  const storeNow = dryRun ? undefined : await timeOfStore(store, ownClock, signal);
  const clock = storeNow === undefined ? ownClock : notAheadOf(ownClock, storeNow);
  const now = clock.now();
  const notices: string[] = [];
  const rebuilt = dryRun ? await rebuildEntries(store, signal) : await reconcile(store, clock, signal);
  await findNamed(store, rebuilt, options);
  const all = [...rebuilt.entries, ...rebuilt.going].toSorted(byNewest);
  const unpinned = all.filter(({ id, pinned }) => pinned && options.unpin?.includes(id) === true);
  const entries = all.map((entry) => (unpinned.includes(entry) ? { ...entry, pinned: false } : entry));
  const begun = new Set(rebuilt.going.map(({ id }) => id));
  const found = { entries, begun, doubted: rebuilt.doubted };
  const { decisions, unfinished } = await decide(store, found, options, clock);
  const marking = { clock, signal, signer: options.signer };
  if (!dryRun) await unpin(store, unpinned, marking);
  const afterNow = describeAfterNow(entries, now);
  if (afterNow !== undefined) notices.push(afterNow);
  if (ownClock.now() > now + clocksDifferMs)
    notices.push(`The clock of this host is ahead of the one of ${store.url}; the latter is gone by.`);
  const going = dryRun ? [] : decisions.filter(({ keep }) => !keep).map(({ id }) => id);
  const { removed, failed } = await removeAll(store, going, found, options, clock);
  const leftovers = [
    ...(await clearFolders(store, clock, options)),
    ...(await clearUploads(store, now, options)),
  ];
  return {
    decisions,
    entries,
    removed,
    unpinned: unpinned.map(({ id }) => id),
    notices,
    leftovers,
    refused: [...rebuilt.refused, ...unfinished, ...failed],
  };
}

/** Newest first, so that what is based on a snapshot goes before it, or keeps it here. */
async function removeAll(
  store: ObjectStore,
  going: readonly string[],
  { entries, begun }: { readonly entries: readonly CatalogEntry[]; readonly begun: ReadonlySet<string> },
  options: PruneOptions,
  clock: Clock,
): Promise<{ readonly removed: readonly string[]; readonly failed: readonly Refused[] }> {
  const removed: string[] = [];
  const failed: Refused[] = [];
  const needed = new Map<string, string>();
  for (const id of going) {
    const by = needed.get(id);
    const isNamed = options.delete?.includes(id) === true;
    if (by !== undefined) {
      if (isNamed) failed.push({ id, error: neededBy(id, by) });
      continue;
    }
    try {
      if (await remove(store, id, begun.has(id), options, clock)) {
        removed.push(id);
        continue;
      }
      if (isNamed) failed.push({ id, error: inUse(id) });
      for (const base of basesOf(entries, id)) needed.set(base, id);
    } catch (error) {
      // Another prune has removed it meanwhile.
      if (hasCode(error, "SNAPSHOT_NOT_FOUND")) continue;
      if (!hasCode(error, volumeStays)) throw error;
      failed.push({ id, error: error as ActionError });
    }
  }
  return { removed, failed };
}

function basesOf(entries: readonly CatalogEntry[], id: string): readonly string[] {
  const found = entries.find((entry) => entry.id === id);
  return (found?.volumes ?? []).flatMap(({ requires = [] }) => requires);
}

const volumeStays = "VOLUME_STAYS";

/**
 * False when a restore announced itself at the last moment: then nothing was touched. VOLUME_STAYS where a volume could not be removed:
 * the manifest stays too, for the next prune. Safe to repeat.
 */
async function remove(
  store: ObjectStore,
  id: string,
  isBegun: boolean,
  options: PruneOptions,
  clock: Clock,
): Promise<boolean> {
  const { signal, signer } = options;
  const { volumes } = await loadManifest(store, id, signal);
  await putMark(store, "deleted", id, { clock, signal, signer });
  if (await isBeingRead(store, id, clock, signal)) {
    // One that another run has put may be what that one goes by.
    if (!isBegun) {
      await store.delete(tombstoneKey(id), signal);
      await store.delete(signatureOf(tombstoneKey(id)), signal);
    }
    return false;
  }
  await changeCatalog(store, [], [id], clock, signal);
  await moveLatestFrom(store, id, clock, signal);
  for (const volume of volumes) await removeVolume(id, volume, options);
  await removeFolder(store, id, signal);
  return true;
}

async function removeFolder(store: ObjectStore, id: string, signal: AbortSignal): Promise<void> {
  await store.delete(manifestKey(id), signal);
  const keys = await keysBelow(store, `${snapshotFolder(id)}/`, signal);
  for (const key of keys.filter((key) => key !== tombstoneKey(id))) await store.delete(key, signal);
  await store.delete(tombstoneKey(id), signal);
}

async function removeVolume(
  id: string,
  volume: VolumeRecord,
  { volumes, signal }: PruneOptions,
): Promise<void> {
  try {
    await volumes?.remove(volume);
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new ActionError(
      volumeStays,
      `The volume snapshot ${volume.snapshot} of ${id} could not be removed (${describeError(cause)}).`,
      { cause, hint: "The next prune tries again." },
    );
  }
}

/** Folders without a manifest: those with a tombstone at once, others when nothing in them is young. */
async function clearFolders(
  store: ObjectStore,
  clock: Clock,
  { signal, dryRun }: PruneOptions,
): Promise<readonly string[]> {
  const now = clock.now();
  const folders = new Map<string, ObjectInfo[]>();
  for await (const object of store.list(snapshotsPrefix, signal)) {
    const id = object.key.split("/")[1] ?? "";
    folders.set(id, [...(folders.get(id) ?? []), object]);
  }
  const cleared: string[] = [];
  for (const [id, objects] of folders) {
    const has = (key: string): boolean => objects.some((object) => object.key === key);
    if (has(manifestKey(id))) {
      const litter = objects.filter(({ key }) => key === claimKey(id) || key.startsWith(readersPrefix(id)));
      for (const { key, modifiedAt } of litter) {
        if (!dryRun && isOld(modifiedAt, now - deadAfterMs)) await store.delete(key, signal);
      }
    } else if (has(tombstoneKey(id)) || objects.every((object) => isOld(object.modifiedAt, now))) {
      if (!dryRun) await removeFolder(store, id, signal);
      cleared.push(`${snapshotFolder(id)}/`);
    }
  }
  return cleared;
}

async function clearUploads(
  store: ObjectStore,
  now: number,
  options: PruneOptions,
): Promise<readonly string[]> {
  const cleared: string[] = [];
  for await (const { token, startedAt } of store.listUploads(snapshotsPrefix, options.signal)) {
    if (!isOld(startedAt, now)) continue;
    if (!options.dryRun) await store.abortUpload(token, options.signal);
    cleared.push(token.key);
  }
  return cleared;
}

/** Written to learn what the time is where the objects are dated. */
const timeKey = "time.json";

/**
 * The time by the clock that dates the objects, where it is not our own: a host whose clock is a day ahead would take what others are
 * at for left behind. Undefined where the store dates nothing.
 */
async function timeOfStore(
  store: ObjectStore,
  clock: Clock,
  signal: AbortSignal,
): Promise<number | undefined> {
  const bytes = Buffer.from(`${JSON.stringify({ at: new Date(clock.now()).toISOString() })}\n`);
  await store.put(timeKey, bytes, { contentType: "application/json", signal });
  const found = await store.head(timeKey, signal);
  await store.delete(timeKey, signal);
  return found?.modifiedAt?.getTime();
}

function notAheadOf(clock: Clock, storeNow: number): Clock {
  const aheadMs = Math.max(0, clock.now() - storeNow);
  return { now: () => clock.now() - aheadMs, sleep: async (ms, signal) => await clock.sleep(ms, signal) };
}

/** What has no date is never old. */
function isOld(at: Date | undefined, now: number): boolean {
  return at !== undefined && now - at.getTime() > deadAfterMs;
}

async function keysBelow(store: ObjectStore, prefix: string, signal: AbortSignal): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, signal)) keys.push(key);
  return keys;
}
