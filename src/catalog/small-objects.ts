/** Reading the small objects of a catalogue: never more of them than any real one has. */
import { hasCode } from "../domain/errors.ts";
import type { ObjectStore } from "../store/port.ts";

const MiB = 1024 * 1024;
/** Far above any real manifest, claim, announcement or pointer: what is larger is none. */
export const smallBytes = 4 * MiB;
/** Tens of thousands of snapshots: every hour for years. */
export const catalogBytes = 32 * MiB;

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

/** Of millions of wrong values each would be an issue of its own, with a path: more memory than there is. */
export const firstIssueAlone = { abortEarly: true } as const;

/**
 * False for what is nothing but brackets: parsed, it would take many times its size. What is written here has one for every 60 bytes
 * and more.
 */
export function isPlausibleJson(bytes: Uint8Array): boolean {
  let brackets = 0;
  for (const byte of bytes) if (byte === 0x5b || byte === 0x7b) brackets += 1;
  return brackets <= 65_536 + bytes.length / 32;
}

/** Undefined for what is no JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  if (!isPlausibleJson(bytes)) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
