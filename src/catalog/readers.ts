/**
 * A restore that runs for hours says in the store which snapshot it reads, so that another host's retention leaves it
 * alone. An announcement ends by itself: a restore that died keeps nothing for ever.
 */
import * as v from "valibot";
import { ActionError, describeError, hasCode, throwIfAborted } from "../domain/errors.ts";
import type { ObjectStore } from "../store/port.ts";
import { bestEffort, type Warnings } from "../system/best-effort.ts";
import type { Clock } from "../system/clock.ts";
import { manifestKey, readersPrefix, tombstoneKey } from "./ids.ts";
import { parseJson, readIfPresent } from "./small-objects.ts";

const announcementSchema = v.looseObject({ until: v.pipe(v.string(), v.isoTimestamp()) });

/** Longer than a restore of a terabyte takes at 10 MB/s. */
export const announcedForMs = 36 * 3600_000;

const withdrawWithinMs = 10_000;

export interface Announcement {
  /** Safe to call twice. Never fails, and listens to no cancellation. */
  withdraw(): Promise<void>;
}

export interface AnnounceOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Hears why nothing could be announced, or taken back: that never fails a run. */
  readonly report: Warnings & { notice(message: string): void };
}

/**
 * Announces it. Where the store cannot be written to (credentials for reading only, an HTTPS prefix, a full disk), nothing is
 * announced and undefined returned: a courtesy to others is no condition for reading. SNAPSHOT_GONE when retention was
 * faster.
 */
export async function tryAnnounceRestore(
  store: ObjectStore,
  id: string,
  runId: string,
  { clock, signal, report }: AnnounceOptions,
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
    throwIfAborted(signal);
    // With credentials for reading only that is the rule and nothing to speak of.
    if (!hasCode(error, "STORE_DENIED") && !hasCode(error, "STORE_READ_ONLY"))
      report.notice(
        `${store.url} cannot be told that ${id} is being read, so another host's retention could remove it meanwhile: ${describeError(error)}`,
      );
    return undefined;
  }
  const withdraw = async (): Promise<void> => {
    const what = `take back the announcement ${key}, which ends by itself ${until}`;
    await bestEffort(report, what, async (signal) => await store.delete(key, signal), withdrawWithinMs);
  };
  // Written first and looked at after: retention looks for announcements after it has put its tombstone.
  const [manifest, tombstone] = await Promise.all([
    store.head(manifestKey(id), signal),
    store.head(tombstoneKey(id), signal),
  ]);
  if (manifest !== undefined && tombstone === undefined) return { withdraw };
  await withdraw();
  throw new ActionError("SNAPSHOT_GONE", `Snapshot ${id} is being removed from ${store.url}.`, {
    hint: "Choose another snapshot, or run this again: `latest` names the next newest once that has begun.",
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
  const bytes = await readIfPresent(store, key, signal);
  if (bytes === undefined) return false;
  const parsed = v.safeParse(announcementSchema, parseJson(bytes));
  return !parsed.success || Date.parse(parsed.output.until) > clock.now();
}
