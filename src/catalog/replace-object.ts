/**
 * Changes a small object that several hosts may change at once: read it, make the next version, put it only if nobody
 * was faster, else again. Where a store cannot enforce the condition, what stands afterwards is looked at once more;
 * that is as good as it gets without a lock, and `reconcile` repairs the rest.
 */
import { ActionError, hasCode } from "../errors.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Clock } from "../system/clock.ts";

const attempts = 40;
const firstPauseMs = 50;
const longestPauseMs = 2_000;
/** Long enough for a write that was on its way when ours was made to have arrived. */
const lookAgainMs = 1_500;

/**
 * `edit` gets the present bytes (undefined: no such object) and returns the new ones, or undefined when nothing is to be
 * changed. It may be called many times. CATALOG_BUSY when others were faster forty times.
 */
export async function replaceObject(
  store: ObjectStore,
  key: string,
  edit: (now: Uint8Array | undefined) => Promise<Uint8Array | undefined>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const now = await read(store, key, signal);
    const next = await edit(now?.bytes);
    if (next === undefined) return;
    if (await wrote(store, key, next, now, signal)) {
      if (store.capabilities.conditionalWrites) return;
      // Not enforced: somebody who read before us may have written after us. The next turn finds nothing to change.
      await clock.sleep(lookAgainMs * (0.5 + Math.random()), signal);
      continue;
    }
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** attempt);
    await clock.sleep(pauseMs * (0.5 + Math.random()), signal);
  }
  throw new ActionError(
    "CATALOG_BUSY",
    `${store.urlOf(key)} was changed by others each of ${attempts} times.`,
    {
      hint: "Run this again, and let fewer hosts publish to one prefix at the same moment.",
    },
  );
}

interface Version {
  readonly bytes: Uint8Array;
  readonly etag: string | undefined;
}

async function read(store: ObjectStore, key: string, signal: AbortSignal): Promise<Version | undefined> {
  try {
    const { bytes, info } = await store.get(key, { signal });
    return { bytes, etag: info.etag };
  } catch (error) {
    if (hasCode(error, "OBJECT_NOT_FOUND")) return undefined;
    throw error;
  }
}

async function wrote(
  store: ObjectStore,
  key: string,
  bytes: Uint8Array,
  seen: Version | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const condition =
    seen === undefined ? { ifAbsent: true } : seen.etag === undefined ? {} : { ifMatch: seen.etag };
  try {
    await store.put(key, bytes, { ...condition, contentType: "application/json", signal });
    return true;
  } catch (error) {
    if (hasCode(error, "PRECONDITION_FAILED")) return false;
    throw error;
  }
}
