/**
 * Snapshots that a person names, to be removed (`delete`) or to be no longer kept for ever (`unpin`): whether there are such, and
 * what speaks against it. All of it is looked at before anything is removed; the removal itself is retention's (`prune.ts`).
 */
import { ActionError } from "../domain/errors.ts";
import type { ObjectStore } from "../store/port.ts";
import type { CatalogEntry } from "./catalog.ts";
import { tombstoneKey } from "./ids.ts";
import { putMark, type Marking } from "./marks.ts";
import { changeCatalog } from "./publish.ts";
import { noSuchSnapshot, type Rebuilt } from "./read.ts";

interface Names {
  readonly delete?: readonly string[];
  readonly unpin?: readonly string[];
  readonly signal: AbortSignal;
}

/** SNAPSHOT_NOT_FOUND, or what is wrong with the manifest. One whose removal has begun is finished like any other's. */
export async function findNamed(
  store: ObjectStore,
  { entries, going, refused }: Rebuilt,
  names: Names,
): Promise<void> {
  const deletes = new Set(names.delete);
  for (const id of new Set([...deletes, ...(names.unpin ?? [])])) {
    if ([...entries, ...going].some((entry) => entry.id === id)) continue;
    const error = refused.find((each) => each.id === id)?.error;
    if (error !== undefined) throw error;
    if (deletes.has(id) && (await store.head(tombstoneKey(id), names.signal)) !== undefined) continue;
    throw noSuchSnapshot(id, entries, store.url);
  }
}

/**
 * SNAPSHOT_PINNED, SNAPSHOT_NEEDED by one of those that stay, VOLUME_ELSEWHERE. `hindrance`: why its volumes cannot be removed from
 * here.
 */
export function requireDeletable(
  { id, pinned }: CatalogEntry,
  staying: readonly CatalogEntry[],
  hindrance: string | undefined,
): void {
  if (pinned) {
    throw new ActionError("SNAPSHOT_PINNED", `${id} is pinned and is not removed.`, {
      hint: `Set \`unpin: ${id}\` as well.`,
    });
  }
  const by = staying.find(({ volumes }) => volumes.some(({ requires = [] }) => requires.includes(id)));
  if (by !== undefined) throw neededBy(id, by.id);
  if (hindrance !== undefined) {
    throw new ActionError("VOLUME_ELSEWHERE", `${id} cannot be removed from here: ${hindrance}.`);
  }
}

export function neededBy(id: string, by: string): ActionError {
  return new ActionError("SNAPSHOT_NEEDED", `${by} is based on ${id}, which is not removed.`);
}

export function inUse(id: string): ActionError {
  return new ActionError("SNAPSHOT_IN_USE", `${id} is being read by another run and is not removed.`);
}

/** A mark beside the manifest, then the catalogue, which can be made again from the two. SIGNING_FAILED. */
export async function unpin(
  store: ObjectStore,
  pinned: readonly CatalogEntry[],
  marking: Marking,
): Promise<void> {
  if (pinned.length === 0) return;
  for (const { id } of pinned) await putMark(store, "unpinned", id, marking);
  const entries = pinned.map((entry) => ({ ...entry, pinned: false }));
  await changeCatalog(store, entries, [], marking.clock, marking.signal);
}
