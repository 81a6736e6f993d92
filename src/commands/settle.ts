/**
 * Finishes what a journal says is open: the node first, then the uploads, frozen views, volumes and directories of the
 * run. The same for a run that failed, for the post step and for the next run on the host. Each thing done is struck from the
 * journal, so it can be called again.
 */
import { loadManifest } from "../catalog/read.ts";
import type { StorageLocation } from "../config.ts";
import { describeError, hasCode } from "../errors.ts";
import type { JournalVolumes } from "../recovery/content.ts";
import { disarm } from "../recovery/dead-mans-switch.ts";
import { fileOperations } from "../recovery/file-operations.ts";
import type { Journal } from "../recovery/journal.ts";
import { recoverFully } from "../recovery/recover.ts";
import { finishSwap, prove } from "../recovery/swap.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Privilege } from "../system/privilege.ts";
import type { VolumeSnapshotter } from "../volume/port.ts";
import type { Rooms } from "./rooms.ts";

/** Cleaning up listens to no cancellation, but has to end before a runner loses patience. */
const limitMs = 4 * 60_000;

/** Returns what could not be finished, in words; throws only when the node or a swap could not be seen to. */
export async function settle(rooms: Rooms, journal: Journal): Promise<readonly string[]> {
  const signal = AbortSignal.timeout(limitMs);
  const { sudo } = journal.content;
  const privilege = rooms.privilege(sudo);
  const { clock, nodes, volumes } = rooms;
  const recovery = await recoverFully(journal, { privilege, clock, signal, nodes, volumes });
  if (recovery.node === "started")
    rooms.report.info("The node was down on our account and has been started.");
  if (recovery.node === "started" || recovery.node === "running") {
    rooms.report.node("running");
    rooms.report.output("node-running", "true");
  }
  const { switch: armed } = journal.content;
  if (armed !== null) {
    await disarm(armed, privilege, rooms.clock);
    await journal.update({ switch: null });
  }
  const files = fileOperations(privilege, signal);
  await closeSwap(rooms, journal, recovery.swap, signal);
  await closeVolumeSwap(rooms, journal, { privilege, signal }, recovery.swap === "kept");
  const left: string[] = [];
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    await work().catch((error: unknown) => {
      left.push(`${what}: ${describeError(error)}`);
    });
  };
  for (const upload of journal.content.uploads) {
    await attempt(`upload of ${upload.key}`, async () => {
      const store = await rooms.openStore(upload.location as StorageLocation);
      try {
        await store.abortUpload({ key: upload.key, id: upload.id }, signal);
      } finally {
        await store.close();
      }
      await journal.update((now) => ({ ...now, uploads: now.uploads.filter(({ id }) => id !== upload.id) }));
    });
  }
  const { chainstateDir } = journal.content;
  for (const frozen of journal.content.frozen) {
    await attempt(`frozen view (${frozen.freezer})`, async () => {
      const freezer = rooms.freezers(privilege).find(({ name }) => name === frozen.freezer);
      await freezer?.cleanUp(frozen.runId, { chainstateDir, stateDir: rooms.host.stateDir, signal });
      await journal.update((now) => ({ ...now, frozen: now.frozen.filter((other) => other !== frozen) }));
    });
  }
  for (const entry of journal.content.volumes) {
    await attempt(`volume (${entry.driver})`, async () => {
      await cleanUpVolumes(rooms, { chainstateDir, privilege, signal }, entry);
      await journal.update((now) => ({ ...now, volumes: now.volumes.filter((other) => other !== entry) }));
    });
  }
  for (const directory of journal.content.staging) {
    await attempt(`directory ${directory}`, async () => {
      await files.removeTree(directory);
      await journal.update((now) => ({
        ...now,
        staging: now.staging.filter((other) => other !== directory),
      }));
    });
  }
  for (const line of left) rooms.report.warning(`Could not be cleaned up: ${line}`);
  return left;
}

/** What a driver left, but for snapshots that a manifest names: a run may have died right after it had published. */
async function cleanUpVolumes(
  rooms: Rooms,
  request: { readonly chainstateDir: string; readonly privilege: Privilege; readonly signal: AbortSignal },
  entry: JournalVolumes,
): Promise<void> {
  const { chainstateDir, privilege, signal } = request;
  await withSnapshotter(rooms, privilege, entry, async (snapshotter, store) => {
    const { runId, snapshotId } = entry;
    const published = snapshotId === null ? [] : await publishedVolumes(store, snapshotId, signal);
    const keep = (snapshot: string): boolean => published.includes(snapshot);
    await snapshotter.cleanUp(runId, { chainstateDir, stateDir: rooms.host.stateDir, signal, keep });
  });
}

async function withSnapshotter<T>(
  rooms: Rooms,
  privilege: Privilege,
  { driver, named, location }: JournalVolumes,
  work: (snapshotter: VolumeSnapshotter, store: ObjectStore) => Promise<T>,
): Promise<T> {
  const store = await rooms.openStore(location as StorageLocation);
  try {
    return await work(rooms.volumes.snapshotter(driver, named, { privilege, store }), store);
  } finally {
    await store.close();
  }
}

async function publishedVolumes(
  store: ObjectStore,
  id: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    return (await loadManifest(store, id, signal)).volumes.map(({ snapshot }) => snapshot);
  } catch (error) {
    if (hasCode(error, "SNAPSHOT_NOT_FOUND")) return [];
    throw error;
  }
}

/**
 * A restore of volumes that died after its swap. Proved: the old volume is let go of, as the run was about to. Not proved,
 * and a node runs on the new: that stays, and the old one beside it for a person to decide.
 */
async function closeVolumeSwap(
  rooms: Rooms,
  journal: Journal,
  { privilege, signal }: { readonly privilege: Privilege; readonly signal: AbortSignal },
  unproved: boolean,
): Promise<void> {
  const { volumeSwap, volumes } = journal.content;
  if (volumeSwap === null) return;
  const { driver, target, undo } = volumeSwap;
  const entry = volumes.find((each) => each.driver === driver);
  const keepPrevious = unproved || volumeSwap.keepPrevious;
  const place = `The restored volume is in place at ${target}`;
  const commit = async (): Promise<readonly string[]> => {
    if (entry === undefined) throw new RangeError("the journal names no driver");
    return await withSnapshotter(
      rooms,
      privilege,
      entry,
      async (snapshotter) =>
        (await snapshotter.commit?.(undo, { runId: entry.runId, keepPrevious, signal })) ?? [],
    );
  };
  const notes = await commit().catch((error: unknown) => {
    const old = undo.map((step) => JSON.stringify(step["kept"] ?? step["device"])).join(", ");
    return [`The old one (${old}) could not be put away: ${describeError(error)}`];
  });
  if (unproved)
    rooms.report.warning(
      `${place} and the node runs on it, but the run ended before that was proved healthy.`,
    );
  for (const line of notes) rooms.report.warning(`${place}. ${line}`);
  await journal.update({ volumeSwap: null });
}

/**
 * A restore that died after its swap. Proved: the old directory is dropped, as the run was about to. Not proved, and a
 * node runs on it: it stays, and the old directory stays beside it for a person to decide.
 */
async function closeSwap(
  rooms: Rooms,
  journal: Journal,
  outcome: "none" | "rolled-back" | "kept" | "completed",
  signal: AbortSignal,
): Promise<void> {
  const { swap, sudo } = journal.content;
  if (swap === null) return;
  const files = fileOperations(rooms.privilege(sudo), signal);
  const record = async (next: typeof swap | null): Promise<void> => await journal.update({ swap: next });
  const unproved = outcome === "kept";
  if (unproved) {
    rooms.report.warning(
      `The restored chainstate is in place at ${swap.target} and the node runs on it, but the run ended before that was ` +
        `proved healthy. The old one is kept at ${swap.aside}: remove it when you are content, or stop the node and rename it back.`,
    );
    await prove(swap, record);
  }
  const proved = journal.content.swap;
  if (proved !== null) await finishSwap(proved, unproved, record, files);
}
