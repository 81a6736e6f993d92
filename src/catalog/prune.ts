/**
 * Removes what retention lets go. The order makes every crash harmless: a tombstone, so that nobody lists the snapshot
 * again; out of the catalogue; the manifest, so that it is no snapshot any more; what it has outside the store; its
 * objects; the tombstone. Whoever prunes next finishes what has a tombstone, and clears what dead runs left unfinished.
 */
import * as v from "valibot";
import type { Retention } from "../config.ts";
import type { ActionError } from "../errors.ts";
import type { ObjectInfo, ObjectStore } from "../store/port.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import type { CatalogEntry } from "./catalog.ts";
import {
  claimKey,
  manifestKey,
  readersPrefix,
  snapshotFolder,
  snapshotsPrefix,
  tombstoneKey,
} from "./ids.ts";
import { volumeSchema, type VolumeRecord } from "./manifest.ts";
import { changeCatalog, reconcile } from "./publish.ts";
import { isBeingRead } from "./readers.ts";
import { loadManifest, rebuildEntries } from "./read.ts";
import { decideRetention, type Decision } from "./retention.ts";

export interface PruneOptions {
  readonly retention: Retention;
  /** Decides and changes nothing. */
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Removes a snapshot of a volume; without it, snapshots that have one stay. Removing what is gone is no error. */
  readonly removeVolume?: (volume: VolumeRecord) => Promise<void>;
}

export interface Pruned {
  /** Newest first, one for each snapshot there was. */
  readonly decisions: readonly Decision[];
  readonly removed: readonly string[];
  /** Uploads and folders that dead runs left, by key; with `dryRun` those that would be removed. */
  readonly leftovers: readonly string[];
  /** Manifests that cannot be believed. They are left alone, for a person to look at. */
  readonly refused: readonly { readonly id: string; readonly error: ActionError }[];
}

/** An upload or a folder without a manifest may belong to a run that is still at it until it is this old. */
const deadAfterMs = 24 * 3600_000;

export async function prune(store: ObjectStore, options: PruneOptions): Promise<Pruned> {
  const { signal, dryRun } = options;
  const clock = options.clock ?? systemClock;
  const now = clock.now();
  const { entries, refused } = dryRun
    ? await rebuildEntries(store, signal)
    : await reconcile(store, clock, signal);
  const decisions = await decide(store, entries, options, clock);
  const removed: string[] = [];
  if (!dryRun) {
    for (const { id } of decisions.filter(({ keep }) => !keep)) {
      if (await remove(store, id, options, clock)) removed.push(id);
    }
  }
  const leftovers = [
    ...(await clearFolders(store, now, options)),
    ...(await clearUploads(store, now, options)),
  ];
  return { decisions, removed, leftovers, refused };
}

async function decide(
  store: ObjectStore,
  entries: readonly CatalogEntry[],
  options: PruneOptions,
  clock: Clock,
): Promise<readonly Decision[]> {
  const going = decideRetention(entries, options.retention).filter(({ keep }) => !keep);
  const announced = new Set<string>();
  for (const { id } of going) {
    if (await isBeingRead(store, id, clock, options.signal)) announced.add(id);
  }
  const withVolumes = new Set(entries.filter(({ volumes }) => volumes.length > 0).map(({ id }) => id));
  return decideRetention(entries, options.retention, announced).map((decision) =>
    decision.keep || options.removeVolume !== undefined || !withVolumes.has(decision.id)
      ? decision
      : { ...decision, keep: true, reasons: ["its volume snapshot cannot be removed from here"] },
  );
}

const tombstoneSchema = v.looseObject({ volumes: v.array(volumeSchema) });

/** False when a restore announced itself at the last moment: then nothing was touched. */
async function remove(store: ObjectStore, id: string, options: PruneOptions, clock: Clock): Promise<boolean> {
  const { signal } = options;
  const { volumes } = await loadManifest(store, id, signal);
  const tombstone = Buffer.from(`${JSON.stringify({ volumes })}\n`);
  await store.put(tombstoneKey(id), tombstone, { contentType: "application/json", signal });
  if (await isBeingRead(store, id, clock, signal)) {
    await store.delete(tombstoneKey(id), signal);
    return false;
  }
  await changeCatalog(store, [], [id], clock, signal);
  await finishRemoval(store, id, options);
  return true;
}

/** From the tombstone on; safe to repeat. */
async function finishRemoval(store: ObjectStore, id: string, options: PruneOptions): Promise<void> {
  const { signal } = options;
  const { bytes } = await store.get(tombstoneKey(id), { signal });
  await store.delete(manifestKey(id), signal);
  const { volumes } = v.parse(tombstoneSchema, JSON.parse(Buffer.from(bytes).toString("utf8")));
  if (options.removeVolume !== undefined) for (const volume of volumes) await options.removeVolume(volume);
  const keys = await keysBelow(store, `${snapshotFolder(id)}/`, signal);
  for (const key of keys.filter((key) => key !== tombstoneKey(id))) await store.delete(key, signal);
  // Volumes that cannot be removed from here are remembered by the tombstone for somebody who can.
  if (volumes.length > 0 && options.removeVolume === undefined) return;
  await store.delete(tombstoneKey(id), signal);
}

/** Folders with a tombstone are finished at once, folders without a manifest when nothing in them is young. */
async function clearFolders(
  store: ObjectStore,
  now: number,
  options: PruneOptions,
): Promise<readonly string[]> {
  const { signal, dryRun } = options;
  const clock = options.clock ?? systemClock;
  const folders = new Map<string, ObjectInfo[]>();
  for await (const object of store.list(snapshotsPrefix, signal)) {
    const id = object.key.split("/")[1] ?? "";
    folders.set(id, [...(folders.get(id) ?? []), object]);
  }
  const cleared: string[] = [];
  for (const [id, objects] of folders) {
    const has = (key: string): boolean => objects.some((object) => object.key === key);
    if (has(tombstoneKey(id))) {
      if (!dryRun) await buryAgain(store, id, has(manifestKey(id)), options, clock);
      cleared.push(`${snapshotFolder(id)}/`);
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
  return cleared;
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
  await changeCatalog(store, [], [id], clock, options.signal);
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

/** What has no date is never old. */
function isOld(at: Date | undefined, now: number): boolean {
  return at !== undefined && now - at.getTime() > deadAfterMs;
}

async function keysBelow(store: ObjectStore, prefix: string, signal: AbortSignal): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, signal)) keys.push(key);
  return keys;
}
