/** Reading the small objects of a catalogue: never more of them than any real one has. */
import { hasCode } from "../domain/errors.ts";
import type { ObjectStore } from "../store/port.ts";

const MiB = 1024 * 1024;
/** Far above any real manifest, claim, announcement or pointer: what is larger is none. */
export const smallBytes = 16 * MiB;
/** A hundred thousand snapshots and more. */
export const catalogBytes = 256 * MiB;

/** Undefined where there is no such object. OBJECT_TOO_LARGE. */
export async function readIfPresent(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
  atMostBytes = smallBytes,
): Promise<Uint8Array | undefined> {
  try {
    return (await store.get(key, { signal, atMostBytes })).bytes;
  } catch (error) {
    if (hasCode(error, "OBJECT_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** As `readIfPresent`, for what can be made again: one that is too large is as good as none. */
export async function readUnlessDamaged(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
  atMostBytes = smallBytes,
): Promise<Uint8Array | undefined> {
  try {
    return await readIfPresent(store, key, signal, atMostBytes);
  } catch (error) {
    if (hasCode(error, "OBJECT_TOO_LARGE")) return undefined;
    throw error;
  }
}

/** Undefined for what is no JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
