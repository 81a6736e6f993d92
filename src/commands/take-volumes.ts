/**
 * The snapshot of the volume: chosen before the node is touched, taken while it is down, waited for while it runs on.
 * What a dead run leaves of it is found by the journal's entry, which is written first and struck out when the manifest
 * that names the snapshots is published.
 */
import type { ChainFacts, VolumeRecord } from "../catalog/manifest.ts";
import { listSnapshots, loadManifest } from "../catalog/read.ts";
import { tryAnnounceRestore } from "../catalog/readers.ts";
import { assertConsistent, inspectChainstate, type Inspection } from "../chainstate/inspect.ts";
import { ActionError } from "../errors.ts";
import type { FreezeRequest } from "../freeze/port.ts";
import type { VolumeSnapshotter } from "../volume/port.ts";
import type { SnapshotRun } from "./snapshot-run.ts";

export interface VolumePlan {
  readonly snapshotter: VolumeSnapshotter;
  readonly reason: string;
  /** It reads the whole file system, so the node stays down until that is on the store. */
  readonly isSlow: boolean;
  /** Records of the snapshot that this one is based on. */
  readonly previous: readonly VolumeRecord[];
  /** Retention may remove that one from now on. */
  withdraw(): Promise<void>;
}

/** The first snapshot of a large cloud disk takes hours; a job on GitHub's own runners ends after six. */
const completeWithinMs = 6 * 3600_000;

export async function planVolumes(run: SnapshotRun, request: FreezeRequest): Promise<VolumePlan> {
  const { config, rooms, store } = run;
  const base = await findPrevious(run);
  const access = { privilege: rooms.privilege(config.node.sudo), store };
  const { snapshotter, reason, probe } = await rooms.volumes.choose(
    config,
    { ...request, previous: base.previous },
    access,
  );
  rooms.report.info(`Volume: ${snapshotter.driver} of ${probe.sources.join(", ")} (${reason}).`);
  if (probe.risk !== undefined) rooms.report.warning(`The volume snapshot: ${probe.risk}.`);
  const isSlow = !snapshotter.isInstant;
  if (isSlow && config.cut === "frozen") {
    throw new ActionError(
      "VOLUME_UNSUPPORTED",
      `\`volume-driver: ${snapshotter.driver}\` reads the whole file system while the node is down, so the cut cannot be \`frozen\`.`,
      { hint: "Leave `cut` at `auto`, or take an archive (`method: archive`)." },
    );
  }
  if (isSlow) rooms.report.notice(`The node stays down while ${snapshotter.driver} reads the file system.`);
  return { snapshotter, reason, isSlow, ...base };
}

/** The newest volume snapshot of this chainstate made on this host: an incremental dump is based on it. */
async function findPrevious({
  config,
  rooms,
  store,
}: SnapshotRun): Promise<Pick<VolumePlan, "previous" | "withdraw">> {
  const { host, clock, signal } = rooms;
  const nothing = { previous: [], withdraw: async () => undefined };
  if (config.volumeDriver !== "xfs" || config.dryRun) return nothing;
  const newest = (await listSnapshots(store, signal)).find(
    (entry) => entry.host === host.hostName && entry.volumes.some(({ driver }) => driver === "xfs"),
  );
  if (newest === undefined) return nothing;
  const announced = await tryAnnounceRestore(store, newest.id, host.runId, clock, signal);
  const { volumes } = await loadManifest(store, newest.id, signal);
  return {
    previous: volumes,
    withdraw: async () => await announced?.withdraw(AbortSignal.timeout(10_000)),
  };
}

/** The node is proved down. When this returns the moment is fixed. */
export async function takeVolumes(
  { config, rooms, journal }: SnapshotRun,
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
  return await rooms.report.phase("freeze", `Snapshot the volume by ${driver}`, () =>
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
  { rooms }: SnapshotRun,
  { snapshotter }: VolumePlan,
  records: readonly VolumeRecord[],
): Promise<readonly VolumeRecord[]> {
  return await rooms.report.phase(
    "archive",
    `Wait until the ${snapshotter.driver} snapshot is complete`,
    () => snapshotter.describe(records, { timeoutMs: completeWithinMs, signal: rooms.signal }),
  );
}

/** Looks at the databases inside the snapshot, where it can be opened at once; undefined where it cannot. */
export async function proveVolumes(
  { config, rooms }: SnapshotRun,
  { snapshotter }: VolumePlan,
  records: readonly VolumeRecord[],
  request: FreezeRequest,
  cut: ChainFacts,
): Promise<Inspection | undefined> {
  const { check: depth } = config;
  const { report, signal } = rooms;
  if (depth === "none") return undefined;
  const open = rooms.volumes.viewer(snapshotter);
  if (open === undefined) {
    const lost = depth === "tips" ? "" : `, so \`check: ${depth}\` could not be made`;
    report.notice(`The databases were not read back from the ${snapshotter.driver} snapshot${lost}.`);
    return undefined;
  }
  return await report.phase(
    "verify",
    `Read the databases in the ${snapshotter.driver} snapshot`,
    async () => {
      const frozen = await open(records, request);
      try {
        if (frozen.directory === undefined) {
          report.notice("The chainstate is spread over several volumes; its databases were not read back.");
          return undefined;
        }
        const inspection = await inspectChainstate({
          dir: frozen.directory,
          elsewhere: frozen.elsewhere,
          depth,
          signal,
          network: cut.network,
        });
        assertConsistent(inspection);
        const { stacksTip, stacksHeight } = inspection.facts;
        if (stacksTip !== cut.stacksTip || stacksHeight !== cut.stacksHeight) {
          throw new ActionError(
            "SNAPSHOT_DIFFERS",
            `The volume snapshot holds height ${stacksHeight}, the node was stopped at ${cut.stacksHeight}.`,
            { hint: "Nothing was published. Something wrote to the chainstate that should not have." },
          );
        }
        return inspection;
      } finally {
        await frozen.release();
      }
    },
  );
}
