/**
 * The moment of a snapshot: the node is stopped and proved down, its chainstate checked, the volume snapshotted, the
 * view to archive held; and the node started again as soon as what was asked for no longer depends on it.
 */
import { basename } from "node:path";
import { claimSnapshotId } from "../catalog/publish.ts";
import { assertConsistent, compareWithRpc, inspectChainstate, inspectFrozen } from "../chainstate/inspect.ts";
import type { Inspection } from "../chainstate/inspect.ts";
import { assertNoSecrets } from "../chainstate/secrets.ts";
import type { VolumeRecord } from "../catalog/manifest.ts";
import type { FrozenView } from "../freeze/port.ts";
import { archiveView, type ArchiveSubject } from "./archive-view.ts";
import { reportInspection } from "./inspection-report.ts";
import type { Outage } from "./outage.ts";
import { cutOf, type ArchivePlan, type Plan, type SnapshotRun, type Taken } from "./snapshot-run.ts";
import { completeVolumes, takeVolumes } from "./take-volumes.ts";
import { openTrust } from "./trusted-segments.ts";

export async function takeStopped(run: SnapshotRun, plan: Plan, outage: Outage): Promise<Taken> {
  const { config, rooms, store } = run;
  const staysDown = cutOf(config, plan).method === "cold";
  const cleanStop = await outage.begin();
  const inspection = await check(run, plan);
  const { facts, checks } = inspection;
  if (config.profile === "share") await scanForSecrets(run, plan, rooms.signal);
  const at = new Date(rooms.clock.now());
  const claim = async (): ReturnType<typeof claimSnapshotId> =>
    await claimSnapshotId(store, facts, at, rooms.host.runId, rooms.signal);
  const start = async (): Promise<void> => {
    if (!staysDown) await outage.end({ minStacksHeight: facts.stacksHeight });
  };
  const { archive, volume } = plan;
  // What is tagged with the id has to know it before.
  const early = volume === undefined ? undefined : await claim();
  const taken =
    volume === undefined || early === undefined
      ? []
      : await takeVolumes(run, volume, plan.request, { id: early.id, facts });
  // The snapshot of the volume is the moment: nothing else needs the node to be down.
  if (archive?.chosen === undefined) await start();
  let claimed = early;
  const sent =
    archive === undefined
      ? nothingSent
      : await whileFrozen(run, plan, archive, taken, async (frozen, signal) => {
          await start();
          claimed ??= await claim();
          return await send(run, plan, archive, { frozen, at, claimed, signal });
        });
  const volumes = volume === undefined ? [] : await completeVolumes(run, volume, taken);
  if (staysDown) await outage.proveStillDown();
  claimed ??= await claim();
  return { id: claimed.id, at, facts, checks, cleanStop, ...sent, volumes };
}

/** The node runs on: the moment is one at which its databases agree, found and held by the freezer. */
export async function takeLive(run: SnapshotRun, plan: Plan): Promise<Taken> {
  const { config, rooms, store } = run;
  const { archive } = plan;
  if (archive === undefined) throw new RangeError("a live snapshot is an archive");
  return await whileFrozen(run, plan, archive, undefined, async (frozen, signal) => {
    const inspection = await rooms.report.phase(
      "check",
      "Check the chainstate inside the frozen moment",
      async () => {
        if (frozen.ask === undefined) throw new RangeError(`${frozen.method} cannot be asked`);
        if (config.profile === "share") await scanForSecrets(run, plan, signal);
        return judged(run, plan, await inspectFrozen(frozen.ask, config.chainstateDir));
      },
    );
    const { facts, checks } = inspection;
    const { at } = frozen;
    const claimed = await claimSnapshotId(store, facts, at, rooms.host.runId, signal);
    const sent = await send(run, plan, archive, { frozen, at, claimed, signal });
    return { id: claimed.id, at, facts, checks, cleanStop: undefined, ...sent, volumes: [] };
  });
}

type Sent = Pick<Taken, "archive" | "trust">;

const nothingSent: Sent = { archive: undefined, trust: undefined };

async function send(
  run: SnapshotRun,
  plan: Plan,
  { expected, base }: ArchivePlan,
  cut: Pick<ArchiveSubject, "frozen" | "claimed" | "signal"> & { readonly at: Date },
): Promise<Sent> {
  const { config, rooms, store } = run;
  const trust = await openTrust(rooms, store, config, base, cut.at);
  const archive = await archiveView(run, {
    ...cut,
    rootName: basename(config.chainstateDir),
    nodeVersion: plan.node.version?.fileNamePart,
    expected,
    base,
    segments: trust?.segments,
  });
  return { archive, trust };
}

/** The quick ones: what takes longer is asked of what was taken, when the node is back. */
async function check(run: SnapshotRun, plan: Plan): Promise<Inspection> {
  const { config, rooms } = run;
  return await rooms.report.phase("check", "Check that the databases are one chainstate", async () =>
    judged(
      run,
      plan,
      await inspectChainstate({ dir: config.chainstateDir, depth: "tips", signal: rooms.signal }),
    ),
  );
}

/** What is made for others must hold nothing that is private; looked for while nobody writes. */
async function scanForSecrets(
  { config, rooms }: SnapshotRun,
  plan: Plan,
  signal: AbortSignal,
): Promise<void> {
  await rooms.report.phase("check", "Look for what is private", async () => {
    const privilege = rooms.privilege(config.node.sudo);
    await assertNoSecrets({
      dir: config.chainstateDir,
      selection: plan.request.selection,
      elevate: (argv) => privilege.elevate(argv),
      signal,
    });
  });
}

/** Throws unless the chainstate is consistent and is the one the node told of. */
function judged({ config, rooms }: SnapshotRun, plan: Plan, inspection: Inspection): Inspection {
  reportInspection(rooms.report, inspection);
  if (config.check !== "none") assertConsistent(inspection);
  if (plan.node.info !== undefined) {
    const warning = compareWithRpc(inspection.facts, plan.node.info, plan.node.tenure);
    if (warning !== undefined) rooms.report.warning(warning);
  }
  return inspection;
}

/**
 * Freezes (`volumes` undefined: beside the running node), works on the frozen view, and gives it back whatever happens.
 * A view that breaks ends the work at once.
 */
async function whileFrozen<T>(
  run: SnapshotRun,
  plan: Plan,
  archive: ArchivePlan,
  volumes: readonly VolumeRecord[] | undefined,
  work: (frozen: FrozenView, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { rooms, journal } = run;
  const frozen = await freeze(run, plan, archive, volumes);
  const broken = new AbortController();
  void frozen.broken.catch((error: unknown) => broken.abort(error));
  try {
    const result = await work(frozen, AbortSignal.any([rooms.signal, broken.signal]));
    await frozen.assertHeld();
    return result;
  } finally {
    await frozen.release();
    await journal.update((now) => ({ ...now, frozen: [] }));
  }
}

async function freeze(
  { rooms, journal }: SnapshotRun,
  { request, volume }: Plan,
  { chosen }: ArchivePlan,
  volumes: readonly VolumeRecord[] | undefined,
): Promise<FrozenView> {
  if (chosen === undefined) {
    const open = volume === undefined ? undefined : rooms.volumes.viewer(volume.snapshotter);
    if (open === undefined) throw new RangeError("nothing holds the archive's view");
    return await rooms.report.phase("freeze", "Open the volume's snapshot", () =>
      open(volumes ?? [], request),
    );
  }
  const { freezer } = chosen;
  await journal.update((now) => ({
    ...now,
    frozen: [...now.frozen, { freezer: freezer.name, runId: rooms.host.runId }],
  }));
  return await rooms.report.phase("freeze", `Hold it still by ${freezer.name}`, () =>
    freezer.freeze(request, volumes !== undefined),
  );
}
