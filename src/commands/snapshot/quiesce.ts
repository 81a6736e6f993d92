/**
 * The moment of a snapshot: the node is stopped and verified to have stopped, its chainstate checked, the volume snapshotted, the
 * view to archive frozen; and the node started again as soon as what was asked for no longer depends on it.
 */
import { basename } from "node:path";
import { claimSnapshotId } from "../../catalog/publish.ts";
import {
  assertConsistent,
  compareWithRpc,
  inspectChainstate,
  inspectFrozen,
} from "../../chainstate/inspect.ts";
import type { Inspection } from "../../chainstate/inspect.ts";
import { assertNoSecrets } from "../../chainstate/secrets.ts";
import type { DatabaseRecord, VolumeRecord } from "../../domain/manifest.ts";
import type { FrozenView } from "../../freeze/port.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { archiveView, type ArchiveSubject, type StoredArchive } from "./archive.ts";
import { reportInspection } from "../report-inspection.ts";
import type { CleanStop, NodeDowntime } from "../node/downtime.ts";
import { cutOf, type ArchivePlan, type Plan, type SnapshotRun, type Taken } from "./plan.ts";
import { completeVolumes, takeVolumes } from "./volumes.ts";
import { openBlobs } from "./blobs.ts";
import { openKeptClone } from "./kept-clone.ts";
import { openPages } from "./pages.ts";
import { openTrust } from "./trusted-segments.ts";

export async function takeStopped(run: SnapshotRun, plan: Plan, downtime: NodeDowntime): Promise<Taken> {
  const { config, ctx, store } = run;
  const staysDown = cutOf(config, plan).method === "cold";
  const [stop, inspection] = await downtime.begin(async () => await check(run, plan));
  const cleanStop = withDoubt(stop, plan);
  const { facts, checks } = inspection;
  if (config.profile === "share") await scanForSecrets(run, plan, ctx.signal);
  const at = new Date(ctx.clock.now());
  const claim = async (): ReturnType<typeof claimSnapshotId> =>
    await claimSnapshotId(store, facts, at, ctx.host.runId, ctx.signal);
  const start = (): void => {
    if (!staysDown) downtime.startBeside({ minStacksHeight: facts.stacksHeight });
  };
  const { archive, volume } = plan;
  // What is tagged with the id has to know it before.
  const early = volume === undefined ? undefined : await claim();
  const taken =
    volume === undefined || early === undefined
      ? []
      : await takeVolumes(run, volume, plan.request, { id: early.id, facts });
  // The snapshot of the volume is the moment: nothing else needs the node to be down.
  if (archive?.chosen === undefined) start();
  let claimed = early;
  const sent =
    archive === undefined
      ? nothingSent
      : await whileFrozen(run, plan, archive, taken, async (frozen, signal) => {
          start();
          claimed ??= await claim();
          return await send(run, plan, archive, { frozen, at, claimed, signal });
        });
  const volumes = volume === undefined ? [] : await completeVolumes(run, volume, taken);
  if (staysDown) await downtime.verifyStillStopped();
  claimed ??= await claim();
  return { id: claimed.id, at, facts, checks, cleanStop, ...sent, volumes };
}

/** What an exit code does not prove is not said by it: the checks have to. */
function withDoubt(stop: CleanStop, { exitCodeDoubt }: Plan): CleanStop {
  if (exitCodeDoubt === undefined || stop.exitCode !== 0) return stop;
  const result = `${stop.result}; exit code 0 proves no clean stop: ${exitCodeDoubt}`;
  return { ...stop, result, exitCode: null };
}

/** The node runs on: the moment is one at which its databases agree, found and frozen by the freezer. */
export async function takeLive(run: SnapshotRun, plan: Plan): Promise<Taken> {
  const { config, ctx, store } = run;
  const { archive } = plan;
  if (archive === undefined) throw new RangeError("a live snapshot is an archive");
  return await whileFrozen(run, plan, archive, undefined, async (frozen, signal) => {
    const inspection = await ctx.report.phase(
      "check",
      "Check chainstate consistency inside the frozen state",
      async () => {
        if (frozen.ask === undefined) throw new RangeError(`${frozen.method} cannot be asked`);
        if (config.profile === "share") await scanForSecrets(run, plan, signal);
        return judged(run, plan, await inspectFrozen(frozen.ask, config.chainstateDir));
      },
    );
    const { facts, checks } = inspection;
    const { at } = frozen;
    const claimed = await claimSnapshotId(store, facts, at, ctx.host.runId, signal);
    const sent = await send(run, plan, archive, { frozen, at, claimed, signal });
    return { id: claimed.id, at, facts, checks, cleanStop: undefined, ...sent, volumes: [] };
  });
}

type Sent = Pick<Taken, "archive" | "trust" | "pages" | "blobs" | "kept">;

const nothingSent: Sent = {
  archive: undefined,
  trust: undefined,
  pages: undefined,
  blobs: undefined,
  kept: undefined,
};

function withDatabases(
  archive: StoredArchive,
  databases: readonly DatabaseRecord[] | undefined,
): StoredArchive {
  if (databases === undefined) return archive;
  return { ...archive, record: { ...archive.record, databases: [...databases] } };
}

async function send(
  run: SnapshotRun,
  plan: Plan,
  { expected, base }: ArchivePlan,
  cut: Pick<ArchiveSubject, "frozen" | "claimed" | "signal"> & { readonly at: Date },
): Promise<Sent> {
  const { config, ctx, store } = run;
  const { frozen } = cut;
  const trust = await openTrust(ctx, store, config, base, cut.at);
  const kept = await openKeptClone(run, base, frozen);
  const pages = await openPages(run, base, frozen.method !== "cold", cut.signal, kept?.clones);
  const blobs = await openBlobs(run, base, frozen, cut.signal);
  const read = blobs?.spared(frozen.view) ?? frozen.view;
  try {
    const archive = await archiveView(run, {
      ...cut,
      frozen: { ...frozen, view: pages?.carried(read) ?? read },
      rootName: basename(config.chainstateDir),
      nodeVersion: plan.node.version?.fileNamePart,
      expected: { ...expected, walBytes: expected.contentBytes * config.rebaseAbove },
      base,
      segments: trust?.segments,
    });
    return { archive: withDatabases(archive, pages?.records), trust, pages, blobs, kept };
  } finally {
    await bestEffort(ctx.report, "remove the WALs that were made", async () => await pages?.close());
  }
}

/** The quick ones: what takes longer is asked of what was taken, when the node is back. */
async function check(run: SnapshotRun, plan: Plan): Promise<Inspection> {
  const { config, ctx } = run;
  return await ctx.report.phase("check", "Check chainstate consistency", async () =>
    judged(
      run,
      plan,
      await inspectChainstate({ dir: config.chainstateDir, depth: "tips", signal: ctx.signal }),
    ),
  );
}

/** What is made for others must hold nothing that is private; looked for while nobody writes. */
async function scanForSecrets({ config, ctx }: SnapshotRun, plan: Plan, signal: AbortSignal): Promise<void> {
  await ctx.report.phase("check", "Scan for secrets", async () => {
    await assertNoSecrets({
      dir: config.chainstateDir,
      selection: plan.request.selection,
      signal,
    });
  });
}

/** Throws unless the chainstate is consistent and is the one whose heights the node reported. */
function judged({ config, ctx }: SnapshotRun, plan: Plan, inspection: Inspection): Inspection {
  reportInspection(ctx.report, inspection);
  if (config.check !== "none") assertConsistent(inspection);
  if (plan.node.info !== undefined) {
    const warning = compareWithRpc(inspection.facts, plan.node.info, plan.node.tenure);
    if (warning !== undefined) ctx.report.warning(warning);
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
  const { ctx, journal } = run;
  const frozen = await freeze(run, plan, archive, volumes);
  const broken = new AbortController();
  void frozen.broken.catch((error: unknown) => broken.abort(error));
  try {
    const result = await work(frozen, AbortSignal.any([ctx.signal, broken.signal]));
    await frozen.assertFrozen();
    return result;
  } finally {
    // What is not released stays in the journal, and whoever cleans up goes by that.
    await bestEffort(
      ctx.report,
      "release the frozen view",
      async () => {
        await frozen.release();
        await journal.update((now) => ({
          ...now,
          frozen: now.frozen.filter(({ runId }) => runId !== ctx.host.runId),
        }));
      },
      releaseMs,
    );
  }
}

/** Clones of half a million files are removed. */
const releaseMs = 10 * 60_000;

async function freeze(
  { ctx, journal }: SnapshotRun,
  { request, volume }: Plan,
  { chosen }: ArchivePlan,
  volumes: readonly VolumeRecord[] | undefined,
): Promise<FrozenView> {
  if (chosen === undefined) {
    const open = volume === undefined ? undefined : ctx.volumes.viewer(volume.snapshotter);
    if (open === undefined) throw new RangeError("nothing freezes what is archived");
    return await ctx.report.phase("freeze", "Open the volume's snapshot", () => open(volumes ?? [], request));
  }
  const { freezer } = chosen;
  await journal.update((now) => ({
    ...now,
    frozen: [...now.frozen, { freezer: freezer.name, runId: ctx.host.runId }],
  }));
  return await ctx.report.phase("freeze", `Freeze by ${freezer.name}`, () =>
    freezer.freeze(request, volumes !== undefined),
  );
}
