/** `command: prune`, and the retention at the end of a snapshot: the same rules, the same order, the same report. */
import { describeError, throwIfAborted } from "../domain/errors.ts";
import type { Retention, SudoMode } from "../domain/options.ts";
import { prune as pruneStore, type Pruned, type PruneOptions, type VolumeRemover } from "../catalog/prune.ts";
import type { ManifestSigner } from "../catalog/signing/signer.ts";
import type { PruneConfig } from "../config/config.ts";
import type { ObjectStore } from "../store/port.ts";
import { formatCount } from "../report/words.ts";
import { formatBytes } from "../system/space.ts";
import type { RunContext } from "./context.ts";
import { openManifestSigner } from "./manifest-trust.ts";
import { reportPlanned, type PlanRow } from "./report-plan.ts";
import { tryWritePage } from "./publish-snapshot.ts";
import { withStore } from "./with-store.ts";

export async function prune(config: PruneConfig, ctx: RunContext): Promise<void> {
  const { dryRun, sudo, retention } = config;
  const names = { delete: config.delete, unpin: config.unpin };
  await withStore(ctx, config, async (store) => {
    const signer = await openManifestSigner(ctx, config.signKey);
    const removed = await applyRetention(ctx, store, retention, { sudo, dryRun, signer, ...names });
    const many = removed !== 1;
    const verb = dryRun ? "would be" : many ? "were" : "was";
    ctx.report.headline(
      `${dryRun ? "Dry run: " : ""}${formatCount(removed, "snapshot")} ${verb} removed from ${store.url}.`,
    );
  });
}

interface RetentionOptions {
  readonly sudo: SudoMode;
  readonly dryRun?: boolean;
  /** By this run. */
  readonly published?: string;
  /** Ids, by people. */
  readonly delete?: readonly string[];
  readonly unpin?: readonly string[];
  readonly signer?: ManifestSigner | undefined;
}

/** After a snapshot is published: that stands, whatever becomes of the older ones. What could not be removed is said. */
export async function tryApplyRetention(
  ctx: RunContext,
  store: ObjectStore,
  retention: Retention,
  options: RetentionOptions,
): Promise<void> {
  if (Object.keys(retention).length === 0) return;
  try {
    await applyRetention(ctx, store, retention, options);
  } catch (error) {
    throwIfAborted(ctx.signal);
    ctx.report.warning(
      `The snapshot is published, but older ones could not all be removed, which the next run tries again: ${describeError(error)}`,
    );
  }
}

/**
 * Returns how many went (or, dry, would go). Without any rule only what is named goes, and what dead runs left is cleaned. What is named and
 * could not be removed is an error, at the end.
 */
async function applyRetention(
  ctx: RunContext,
  store: ObjectStore,
  retention: Retention,
  { sudo, dryRun = false, published, delete: deletes = [], unpin = [], signer }: RetentionOptions,
): Promise<number> {
  const { report, signal, clock } = ctx;
  return await report.phase(
    "retention",
    dryRun ? "Decide what stays" : "Keep what retention says",
    async () => {
      const volumes = volumeRemover(ctx, store, sudo);
      const asked = { delete: deletes, unpin, published, signer };
      const pruned = await pruneStore(store, { retention, dryRun, signal, clock, volumes, ...asked });
      for (const id of unpin) report.fact(id, describeUnpinned(pruned.unpinned.includes(id), dryRun));
      const failed = pruned.refused.find(({ id }) => deletes.includes(id));
      reportPruned(ctx, { ...pruned, refused: pruned.refused.filter((one) => one !== failed) }, dryRun);
      if (dryRun) return reportPrunePlan(ctx, store, pruned);
      report.output("pruned", JSON.stringify(pruned.removed));
      // Also where nothing went: the catalogue may have been repaired.
      await tryWritePage(ctx, store);
      if (failed !== undefined) throw failed.error;
      return pruned.removed.length;
    },
  );
}

function reportPruned({ report }: RunContext, pruned: Pruned, dryRun: boolean): void {
  report.table(
    "Retention",
    ["snapshot", "", "why"],
    pruned.decisions.map(({ id, keep, reasons }) => [id, keep ? "stays" : "goes", reasons.join(", ")]),
  );
  for (const key of pruned.leftovers) report.info(`Left by a dead run${dryRun ? "" : ", removed"}: ${key}`);
  for (const notice of pruned.notices) report.warning(notice);
  for (const { id, error } of pruned.refused) report.warning(`${id} is left alone: ${error.message}`);
}

/** What would go stands in the plan: a job that reads `pruned` takes it for gone. Returns how many would. */
function reportPrunePlan(ctx: RunContext, store: ObjectStore, pruned: Pruned): number {
  const going = goingOf(pruned);
  const { unpinned, leftovers } = pruned;
  const rows: PlanRow[] = [
    ["Would remove", describeGoing(going)],
    ["Left by dead runs", leftovers.length === 0 ? "nothing" : leftovers.join(", ")],
  ];
  reportPlanned(ctx, rows, {
    command: "prune",
    storage: store.url,
    removes: going.ids,
    removesBytes: going.bytes,
    unpins: unpinned,
    keeps: pruned.decisions.filter(({ keep }) => keep).map(({ id, reasons }) => ({ id, reasons })),
    leftovers,
  });
  return going.ids.length;
}

/** What retention lets go, newest first, and the bytes of its archives. */
export interface Going {
  readonly ids: readonly string[];
  readonly bytes: number;
}

function goingOf({ decisions, entries }: Pick<Pruned, "decisions" | "entries">): Going {
  const ids = decisions.filter(({ keep }) => !keep).map(({ id }) => id);
  const sizes = new Map(entries.map(({ id, archive }) => [id, archive?.size ?? 0]));
  return { ids, bytes: ids.reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0) };
}

/** What would go once `expected` is published; undefined where that cannot be found out, which is no condition for a snapshot. */
export async function previewRetention(
  ctx: RunContext,
  store: ObjectStore,
  { retention, sudo }: Pick<PruneConfig, "retention" | "sudo">,
  expected: NonNullable<PruneOptions["expected"]>,
): Promise<Going | undefined> {
  const { signal, clock } = ctx;
  if (Object.keys(retention).length === 0) return { ids: [], bytes: 0 };
  try {
    const volumes = volumeRemover(ctx, store, sudo);
    return goingOf(await pruneStore(store, { retention, dryRun: true, signal, clock, volumes, expected }));
  } catch (error) {
    throwIfAborted(signal);
    ctx.report.notice(`What retention would remove cannot be found out: ${describeError(error)}`);
    return undefined;
  }
}

/** For a figure. */
export function describeGoing(going: Going | undefined): string {
  if (going === undefined) return "not known";
  return going.ids.length === 0 ? "nothing" : `${going.ids.join(", ")} (${formatBytes(going.bytes)})`;
}

function describeUnpinned(wasPinned: boolean, dryRun: boolean): string {
  if (!wasPinned) return "was not pinned";
  return dryRun ? "would no longer be pinned" : "is no longer pinned";
}

/** Local snapshots are removed on the host that made them; those in a cloud or on the store from anywhere. */
function volumeRemover(ctx: RunContext, store: ObjectStore, sudo: SudoMode): VolumeRemover {
  const { host, signal, volumes } = ctx;
  return {
    reasonNotRemovable: (driver, madeOn) =>
      volumes.isLocal(driver) && madeOn !== host.hostName
        ? `its ${driver} snapshot is on ${madeOn}: prune there`
        : undefined,
    async remove(volume) {
      const access = { privilege: ctx.privilege(sudo), store };
      await volumes.snapshotter(volume.driver, [], access).delete(volume, signal);
    },
  };
}
