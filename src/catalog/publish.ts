/**
 * Makes a finished snapshot visible, in an order in which every crash leaves something true: archive and index stand
 * already, then the signature, the manifest (now it is a snapshot), the catalogue, and `latest` last. Two hosts may do this to one
 * prefix at once.
 */
import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import { ActionError, hasCode } from "../domain/errors.ts";
import type { ObjectStore } from "../store/port.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { byLatest, byNewest, entryOf, readCatalog, writeCatalog, type CatalogEntry } from "./catalog.ts";
import {
  catalogKey,
  claimKey,
  latestKey,
  manifestKey,
  signatureKey,
  snapshotId,
  tombstoneKey,
} from "./ids.ts";
import type { Manifest } from "../domain/manifest.ts";
import { writeManifest } from "./manifest-text.ts";
import {
  aboutOneManifest,
  listSnapshots,
  loadCatalog,
  loadManifest,
  readLatest,
  rebuildEntries,
  type Rebuilt,
} from "./read.ts";
import { replaceObject } from "./replace-object.ts";
import type { ManifestSigner } from "./signing/signer.ts";
import { parseJson, readIfPresent, readUnlessDamaged } from "./small-objects.ts";

export interface PublishOptions {
  /** It stands in the store, so there is a snapshot whatever fails afterwards. */
  readonly onWritten?: (sealed: Manifest) => void;
  readonly signer?: ManifestSigner | undefined;
}

/** Returns the manifest as it was written (with its digest). SNAPSHOT_EXISTS, SNAPSHOT_INCOMPLETE, CATALOG_BUSY, SIGNING_FAILED. */
export async function publish(
  store: ObjectStore,
  manifest: Manifest,
  signal: AbortSignal,
  clock: Clock = systemClock,
  { onWritten, signer }: PublishOptions = {},
): Promise<Manifest> {
  const sequence = await claimedSequence(store, manifest.id, signal);
  const { manifest: sealed, bytes } = writeManifest({
    ...manifest,
    ...(sequence === undefined ? {} : { sequence }),
    ...(signer === undefined ? {} : { signedBy: signer.fingerprint }),
  });
  const { id } = sealed;
  await requireObjects(store, sealed, signal);
  if (signer !== undefined) {
    const signature = { key: signatureKey(id), contentType: "text/plain" };
    await putOnce(store, signature, await signer.sign(bytes), signal);
  }
  await putOnce(store, { key: manifestKey(id), contentType: "application/json" }, bytes, signal);
  onWritten?.(sealed);
  await addToCatalog(store, entryOf(sealed), clock, signal);
  await advanceLatest(store, entryOf(sealed), clock, signal);
  // Published is published: what is left of the claim is cleared by the next prune.
  await store.delete(claimKey(sealed.id), signal).catch(() => undefined);
  return sealed;
}

/**
 * An id nobody else has, for a fleet whose hosts may stop at one height in the same second: an object in its folder
 * holds it until `publish`. Returns the time the id was made with, a few seconds after `at` at most.
 */
export async function claimSnapshotId(
  store: ObjectStore,
  chain: { readonly network: string; readonly stacksHeight: number },
  at: Date,
  runId: string,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly at: Date }> {
  const sequence = 1 + highestSequence(await listSnapshots(store, signal));
  for (let seconds = 0; seconds < 60; seconds += 1) {
    const moment = new Date(at.getTime() + seconds * 1000);
    const id = snapshotId(chain.network, chain.stacksHeight, moment);
    const claim = Buffer.from(`${JSON.stringify({ runId, at: at.toISOString(), sequence })}\n`);
    try {
      if ((await store.head(manifestKey(id), signal)) !== undefined) continue;
      await store.put(claimKey(id), claim, { ifAbsent: true, contentType: "application/json", signal });
      return { id, at: moment };
    } catch (error) {
      if (!hasCode(error, "PRECONDITION_FAILED")) throw error;
    }
  }
  throw new ActionError(
    "SNAPSHOT_EXISTS",
    `Sixty snapshots of height ${chain.stacksHeight} are being made in ${store.url}.`,
    {
      hint: "Give each host a prefix of its own.",
    },
  );
}

function highestSequence(entries: readonly CatalogEntry[]): number {
  return entries.reduce((highest, { sequence = 0 }) => Math.max(highest, sequence), 0);
}

const claimSchema = v.looseObject({ sequence: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) });

/** As `claimSnapshotId` noted it; undefined where there is no claim. */
async function claimedSequence(
  store: ObjectStore,
  id: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const bytes = await readIfPresent(store, claimKey(id), signal);
  const claim = v.safeParse(claimSchema, bytes === undefined ? undefined : parseJson(bytes));
  return claim.success ? claim.output.sequence : undefined;
}

export interface Reconciled extends Rebuilt {
  /** Ids that the catalogue did not list, listed wrongly, or listed without there being such a snapshot. */
  readonly repaired: readonly string[];
}

/**
 * Makes the catalogue say what the manifests say, and `latest` name the newest. Every manifest is read, unless
 * `trustListed`: then only those of snapshots that the catalogue lacks.
 */
export async function reconcile(
  store: ObjectStore,
  clock: Clock,
  signal: AbortSignal,
  trustListed = false,
): Promise<Reconciled> {
  const listed = new Map((await loadCatalog(store, signal))?.map((entry) => [entry.id, entry]));
  const rebuilt = await rebuildEntries(store, signal, trustListed ? listed : new Map());
  // What a later version has added to an entry stays.
  const entries = rebuilt.entries.map((entry) => ({ ...listed.get(entry.id), ...entry }));
  const present = new Set(entries.map(({ id }) => id));
  const wrong = entries.filter((entry) => !isDeepStrictEqual(listed.get(entry.id), entry));
  const gone = [...listed.keys()].filter((id) => !present.has(id));
  // Only the difference is applied: what another host publishes meanwhile is in neither and stays.
  if (wrong.length > 0 || gone.length > 0) await changeCatalog(store, wrong, gone, clock, signal);
  const [newest] = entries.toSorted(byLatest(clock.now()));
  if (newest !== undefined) await advanceLatest(store, newest, clock, signal);
  return { ...rebuilt, entries, repaired: [...wrong.map(({ id }) => id), ...gone] };
}

/** Adds and removes entries in one change. A damaged catalogue is made again from the manifests first. */
export async function changeCatalog(
  store: ObjectStore,
  add: readonly CatalogEntry[],
  remove: readonly string[],
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const touched = new Set([...add.map(({ id }) => id), ...remove]);
  await replaceObject(
    store,
    catalogKey,
    async (bytes) => {
      const now = bytes === undefined ? undefined : readCatalog(bytes, store.urlOf(catalogKey))?.snapshots;
      const present = now ?? (await rebuildEntries(store, signal)).entries;
      const wanted = [...present.filter(({ id }) => !touched.has(id)), ...add].sort(byNewest);
      if (isDeepStrictEqual(now, wanted)) return undefined;
      return writeCatalog(wanted, new Date(clock.now()));
    },
    clock,
    signal,
  );
}

async function requireObjects(store: ObjectStore, manifest: Manifest, signal: AbortSignal): Promise<void> {
  const { archive, volumes } = manifest;
  for (const base of new Set(entryOf(manifest).volumes.flatMap(({ requires = [] }) => requires))) {
    if ((await store.head(manifestKey(base), signal)) !== undefined) continue;
    throw new ActionError(
      "SNAPSHOT_INCOMPLETE",
      `${volumes[0]?.snapshot ?? manifest.id} is based on ${base}, which was removed meanwhile, so the snapshot is not published.`,
      { hint: "Run this again: it is then based on another one." },
    );
  }
  if (archive === undefined) return;
  for (const { key, size } of [archive, archive.index]) {
    const found = await store.head(key, signal);
    if (found?.size === size) continue;
    const holds = found === undefined ? "does not exist" : `has ${found.size} bytes instead of ${size}`;
    throw new ActionError(
      "SNAPSHOT_INCOMPLETE",
      `${store.urlOf(key)} ${holds}, so the snapshot is not published.`,
      {
        hint: "Something else writes to that prefix, or the store lost it. Run this again.",
      },
    );
  }
}

async function putOnce(
  store: ObjectStore,
  { key, contentType }: { readonly key: string; readonly contentType: string },
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  try {
    await store.put(key, bytes, { ifAbsent: true, contentType, signal });
  } catch (error) {
    if (!hasCode(error, "PRECONDITION_FAILED")) throw error;
    // A put whose answer was lost is sent again and then finds itself.
    const present = await readIfPresent(store, key, signal);
    if (present !== undefined && Buffer.compare(present, bytes) === 0) return;
    throw new ActionError(
      "SNAPSHOT_EXISTS",
      `There is ${store.urlOf(key)} already; it is never overwritten.`,
      {
        cause: error,
        hint: "Another host published the same height in the same second. Run this again.",
      },
    );
  }
}

async function addToCatalog(
  store: ObjectStore,
  entry: CatalogEntry,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  await changeCatalog(store, [entry], [], clock, signal);
  // Somebody else's change may have lost an entry (where writes have no conditions), or somebody's hand: each publisher
  // repairs the whole.
  await reconcile(store, clock, signal, true);
}

/** `latest.json` names this snapshot unless it names one that exists and goes before it. */
async function advanceLatest(
  store: ObjectStore,
  candidate: CatalogEntry,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const next = Buffer.from(`${JSON.stringify({ id: candidate.id, manifest: manifestKey(candidate.id) })}\n`);
  await replaceObject(
    store,
    latestKey,
    async (bytes) => {
      const named = bytes === undefined ? undefined : readLatest(bytes);
      if (named === candidate.id) return undefined;
      const present = named === undefined ? undefined : await findManifest(store, named, signal);
      return present !== undefined && byLatest(clock.now())(entryOf(present), candidate) < 0
        ? undefined
        : next;
    },
    clock,
    signal,
  );
}

/**
 * Takes `latest` off a snapshot that is being removed and is out of the catalogue already: it names the next newest, or, after the last,
 * nothing. Should another host publish the first of a new series in that moment, `latest` is found by the catalogue until somebody
 * publishes or prunes again.
 */
export async function moveLatestFrom(
  store: ObjectStore,
  id: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const bytes = await readUnlessDamaged(store, latestKey, signal);
  if (bytes === undefined || readLatest(bytes) !== id) return;
  const [next] = (await listSnapshots(store, signal)).toSorted(byLatest(clock.now()));
  if (next === undefined) await store.delete(latestKey, signal);
  else await advanceLatest(store, next, clock, signal);
}

/** Undefined for one that is gone, is being removed, or that this version cannot believe: `latest` must not stay on it. */
async function findManifest(
  store: ObjectStore,
  id: string,
  signal: AbortSignal,
): Promise<Manifest | undefined> {
  try {
    const manifest = await loadManifest(store, id, signal);
    return (await store.head(tombstoneKey(id), signal)) === undefined ? manifest : undefined;
  } catch (error) {
    if (error instanceof ActionError && aboutOneManifest.has(error.code)) return undefined;
    throw error;
  }
}
