/**
 * Finishes what a journal says is open: the node first, then the uploads, frozen views, volumes and directories of the
 * run. The same for a run that failed, for the post step and for the next run on the host. Each thing done is struck from the
 * journal, so it can be called again.
 */
import type { StorageLocation } from "../../domain/options.ts";
import { loadManifest } from "../../catalog/read.ts";
import { ActionError, describeError, hasCode } from "../../domain/errors.ts";
import { sweepKept } from "../../freeze/kept.ts";
import { placeOf, type JournalContent, type JournalVolumes } from "../../recovery/content.ts";
import type { NodeStanding } from "../../report/port.ts";
import type { FileOperations } from "../../recovery/file-operations.ts";
import { lockPathOf, readJournal, takeJournal, type Journal } from "../../recovery/journal.ts";
import { recoverFully } from "../../recovery/recover.ts";
import { listJournals } from "../../recovery/replay.ts";
import { withPlace } from "../../recovery/place.ts";
import { closeCommitted, removeStaged, tidyPlace } from "../../recovery/settle.ts";
import type { ObjectStore } from "../../store/port.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { timeLimit } from "../../system/deadline.ts";
import type { Privilege } from "../../system/privilege.ts";
import { isLocked } from "../../system/process-lock.ts";
import type { VolumeSnapshotter } from "../../volume/port.ts";
import type { RunContext } from "../context.ts";
import { withStore } from "../with-store.ts";

/** Cleaning up listens to no cancellation, but has to end before a runner loses patience. */
const limitMs = 4 * 60_000;

/** How much of that a node that still ends may take. */
const patienceMs = 3 * 60_000;

/**
 * Returns what could not be finished, in words: it stays in the journal, and is tried again by whoever comes next.
 * Throws only when the node could not be brought back or a swap not be taken back; uploads and frozen views, which have
 * nothing to do with that, are seen to all the same.
 */
export async function cleanUp(
  ctx: RunContext,
  journal: Journal,
  waitMs = patienceMs,
): Promise<readonly string[]> {
  const signal = timeLimit(limitMs, "CLEAN_UP_TIMEOUT", "Cleaning up");
  const leftovers = new Leftovers(ctx, journal, signal);
  let unconfirmed: string | undefined;
  try {
    unconfirmed = await bringBack(ctx, journal, signal, waitMs);
  } catch (error) {
    if (journal.content.node?.mustStart === true) ctx.report.node(standingAfter(error));
    await leftovers.removeOwn();
    throw error;
  }
  await leftovers.removeOwn();
  if (isUnconfirmed(journal.content)) {
    const line = describeUnconfirmed(journal.content, unconfirmed);
    ctx.report.warning(line);
    return [...leftovers.left, line];
  }
  await leftovers.removePlaces();
  return leftovers.left;
}

/** How the node stands when it could not be brought back. */
export function standingAfter(error: unknown): NodeStanding {
  if (hasCode(error, "NODE_STILL_STOPPING")) return "stopping";
  return hasCode(error, "NODE_START_FAILED") ? "down" : "unknown";
}

/** Says which chainstate is in place, where this run had begun to exchange it. */
export function reportPlace({ report }: RunContext, { content }: Journal): void {
  const place = placeOf(content);
  if (place !== undefined) report.chainstate(place);
}

/**
 * What runs of any chainstate have left when they were killed, by the journals of this host: a container goes on until somebody
 * ends it. Of a run that is alive, which has its journal, none is touched. What could not be seen is warned of.
 */
export async function tryRemoveContainers(ctx: RunContext): Promise<void> {
  const { report, clock, signal, host } = ctx;
  for (const path of await listJournals(host.stateDir)) {
    await bestEffort(
      report,
      `see whether a container of an earlier run is left (${path})`,
      async () => {
        const found = await readJournal(path);
        if (found === undefined || found.containers.length === 0 || isLocked(lockPathOf(path))) return;
        const journal = await takeJournal(path, { role: "replay", signal, clock });
        if (journal === undefined) return;
        try {
          const limit = timeLimit(limitMs, "CLEAN_UP_TIMEOUT", "Cleaning up");
          await new Leftovers(ctx, journal, limit).removeContainers();
        } finally {
          journal.release();
        }
      },
      limitMs,
    );
  }
}

/** The node, the watchdog, the chainstate that is in place. Returns why that is not confirmed yet, if it is not. */
async function bringBack(
  ctx: RunContext,
  journal: Journal,
  signal: AbortSignal,
  waitMs: number,
): Promise<string | undefined> {
  const { clock, nodes, volumes, files, report } = ctx;
  const privilege = ctx.privilege(journal.content.sudo);
  const options = { privilege, clock, signal, nodes, volumes, files };
  const recovery = await recoverFully(journal, options, waitMs);
  if (recovery.node === "stopping") {
    throw new ActionError(
      "NODE_STILL_STOPPING",
      "The node was asked to stop and has not ended, so it was not started again; the restart watchdog does when it has.",
    );
  }
  if (recovery.node === "started") report.info("The node was left stopped and has been started.");
  if (recovery.node === "started" || recovery.node === "running") report.node("running");
  const why = recovery.why === undefined ? "" : `: ${recovery.why}`;
  if (recovery.swap === "rolled-back") report.info(`The old chainstate is back in its place${why}.`);
  if (recovery.swap === "completed" && why !== "") report.info(`The restored chainstate is confirmed${why}.`);
  if (recovery.swap === "by-hand") report.warning(`A restore is not finished here: ${recovery.why}.`);
  if (recovery.swap === "unconfirmed") return recovery.why;
  const { switch: armed } = journal.content;
  if (armed !== null) {
    await ctx.watchdog.disarm(armed, privilege, clock);
    await journal.update({ switch: null });
  }
  await closeSwap(ctx, journal, files(privilege, signal));
  await closeVolumeSwap(ctx, journal, { privilege, signal }, false);
  return undefined;
}

/** The chainstate that was restored stays in place, and what confirms it, or puts the old one back, is still to come. */
export function isUnconfirmed({ swap, volumeSwap }: JournalContent): boolean {
  return (swap ?? volumeSwap)?.step === "swapped";
}

/** What is so, and what becomes of it, in sentences. */
function describeUnconfirmed({ swap, volumeSwap, confirm }: JournalContent, why = ""): string {
  const target = swap?.target ?? volumeSwap?.target ?? "";
  const old = swap === null ? "the old volume" : `the old one (${swap.aside})`;
  const height = confirm?.expected.minStacksHeight;
  const keeps = (swap ?? volumeSwap)?.keepPrevious === true ? "stays" : "is removed";
  return (
    `The restored chainstate is in place at ${target} and is not confirmed yet: ${why}. ` +
    `The restart watchdog, and every run, go on looking: when its node answers${height === undefined ? "" : ` at height ${height} or above`}, ${old} ${keeps}; ` +
    "when it ends, works in another directory or answers with a state that it cannot have, that one is put back and the node started on it."
  );
}

/**
 * For a restore that replaces it: nobody goes on looking, it stays in place until then, and the old one stays beside it for a
 * person to decide.
 */
export async function giveUpConfirming(ctx: RunContext, journal: Journal): Promise<void> {
  const { swap, volumeSwap, sudo } = journal.content;
  if (swap !== null) {
    ctx.report.warning(
      `The chainstate at ${swap.target}, restored by an earlier run, was never confirmed healthy. The old one is kept at ${swap.aside}: remove it when you are content.`,
    );
    await journal.update((now) => ({
      ...now,
      swap: null,
      confirm: null,
      inPlace: "new",
      places: withPlace(now.places, swap.place),
    }));
  }
  if (volumeSwap !== null) {
    const signal = timeLimit(limitMs, "CLEAN_UP_TIMEOUT", "Cleaning up");
    await closeVolumeSwap(ctx, journal, { privilege: ctx.privilege(sudo), signal }, true);
  }
}

/** What a run made and has not removed yet. Each is struck from the journal when it is gone. */
class Leftovers {
  /** What could not be removed, in words. */
  readonly left: string[] = [];
  readonly #ctx: RunContext;
  readonly #journal: Journal;
  readonly #signal: AbortSignal;

  constructor(ctx: RunContext, journal: Journal, signal: AbortSignal) {
    this.#ctx = ctx;
    this.#journal = journal;
    this.#signal = signal;
  }

  /** Those that are nobody else's, whatever became of the node. */
  async removeOwn(): Promise<void> {
    const { uploads, opening, frozen, chainstateDir, sudo } = this.#journal.content;
    await this.removeContainers();
    for (const upload of uploads) {
      await this.#remove("uploads", upload, `upload of ${upload.key}`, async () => {
        await withStore(this.#ctx, { storage: upload.location as StorageLocation }, (store) =>
          store.abortUpload({ key: upload.key, id: upload.id }, this.#signal),
        );
      });
    }
    for (const entry of opening) {
      await this.#remove("opening", entry, `upload of ${entry.key}`, async () => {
        await withStore(this.#ctx, { storage: entry.location as StorageLocation }, async (store) => {
          for await (const { token } of store.listUploads(entry.key, this.#signal)) {
            if (token.key === entry.key) await store.abortUpload(token, this.#signal);
          }
        });
      });
    }
    for (const view of frozen) {
      await this.#remove("frozen", view, `frozen view (${view.freezer})`, async () => {
        const freezer = this.#ctx
          .freezers(this.#ctx.privilege(sudo))
          .find(({ name }) => name === view.freezer);
        const { stateDir } = this.#ctx.host;
        await freezer?.cleanUp(view.runId, { chainstateDir, stateDir, signal: this.#signal });
      });
    }
    await this.#try("kept clones", async () => {
      await sweepKept({ chainstateDir, stateDir: this.#ctx.host.stateDir }, this.#ctx.clock.now());
    });
  }

  /** Before what they work on. */
  async removeContainers(): Promise<void> {
    const { containers, sudo } = this.#journal.content;
    for (const entry of containers) {
      await this.#remove("containers", entry, `container of run ${entry.runId} (${entry.cli})`, async () => {
        const removed = await this.#ctx.images.remove(entry, this.#ctx.privilege(sudo), this.#signal);
        if (removed > 0)
          this.#ctx.report.info(`A container that run ${entry.runId} had left is ended and removed.`);
      });
    }
  }

  /** Volumes and directories, of which one may be in use as long as a swap is open. */
  async removePlaces(): Promise<void> {
    const { volumes, staging, places, chainstateDir, sudo } = this.#journal.content;
    const privilege = this.#ctx.privilege(sudo);
    for (const entry of volumes) {
      await this.#remove("volumes", entry, `volume (${entry.driver})`, async () => {
        await cleanUpVolumes(this.#ctx, { chainstateDir, privilege, signal: this.#signal }, entry);
      });
    }
    const files = this.#ctx.files(privilege, this.#signal);
    for (const directory of staging) {
      await this.#remove("staging", directory, `directory ${directory}`, async () => {
        await removeStaged(this.#journal, directory, files);
      });
    }
    for (const place of places) {
      await this.#remove("places", place, `directory ${place}`, async () => {
        await tidyPlace(this.#journal, place, files);
      });
    }
  }

  async #remove<K extends "uploads" | "opening" | "frozen" | "volumes" | "containers" | "staging" | "places">(
    list: K,
    entry: JournalContent[K][number],
    what: string,
    work: () => Promise<void>,
  ): Promise<void> {
    await this.#try(what, async () => {
      await work();
      await this.#journal.update((now) => ({
        ...now,
        [list]: (now[list] as readonly unknown[]).filter((other) => other !== entry),
      }));
    });
  }

  async #try(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const line = `${what}: ${describeError(error)}`;
      this.left.push(line);
      this.#ctx.report.warning(`Could not be cleaned up, and is tried again by the next run: ${line}`);
    }
  }
}

/** What a driver left, but for snapshots that a manifest names: a run may have died right after it had published. */
async function cleanUpVolumes(
  ctx: RunContext,
  request: { readonly chainstateDir: string; readonly privilege: Privilege; readonly signal: AbortSignal },
  entry: JournalVolumes,
): Promise<void> {
  const { chainstateDir, privilege, signal } = request;
  await withSnapshotter(ctx, privilege, entry, async (snapshotter, store) => {
    const { runId, snapshotId } = entry;
    const published = snapshotId === null ? [] : await publishedVolumes(store, snapshotId, signal);
    const keep = (snapshot: string): boolean => published.includes(snapshot);
    await snapshotter.cleanUp(runId, { chainstateDir, stateDir: ctx.host.stateDir, signal, keep });
  });
}

async function withSnapshotter<T>(
  ctx: RunContext,
  privilege: Privilege,
  { driver, named, location }: JournalVolumes,
  work: (snapshotter: VolumeSnapshotter, store: ObjectStore) => Promise<T>,
): Promise<T> {
  return await withStore(ctx, { storage: location as StorageLocation }, (store) =>
    work(ctx.volumes.snapshotter(driver, named, { privilege, store }), store),
  );
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
 * A restore of volumes that is confirmed: the old volume is released, as the run was about to. `uncommitted`: it is not, and
 * the old one stays for a person to decide.
 */
async function closeVolumeSwap(
  ctx: RunContext,
  journal: Journal,
  { privilege, signal }: { readonly privilege: Privilege; readonly signal: AbortSignal },
  uncommitted: boolean,
): Promise<void> {
  const { volumeSwap, volumes } = journal.content;
  if (volumeSwap === null) return;
  const { driver, target, undo } = volumeSwap;
  const entry = volumes.find((each) => each.driver === driver);
  const keepPrevious = uncommitted || volumeSwap.keepPrevious;
  const place = `The restored volume is in place at ${target}`;
  const commit = async (): Promise<readonly string[]> => {
    if (entry === undefined) throw new RangeError("the journal names no driver");
    return await withSnapshotter(
      ctx,
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
  if (uncommitted) ctx.report.warning(`${place} and was never confirmed healthy.`);
  for (const line of notes) ctx.report.warning(`${place}. ${line}`);
  await journal.update({ volumeSwap: null, confirm: null, inPlace: "new" });
}

/** A restore that is confirmed: the old directory goes, as the run was about to remove it. */
async function closeSwap(ctx: RunContext, journal: Journal, files: FileOperations): Promise<void> {
  const { kept } = await closeCommitted(journal, files);
  if (kept !== undefined) ctx.report.warning(kept);
}
