/** Reading what is published: one manifest, the catalogue, and which snapshot a selector means. */
import * as v from "valibot";
import type { SnapshotSelector } from "../config.ts";
import { ActionError, hasCode } from "../errors.ts";
import type { ObjectStore } from "../store/port.ts";
import { byNewest, entryOf, readCatalog, type CatalogEntry } from "./catalog.ts";
import { catalogKey, latestKey, manifestKey, snapshotsPrefix, tombstoneKey } from "./ids.ts";
import { snapshotIdSchema, type Manifest } from "./manifest.ts";
import { readManifest } from "./manifest-text.ts";

/** Far above any real manifest: what is larger is none, and is not read into memory. */
const longestManifestBytes = 16 * 1024 * 1024;

/** Errors: SNAPSHOT_NOT_FOUND, MANIFEST_INVALID, MANIFEST_NEWER, and the store's. */
export async function loadManifest(store: ObjectStore, id: string, signal: AbortSignal): Promise<Manifest> {
  const key = manifestKey(v.is(snapshotIdSchema, id) ? id : noSuchId(id));
  const where = store.urlOf(key);
  const found = await store.head(key, signal);
  if (found === undefined) throw notFound(`There is no snapshot ${id} in ${store.url}.`);
  if (found.size > longestManifestBytes) {
    throw new ActionError("MANIFEST_INVALID", `${where} has ${found.size} bytes; no manifest is that large.`);
  }
  const { bytes } = await store.get(key, { signal });
  return readManifest(bytes, id, where);
}

/** The manifest a selector means. Errors as `loadManifest`, and NETWORK_AMBIGUOUS. */
export async function resolveSnapshot(
  store: ObjectStore,
  selector: SnapshotSelector,
  signal: AbortSignal,
): Promise<Manifest> {
  if (selector.kind === "id") return await loadManifest(store, selector.id, signal);
  if (selector.kind === "latest") return await loadLatest(store, signal);
  if (selector.kind === "height") return await loadAtHeight(store, selector.atMost, signal);
  throw new ActionError(
    "SNAPSHOT_FOREIGN",
    `${selector.url} is an archive made elsewhere, not a snapshot in a catalogue.`,
  );
}

/** Every snapshot, newest first: from the catalogue, or from the manifests where there is no (whole) catalogue. */
export async function listSnapshots(
  store: ObjectStore,
  signal: AbortSignal,
): Promise<readonly CatalogEntry[]> {
  return (await loadCatalog(store, signal)) ?? (await rebuildEntries(store, signal)).entries;
}

/** The catalogue's entries; undefined when it is missing or damaged. */
export async function loadCatalog(
  store: ObjectStore,
  signal: AbortSignal,
): Promise<readonly CatalogEntry[] | undefined> {
  try {
    const { bytes } = await store.get(catalogKey, { signal });
    return readCatalog(bytes, store.urlOf(catalogKey))?.snapshots.toSorted(byNewest);
  } catch (error) {
    if (hasCode(error, "OBJECT_NOT_FOUND")) return undefined;
    throw error;
  }
}

export interface Rebuilt {
  readonly entries: readonly CatalogEntry[];
  /** Manifests that cannot be believed; they are in no catalogue. */
  readonly refused: readonly { readonly id: string; readonly error: ActionError }[];
}

/** The catalogue as the manifests alone give it. Snapshots that are being removed are not in it. */
export async function rebuildEntries(
  store: ObjectStore,
  signal: AbortSignal,
  known: ReadonlyMap<string, CatalogEntry> = new Map(),
): Promise<Rebuilt> {
  const entries: CatalogEntry[] = [];
  const refused: { id: string; error: ActionError }[] = [];
  const ids = await listManifestIds(store, signal);
  const work = ids.values();
  const worker = async (): Promise<void> => {
    for (const id of work) {
      try {
        entries.push(known.get(id) ?? entryOf(await loadManifest(store, id, signal)));
      } catch (error) {
        if (!(error instanceof ActionError) || !aboutOneManifest.has(error.code)) throw error;
        // Removed since it was listed: that is no refusal.
        if (error.code !== "SNAPSHOT_NOT_FOUND") refused.push({ id, error });
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return { entries: entries.sort(byNewest), refused };
}

/** Codes of errors that speak of one manifest and say nothing of the store. */
export const aboutOneManifest: ReadonlySet<string> = new Set([
  "SNAPSHOT_NOT_FOUND",
  "MANIFEST_INVALID",
  "MANIFEST_NEWER",
]);

/** Ids of the folders that hold a manifest and no tombstone. */
export async function listManifestIds(store: ObjectStore, signal: AbortSignal): Promise<readonly string[]> {
  const ids = new Set<string>();
  const going = new Set<string>();
  for await (const { key } of store.list(snapshotsPrefix, signal)) {
    const id = key.split("/")[1] ?? "";
    if (key === manifestKey(id)) ids.add(id);
    if (key === tombstoneKey(id)) going.add(id);
  }
  return [...ids].filter((id) => !going.has(id));
}

const latestSchema = v.looseObject({ id: snapshotIdSchema, manifest: v.string() });

/** The id in `latest.json`; undefined when there is none or it cannot be read. */
export function readLatest(bytes: Uint8Array): string | undefined {
  try {
    const parsed = v.safeParse(latestSchema, JSON.parse(Buffer.from(bytes).toString("utf8")));
    return parsed.success ? parsed.output.id : undefined;
  } catch {
    return undefined;
  }
}

async function loadLatest(store: ObjectStore, signal: AbortSignal): Promise<Manifest> {
  const named = await store.get(latestKey, { signal }).then(
    ({ bytes }) => readLatest(bytes),
    (error: unknown) => {
      if (hasCode(error, "OBJECT_NOT_FOUND")) return undefined;
      throw error;
    },
  );
  if (named !== undefined) {
    try {
      return await loadManifest(store, named, signal);
    } catch (error) {
      // Retention may have moved on between the two looks; then the catalogue knows the newest.
      if (!hasCode(error, "SNAPSHOT_NOT_FOUND")) throw error;
    }
  }
  const [newest] = await listSnapshots(store, signal);
  if (newest === undefined) throw notFound(`There is no snapshot in ${store.url} yet.`);
  return await loadManifest(store, newest.id, signal);
}

async function loadAtHeight(store: ObjectStore, atMost: number, signal: AbortSignal): Promise<Manifest> {
  const all = await listSnapshots(store, signal);
  const low = all.filter(({ stacksHeight }) => stacksHeight <= atMost);
  const networks = [...new Set(low.map(({ network }) => network))];
  if (networks.length > 1) {
    throw new ActionError(
      "NETWORK_AMBIGUOUS",
      `${store.url} holds snapshots of ${networks.join(" and ")}, and a height means one of them.`,
      {
        hint: "Give the snapshot's id, or keep each network below a prefix of its own.",
      },
    );
  }
  const [best] = low.toSorted((a, b) => b.stacksHeight - a.stacksHeight || byNewest(a, b));
  if (best === undefined) {
    const lowest = Math.min(...all.map(({ stacksHeight }) => stacksHeight));
    throw notFound(
      all.length === 0
        ? `There is no snapshot in ${store.url} yet.`
        : `No snapshot in ${store.url} is at height ${atMost} or below; the lowest is at ${lowest}.`,
    );
  }
  return await loadManifest(store, best.id, signal);
}

function noSuchId(id: string): never {
  throw notFound(`"${id}" is no snapshot's id.`);
}

function notFound(message: string): ActionError {
  return new ActionError("SNAPSHOT_NOT_FOUND", message, {
    hint: "`command: list` shows what there is. See that `storage` names the right prefix.",
  });
}
