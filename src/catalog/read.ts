/** Reading what is published: one manifest, the catalogue, and which snapshot a selector means. */
import type { SnapshotSelector } from "../domain/options.ts";
import { createHash } from "node:crypto";
import * as v from "valibot";
import { closest } from "../domain/did-you-mean.ts";
import { ActionError, hasCode, throwIfAborted } from "../domain/errors.ts";
import type { ObjectStore } from "../store/port.ts";
import { Limiter } from "../system/concurrency.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { byLatest, byNewest, entryOf, readCatalog, type CatalogEntry } from "./catalog.ts";
import { catalogKey, latestKey, manifestKey, snapshotsPrefix, tombstoneKey, unpinnedKey } from "./ids.ts";
import { snapshotIdSchema, type Manifest } from "../domain/manifest.ts";
import { readManifest } from "./manifest-text.ts";
import { readMark, type Mark } from "./marks.ts";
import { catalogBytes, parseJson, readIfPresent, readUnlessDamaged } from "./small-objects.ts";

/**
 * Errors: SNAPSHOT_NOT_FOUND, MANIFEST_INVALID, MANIFEST_NEWER, and the store's, which may check signatures. `sha256`: what its
 * bytes must have, or DIGEST_DIFFERS, before anything of them is looked at.
 */
export async function loadManifest(
  store: ObjectStore,
  id: string,
  signal: AbortSignal,
  sha256?: string,
): Promise<Manifest> {
  const key = manifestKey(v.is(snapshotIdSchema, id) ? id : noSuchId(id));
  const where = store.urlOf(key);
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readIfPresent(store, key, signal);
  } catch (cause) {
    if (!hasCode(cause, "OBJECT_TOO_LARGE")) throw cause;
    throw new ActionError("MANIFEST_INVALID", `${where} is larger than any manifest.`, { cause });
  }
  if (bytes === undefined) throw notFound(`There is no snapshot ${id} in ${store.url}.`);
  const found = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== undefined && found !== sha256) {
    throw new ActionError("DIGEST_DIFFERS", `${where} has the SHA-256 ${found}, and ${sha256} was expected.`);
  }
  return readManifest(bytes, id, where);
}

/** The manifest a selector means. Errors as `loadManifest`, to which `sha256` goes, and NETWORK_AMBIGUOUS. */
export async function resolveSnapshot(
  store: ObjectStore,
  selector: SnapshotSelector,
  signal: AbortSignal,
  clock: Clock = systemClock,
  sha256?: string,
): Promise<Manifest> {
  const load = async (id: string): Promise<Manifest> => await loadManifest(store, id, signal, sha256);
  if (selector.kind === "id") return await loadNamed(store, selector.id, signal, load);
  if (selector.kind === "latest") return await loadLatest(store, clock, signal, load);
  if (selector.kind === "height") return await loadAtHeight(store, selector.atMost, signal, load);
  throw new ActionError(
    "SNAPSHOT_EXTERNAL",
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
  const bytes = await readUnlessDamaged(store, catalogKey, signal, catalogBytes);
  if (bytes === undefined) return undefined;
  return readCatalog(bytes, store.urlOf(catalogKey))?.snapshots.toSorted(byNewest);
}

export interface Rebuilt {
  readonly entries: readonly CatalogEntry[];
  /** Those that hold a mark of a removal, whosever it is; they are in no catalogue. */
  readonly going: readonly CatalogEntry[];
  /** Manifests that cannot be believed; they are in no catalogue. */
  readonly refused: readonly Refused[];
  /** Marks that cannot be believed: of a removal that was not begun by any that is trusted, of a pin that stays. */
  readonly doubted: readonly Refused[];
}

export interface Refused {
  readonly id: string;
  readonly error: ActionError;
}

/** The catalogue as the manifests alone give it. */
export async function rebuildEntries(
  store: ObjectStore,
  signal: AbortSignal,
  known: ReadonlyMap<string, CatalogEntry> = new Map(),
): Promise<Rebuilt> {
  const entries: CatalogEntry[] = [];
  const going: CatalogEntry[] = [];
  const refused: Refused[] = [];
  const doubted: Refused[] = [];
  const folders = await listFolders(store, signal);
  const reads = new Limiter({ count: 8, signal });
  const believe = async <T>(
    id: string,
    unlike: Refused[],
    read: () => Promise<T>,
  ): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof ActionError) || !aboutOneManifest.has(error.code)) throw error;
      // Removed since it was listed: that is no refusal.
      if (error.code !== "SNAPSHOT_NOT_FOUND") unlike.push({ id, error });
      return undefined;
    }
  };
  const read = async (id: string): Promise<void> => {
    const load = async (): Promise<CatalogEntry> => entryOf(await loadManifest(store, id, signal));
    const entry = known.get(id) ?? (await believe(id, refused, load));
    if (entry === undefined) return;
    const isMarked = async (mark: Mark): Promise<boolean> =>
      (await believe(id, doubted, async () => await readMark(store, mark, id, signal))) === true;
    const isUnpinned = entry.pinned && folders.unpinned.has(id) && (await isMarked("unpinned"));
    if (folders.going.has(id)) await isMarked("deleted");
    (folders.going.has(id) ? going : entries).push(isUnpinned ? { ...entry, pinned: false } : entry);
  };
  try {
    for (const id of folders.ids) await reads.add(async () => await read(id));
    await reads.drain();
  } finally {
    await reads.idle();
  }
  return { entries: entries.sort(byNewest), going: going.sort(byNewest), refused, doubted };
}

/** Codes of errors that speak of one manifest and say nothing of the store. */
export const aboutOneManifest: ReadonlySet<string> = new Set([
  "SNAPSHOT_NOT_FOUND",
  "MANIFEST_INVALID",
  "MANIFEST_NEWER",
  "SIGNATURE_MISSING",
  "SIGNATURE_INVALID",
  "SIGNER_UNKNOWN",
]);

interface Folders {
  /** Of those that hold a manifest. */
  readonly ids: ReadonlySet<string>;
  /** That hold a tombstone. */
  readonly going: ReadonlySet<string>;
  /** That hold what takes a pin away. */
  readonly unpinned: ReadonlySet<string>;
}

async function listFolders(store: ObjectStore, signal: AbortSignal): Promise<Folders> {
  const ids = new Set<string>();
  const going = new Set<string>();
  const unpinned = new Set<string>();
  for await (const { key } of store.list(snapshotsPrefix, signal)) {
    const id = key.split("/")[1] ?? "";
    if (key === manifestKey(id)) ids.add(id);
    if (key === tombstoneKey(id)) going.add(id);
    if (key === unpinnedKey(id)) unpinned.add(id);
  }
  return { ids, going, unpinned };
}

const latestSchema = v.looseObject({ id: snapshotIdSchema, manifest: v.string() });

/** The id in `latest.json`; undefined when there is none or it cannot be read. */
export function readLatest(bytes: Uint8Array): string | undefined {
  const parsed = v.safeParse(latestSchema, parseJson(bytes));
  return parsed.success ? parsed.output.id : undefined;
}

type Load = (id: string) => Promise<Manifest>;

async function loadLatest(
  store: ObjectStore,
  clock: Clock,
  signal: AbortSignal,
  load: Load,
): Promise<Manifest> {
  const bytes = await readUnlessDamaged(store, latestKey, signal);
  const named = bytes === undefined ? undefined : readLatest(bytes);
  if (named !== undefined) {
    try {
      return await load(named);
    } catch (error) {
      // Retention may have moved on between the two looks; then the catalogue knows the newest.
      if (!hasCode(error, "SNAPSHOT_NOT_FOUND")) throw error;
    }
  }
  const [newest] = (await listSnapshots(store, signal)).toSorted(byLatest(clock.now()));
  if (newest === undefined) throw notFound(`There is no snapshot in ${store.url} yet.`);
  return await load(newest.id);
}

/** Of an id that there is not, says which there are. */
async function loadNamed(store: ObjectStore, id: string, signal: AbortSignal, load: Load): Promise<Manifest> {
  try {
    return await load(id);
  } catch (error) {
    if (!hasCode(error, "SNAPSHOT_NOT_FOUND") || !v.is(snapshotIdSchema, id)) throw error;
    let entries: readonly CatalogEntry[];
    try {
      entries = await listSnapshots(store, signal);
    } catch {
      throwIfAborted(signal);
      throw error;
    }
    throw noSuchSnapshot(id, entries, store.url);
  }
}

async function loadAtHeight(
  store: ObjectStore,
  atMost: number,
  signal: AbortSignal,
  load: Load,
): Promise<Manifest> {
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
    const lowest = all.reduce((least, { stacksHeight }) => Math.min(least, stacksHeight), Infinity);
    throw notFound(
      all.length === 0
        ? `There is no snapshot in ${store.url} yet.`
        : `No snapshot in ${store.url} is at height ${atMost} or below; the lowest is at ${lowest}.`,
    );
  }
  const manifest = await load(best.id);
  if (manifest.chain.stacksHeight <= atMost) return manifest;
  // Nobody signs the catalogue.
  throw new ActionError(
    "MANIFEST_INVALID",
    `${best.id} is at height ${manifest.chain.stacksHeight}, and the catalogue of ${store.url} says ${best.stacksHeight}.`,
    { hint: "Run `command: prune`, which makes the catalogue say what the manifests say." },
  );
}

/** So many ids are named; a year of nights is for `list`. */
const mostNamed = 10;

/** Says which there are, newest first, and which was probably meant. */
export function noSuchSnapshot(id: string, entries: readonly CatalogEntry[], url: string): ActionError {
  const ids = entries.map((entry) => entry.id);
  if (ids.length === 0)
    return new ActionError(
      "SNAPSHOT_NOT_FOUND",
      `There is no snapshot ${id} in ${url}: there is none at all.`,
      {
        hint: "See that `storage` names the right prefix.",
      },
    );
  const meant = closest(id, ids);
  const guess = meant === undefined ? "" : ` Did you mean ${meant}?`;
  const more =
    ids.length > mostNamed ? ` and ${ids.length - mostNamed} older, which \`command: list\` shows` : "";
  return new ActionError("SNAPSHOT_NOT_FOUND", `There is no snapshot ${id} in ${url}.${guess}`, {
    hint: `There are: ${ids.slice(0, mostNamed).join(", ")}${more}.`,
  });
}

function noSuchId(id: string): never {
  throw notFound(`"${id}" is no snapshot's id.`);
}

function notFound(message: string): ActionError {
  return new ActionError("SNAPSHOT_NOT_FOUND", message, {
    hint: "`command: list` shows what there is. See that `storage` names the right prefix.",
  });
}
