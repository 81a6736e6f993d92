/**
 * Removes what retention lets go, and what a person names. The order makes every crash harmless: a tombstone, so that nobody lists the snapshot
 * again; out of the catalogue; the manifest, so that it is no snapshot any more; what it has outside the store; its
 * objects; the tombstone. Whoever prunes next finishes what has a tombstone, and clears what dead runs left unfinished.
 */
import type { Retention } from "../domain/options.ts";
import * as v from "valibot";
import { ActionError, describeError, hasCode } from "../domain/errors.ts";
import type { ObjectInfo, ObjectStore } from "../store/port.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { clocksDifferMs, describeAfterNow, type CatalogEntry } from "./catalog.ts";
import {
  claimKey,
  manifestKey,
  readersPrefix,
  snapshotFolder,
  snapshotsPrefix,
  tombstoneKey,
} from "./ids.ts";
import { volumeSchema, type VolumeRecord } from "../domain/manifest.ts";
import { findNamed, inUse, neededBy, requireDeletable, unpin } from "./named.ts";
import { changeCatalog, moveLatestFrom, reconcile } from "./publish.ts";
import { isBeingRead } from "./readers.ts";
import { loadManifest, rebuildEntries } from "./read.ts";
import { decideRetention, type Candidate, type Decision } from "./retention.ts";
import { parseJson, smallBytes } from "./small-objects.ts";

export interface PruneOptions {
  readonly retention: Retention;
  /** Decides and changes nothing. */
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** What the run has just published. */
  readonly published?: string | undefined;
  /** One that is yet to come, of which a dry run asks what it would push out. It is no part of the decisions. */
  readonly expected?: Candidate | undefined;
  /** Ids to remove whatever retention says, and ids that are no longer pinned; see `named.ts`. */
  readonly delete?: readonly string[];
  readonly unpin?: readonly string[];
  /** Without it, snapshots that have volumes stay. */
  readonly volumes?: VolumeRemover;
}

export interface VolumeRemover {
  /** Undefined, or why volumes of this driver, snapshotted on that host, cannot be removed from here. */
  reasonNotRemovable(driver: string, host: string): string | undefined;
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
   * Manifests that cannot be believed, which are left alone for a person to look at; snapshots whose volumes could not
   * be removed, which the next prune tries again; and what `delete` names and a restore began to read at the last moment.
   */
  readonly refused: readonly { readonly id: string; readonly error: ActionError }[];
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
  const { refused } = rebuilt;
  await findNamed(store, rebuilt, options);
  const unpinned = rebuilt.entries.filter(({ id, pinned }) => pinned && options.unpin?.includes(id) === true);
  const entries = rebuilt.entries.map((entry) =>
    unpinned.includes(entry) ? { ...entry, pinned: false } : entry,
  );
  const decisions = await decide(store, entries, options, clock);
  if (!dryRun) await unpin(store, unpinned, clock, signal);
  const afterNow = describeAfterNow(entries, now);
  if (afterNow !== undefined) notices.push(afterNow);
  if (ownClock.now() > now + clocksDifferMs)
    notices.push(`The clock of this host is ahead of the one of ${store.url}; the latter is gone by.`);
  const going = dryRun ? [] : decisions.filter(({ keep }) => !keep).map(({ id }) => id);
  const { removed, failed } = await removeAll(store, going, entries, options, clock);
  const tried = new Set(failed.map(({ id }) => id));
  const buried = await clearFolders(store, clock, options, tried);
  const leftovers = [...buried.cleared, ...(await clearUploads(store, now, options))];
  return {
    decisions,
    entries,
    removed,
    unpinned: unpinned.map(({ id }) => id),
    notices,
    leftovers,
    refused: [...refused, ...failed, ...buried.failed],
  };
}

interface Failed {
  readonly id: string;
  readonly error: ActionError;
}

/** Newest first, so that what is based on a snapshot goes before it, or keeps it here. */
async function removeAll(
  store: ObjectStore,
  going: readonly string[],
  entries: readonly CatalogEntry[],
  options: PruneOptions,
  clock: Clock,
): Promise<{ readonly removed: readonly string[]; readonly failed: readonly Failed[] }> {
  const removed: string[] = [];
  const failed: Failed[] = [];
  const needed = new Map<string, string>();
  for (const id of going) {
    const by = needed.get(id);
    const isNamed = options.delete?.includes(id) === true;
    if (by !== undefined) {
      if (isNamed) failed.push({ id, error: neededBy(id, by) });
      continue;
    }
    try {
      if (await remove(store, id, options, clock)) {
        removed.push(id);
        continue;
      }
      if (isNamed) failed.push({ id, error: inUse(id) });
      for (const base of basesOf(entries, id)) needed.set(base, id);
    } catch (error) {
      if (!hasCode(error, volumeStays)) throw error;
      failed.push({ id, error: error as ActionError });
    }
  }
  return { removed, failed };
}

async function decide(
  store: ObjectStore,
  entries: readonly CatalogEntry[],
  options: PruneOptions,
  clock: Clock,
): Promise<readonly Decision[]> {
  const { expected } = options;
  const facts = { now: clock.now(), published: options.published ?? expected?.id };
  const named = entries.filter(({ id }) => options.delete?.includes(id) === true);
  // As if they were gone already: the next newest stays in the newest one's place.
  const others = entries.filter((entry) => !named.includes(entry));
  const competing = expected === undefined ? others : [expected, ...others];
  const going = decideRetention(competing, options.retention, facts).filter(({ keep }) => !keep);
  const announced = new Set<string>();
  for (const { id } of going) {
    if (await isBeingRead(store, id, clock, options.signal)) announced.add(id);
  }
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const decided = decideRetention(competing, options.retention, { ...facts, announced });
  const decisions = decided
    .filter(({ id }) => byId.has(id))
    .map((decision) => {
      const entry = byId.get(decision.id);
      if (decision.keep || entry === undefined) return decision;
      const reason = hindrance(entry.volumes, entry.host, options);
      return reason === undefined ? decision : { ...decision, keep: true, reasons: [reason] };
    });
  const staying = new Set(decisions.filter(({ keep }) => keep).map(({ id }) => id));
  for (const entry of named) {
    requireDeletable(
      entry,
      others.filter(({ id }) => staying.has(id)),
      hindrance(entry.volumes, entry.host, options),
    );
    if (await isBeingRead(store, entry.id, clock, options.signal)) throw inUse(entry.id);
  }
  const asked = named.map(({ id }) => ({ id, keep: false, reasons: ["named by `delete`"] }));
  const order = entries.map(({ id }) => id);
  return [...decisions, ...asked].toSorted((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
}

function basesOf(entries: readonly CatalogEntry[], id: string): readonly string[] {
  const found = entries.find((entry) => entry.id === id);
  return (found?.volumes ?? []).flatMap(({ requires = [] }) => requires);
}

/** Why a snapshot with these volumes cannot be removed from here; undefined where it can. */
function hindrance(
  volumes: readonly { readonly driver: string }[],
  host: string,
  options: PruneOptions,
): string | undefined {
  if (volumes.length === 0) return undefined;
  if (options.volumes === undefined) return "its volume snapshot cannot be removed from here";
  for (const { driver } of volumes) {
    const reason = options.volumes.reasonNotRemovable(driver, host);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

const tombstoneSchema = v.looseObject({ host: v.optional(v.string(), ""), volumes: v.array(volumeSchema) });
const volumeStays = "VOLUME_STAYS";

/** False when a restore announced itself at the last moment: then nothing was touched. */
async function remove(store: ObjectStore, id: string, options: PruneOptions, clock: Clock): Promise<boolean> {
  const { signal } = options;
  const { volumes, host } = await loadManifest(store, id, signal);
  const tombstone = Buffer.from(`${JSON.stringify({ host, volumes })}\n`);
  await store.put(tombstoneKey(id), tombstone, { contentType: "application/json", signal });
  if (await isBeingRead(store, id, clock, signal)) {
    await store.delete(tombstoneKey(id), signal);
    return false;
  }
  await takeFromCatalog(store, id, clock, signal);
  await finishRemoval(store, id, options);
  return true;
}

async function takeFromCatalog(
  store: ObjectStore,
  id: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  await changeCatalog(store, [], [id], clock, signal);
  await moveLatestFrom(store, id, clock, signal);
}

/** From the tombstone on; safe to repeat. VOLUME_STAYS where a volume could not be removed: the tombstone stays too. */
async function finishRemoval(store: ObjectStore, id: string, options: PruneOptions): Promise<void> {
  const { signal } = options;
  const { bytes } = await store.get(tombstoneKey(id), { signal, atMostBytes: smallBytes });
  await store.delete(manifestKey(id), signal);
  const { volumes, host } = v.parse(tombstoneSchema, parseJson(bytes));
  const stays = hindrance(volumes, host, options) !== undefined;
  if (!stays) for (const volume of volumes) await removeVolume(id, volume, options);
  const keys = await keysBelow(store, `${snapshotFolder(id)}/`, signal);
  for (const key of keys.filter((key) => key !== tombstoneKey(id))) await store.delete(key, signal);
  // Volumes that cannot be removed from here are remembered by the tombstone for somebody who can.
  if (stays) return;
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

/** Folders with a tombstone are finished at once, folders without a manifest when nothing in them is young. */
async function clearFolders(
  store: ObjectStore,
  clock: Clock,
  options: PruneOptions,
  tried: ReadonlySet<string>,
): Promise<{ readonly cleared: string[]; readonly failed: { id: string; error: ActionError }[] }> {
  const { signal, dryRun } = options;
  const now = clock.now();
  const failed: { id: string; error: ActionError }[] = [];
  const folders = new Map<string, ObjectInfo[]>();
  for await (const object of store.list(snapshotsPrefix, signal)) {
    const id = object.key.split("/")[1] ?? "";
    folders.set(id, [...(folders.get(id) ?? []), object]);
  }
  const cleared: string[] = [];
  for (const [id, objects] of folders) {
    const has = (key: string): boolean => objects.some((object) => object.key === key);
    if (has(tombstoneKey(id))) {
      if (tried.has(id)) continue;
      try {
        if (!dryRun) await buryAgain(store, id, has(manifestKey(id)), options, clock);
        cleared.push(`${snapshotFolder(id)}/`);
      } catch (error) {
        if (!hasCode(error, volumeStays)) throw error;
        failed.push({ id, error: error as ActionError });
      }
    } else if (!has(manifestKey(id)) && objects.every((object) => isOld(object.modifiedAt, now))) {
      if (!dryRun) for (const { key } of objects) await store.delete(key, signal);
      cleared.push(`${snapshotFolder(id)}/`);
    } else if (has(manifestKey(id)) && !dryRun) {
      const litter = objects.filter(({ key }) => key === claimKey(id) || key.startsWith(readersPrefix(id)));
      for (const { key, modifiedAt } of litter) {
        if (isOld(modifiedAt, now - deadAfterMs)) await store.delete(key, signal);
      }
    }
  }
  return { cleared, failed };
}

/** A removal that died. One that had not come further than the tombstone gives way to a restore. */
async function buryAgain(
  store: ObjectStore,
  id: string,
  isWhole: boolean,
  options: PruneOptions,
  clock: Clock,
): Promise<void> {
  if (isWhole && (await isBeingRead(store, id, clock, options.signal))) return;
  await takeFromCatalog(store, id, clock, options.signal);
  await finishRemoval(store, id, options);
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
