/**
 * Changes a small object that several hosts may change at once: read it, make the next version, put it only if nobody
 * was faster, else again. Where a store cannot enforce the condition, what stands afterwards is looked at once more;
 * that is as good as it gets without a lock, and `reconcile` repairs the rest.
 */
import { ActionError, hasCode } from "../domain/errors.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Clock } from "../system/clock.ts";
import { retry } from "../system/retry.ts";
import { catalogBytes } from "./small-objects.ts";

const attempts = 40;
const pauses = { firstPauseMs: 50, longestPauseMs: 2_000 };
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
  const policy = {
    attempts,
    ...pauses,
    passes: (error: unknown) => error instanceof NotYet && error,
    signal,
    clock,
  };
  try {
    await retry(policy, async () => {
      const now = await read(store, key, signal);
      const next = await edit(now?.bytes);
      if (next === undefined) return;
      if (!(await wrote(store, key, next, now, signal))) throw new NotYet(0);
      // Not enforced: another host that read before us may have written after us. The next attempt finds nothing to change.
      if (!store.capabilities.conditionalWrites) throw new NotYet(lookAgainMs * (0.5 + Math.random()));
    });
  } catch (error) {
    if (!(error instanceof NotYet)) throw error;
    throw new ActionError(
      "CATALOG_BUSY",
      `${store.urlOf(key)} was changed by others each of ${attempts} times.`,
      { hint: "Run this again, and let fewer hosts publish to one prefix at the same moment." },
    );
  }
}

/** Another was faster, or may have been: to be looked at again. */
class NotYet extends Error {
  readonly afterMs: number;

  constructor(afterMs: number) {
    super("The object is not as it is to be.");
    this.afterMs = afterMs;
  }
}

interface Version {
  readonly bytes: Uint8Array;
  readonly etag: string | undefined;
}

async function read(store: ObjectStore, key: string, signal: AbortSignal): Promise<Version | undefined> {
  try {
    const { bytes, info } = await store.get(key, { signal, atMostBytes: catalogBytes });
    return { bytes, etag: info.etag };
  } catch (error) {
    if (hasCode(error, "OBJECT_NOT_FOUND")) return undefined;
    if (!hasCode(error, "OBJECT_TOO_LARGE")) throw error;
    // Damaged, like one that is no JSON: it is made again.
    const info = await store.head(key, signal);
    return info === undefined ? undefined : { bytes: new Uint8Array(), etag: info.etag };
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
