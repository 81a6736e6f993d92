/**
 * A restore that runs for hours says in the store which snapshot it reads, so that another host's retention leaves it
 * alone. An announcement ends by itself: a restore that died keeps nothing for ever.
 */
import * as v from "valibot";
import { ActionError, hasCode } from "../errors.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Clock } from "../system/clock.ts";
import { manifestKey, readersPrefix, tombstoneKey } from "./ids.ts";

const announcementSchema = v.looseObject({ until: v.pipe(v.string(), v.isoTimestamp()) });

/** Longer than a restore of a terabyte takes at 10 MB/s. */
export const announcedForMs = 36 * 3600_000;

export interface Announcement {
  /** Safe to call twice. */
  withdraw(signal: AbortSignal): Promise<void>;
}

/**
 * Announces it. Where the store cannot be written to (credentials for reading only, an HTTPS prefix) nothing is
 * announced and undefined returned. SNAPSHOT_GONE when retention was faster.
 */
export async function tryAnnounceRestore(
  store: ObjectStore,
  id: string,
  runId: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<Announcement | undefined> {
  if (store.capabilities.readOnly) return undefined;
  const key = `${readersPrefix(id)}${runId.replaceAll(/[^A-Za-z0-9_-]/g, "_")}.json`;
  const until = new Date(clock.now() + announcedForMs).toISOString();
  try {
    await store.put(key, Buffer.from(`${JSON.stringify({ until })}\n`), {
      contentType: "application/json",
      signal,
    });
  } catch (error) {
    if (hasCode(error, "STORE_DENIED") || hasCode(error, "STORE_READ_ONLY")) return undefined;
    throw error;
  }
  const withdraw = async (signal: AbortSignal): Promise<void> => await store.delete(key, signal);
  // Written first and looked at after: retention looks for announcements after it has put its tombstone.
  const [manifest, tombstone] = await Promise.all([
    store.head(manifestKey(id), signal),
    store.head(tombstoneKey(id), signal),
  ]);
  if (manifest !== undefined && tombstone === undefined) return { withdraw };
  await withdraw(signal);
  throw new ActionError("SNAPSHOT_GONE", `Snapshot ${id} is being removed from ${store.url}.`, {
    hint: "Choose another snapshot; `latest` never is.",
  });
}

/** True while any announcement for the snapshot is in force. One that cannot be read counts. */
export async function isBeingRead(
  store: ObjectStore,
  id: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  for await (const { key } of store.list(readersPrefix(id), signal)) {
    if (await isInForce(store, key, clock, signal)) return true;
  }
  return false;
}

async function isInForce(
  store: ObjectStore,
  key: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const { bytes } = await store.get(key, { signal });
    const parsed = v.safeParse(announcementSchema, JSON.parse(Buffer.from(bytes).toString("utf8")));
    return !parsed.success || Date.parse(parsed.output.until) > clock.now();
  } catch (error) {
    if (hasCode(error, "OBJECT_NOT_FOUND")) return false;
    if (error instanceof SyntaxError) return true;
    throw error;
  }
}
