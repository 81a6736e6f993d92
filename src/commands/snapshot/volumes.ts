/**
 * The snapshot of the volume: chosen before the node is touched, taken while it is down, waited for while it runs on.
 * What a dead run leaves of it is found by the journal's entry, which is written first and struck out when the manifest
 * that names the snapshots is published.
 */
import type { ChainFacts, VolumeRecord } from "../../domain/manifest.ts";
import { aboutOneManifest, listSnapshots, loadManifest } from "../../catalog/read.ts";
import { tryAnnounceRestore } from "../../catalog/readers.ts";
import { ActionError, describeError } from "../../domain/errors.ts";
import type { FreezeRequest } from "../../freeze/port.ts";
import type { SnapshotRun, VolumePlan } from "./plan.ts";

/** The first snapshot of a large cloud disk takes hours; a job on GitHub's own runners ends after six. */
const completeWithinMs = 6 * 3600_000;

export async function planVolumes(run: SnapshotRun, request: FreezeRequest): Promise<VolumePlan> {
  const { config, ctx, store } = run;
  const base = await findPrevious(run);
  const access = { privilege: ctx.privilege(config.node.sudo), store };
  const { snapshotter, reason, probe } = await ctx.volumes.choose(
    config,
    { ...request, previous: base.previous },
    access,
  );
  ctx.report.info(`Volume: ${snapshotter.driver} of ${probe.sources.join(", ")} (${reason}).`);
  if (probe.risk !== undefined) ctx.report.warning(`The volume snapshot: ${probe.risk}.`);
  const isSlow = !snapshotter.isInstant;
  if (isSlow && config.cut === "frozen") {
    throw new ActionError(
      "VOLUME_UNSUPPORTED",
      `\`volume-driver: ${snapshotter.driver}\` reads the whole file system while the node is down, so the cut cannot be \`frozen\`.`,
      { hint: "Leave `cut` at `auto`, or take an archive (`method: archive`)." },
    );
  }
  if (isSlow) ctx.report.notice(`The node stays down while ${snapshotter.driver} reads the file system.`);
  return { snapshotter, reason, isSlow, ...base };
}

/** The newest volume snapshot of this chainstate made on this host: an incremental dump is based on it. */
async function findPrevious({
  config,
  ctx,
  store,
}: SnapshotRun): Promise<Pick<VolumePlan, "previous" | "withdraw">> {
  const { host, signal } = ctx;
  const nothing = { previous: [], withdraw: async () => undefined };
  if (config.volumeDriver !== "xfs" || config.dryRun) return nothing;
  const newest = (await listSnapshots(store, signal)).find(
    (entry) => entry.host === host.hostName && entry.volumes.some(({ driver }) => driver === "xfs"),
  );
  if (newest === undefined) return nothing;
  const announced = await tryAnnounceRestore(store, newest.id, host.runId, ctx);
  const withdraw = async (): Promise<void> => await announced?.withdraw();
  try {
    const { volumes } = await loadManifest(store, newest.id, signal);
    return { previous: volumes, withdraw };
  } catch (error) {
    await withdraw();
    if (!(error instanceof ActionError) || !aboutOneManifest.has(error.code)) throw error;
    ctx.report.notice(`The dump is based on no earlier one: ${describeError(error)}`);
    return nothing;
  }
}

/** The node is verified to have stopped. When this returns the moment is fixed. */
export async function takeVolumes(
  { config, ctx, journal }: SnapshotRun,
  { snapshotter, previous }: VolumePlan,
  request: FreezeRequest,
  { id, facts }: { readonly id: string; readonly facts: ChainFacts },
): Promise<readonly VolumeRecord[]> {
  const { driver } = snapshotter;
  const entry = {
    driver,
    runId: request.runId,
    named: [...config.volumes],
    location: config.storage,
    snapshotId: id,
  };
  await journal.update((now) => ({ ...now, volumes: [...now.volumes, entry] }));
  return await ctx.report.phase("freeze", `Snapshot the volume by ${driver}`, () =>
    snapshotter.freeze({
      ...request,
      previous,
      facts: {
        snapshotId: id,
        network: facts.network,
        stacksHeight: facts.stacksHeight,
        burnHeight: facts.burnHeight,
      },
      journal: async (undo) => await journal.update({ undo: [...undo] }),
    }),
  );
}

/** Waits until the snapshots are whole; the node may run meanwhile. */
export async function completeVolumes(
  { ctx }: SnapshotRun,
  { snapshotter }: VolumePlan,
  records: readonly VolumeRecord[],
): Promise<readonly VolumeRecord[]> {
  return await ctx.report.phase("archive", `Wait until the ${snapshotter.driver} snapshot is complete`, () =>
    snapshotter.describe(records, { timeoutMs: completeWithinMs, signal: ctx.signal }),
  );
}
