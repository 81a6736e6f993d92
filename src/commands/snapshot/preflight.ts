/** Everything of a snapshot that can be known before the node is touched. Changes nothing. */
import { basename } from "node:path";
import { requireChainstate } from "../../chainstate/identify.ts";
import { requireOnePlace } from "../../chainstate/spans.ts";
import { selectEntries } from "../../chainstate/layout.ts";
import { ActionError, describeError } from "../../domain/errors.ts";
import type { SnapshotConfig } from "../../config/config.ts";
import type { FreezeRequest, Survey } from "../../freeze/port.ts";
import { surveyTree } from "../../freeze/survey.ts";
import { largestPlannedBytes } from "../../store/upload/part-sizes.ts";
import { formatBytes } from "../../system/space.ts";
import type { RunContext } from "../context.ts";
import { inspectNode, type InspectedNode } from "../node/inspect.ts";
import { readMoment, waitForRightMoment } from "../node/right-moment.ts";
import { describeColdDowntime } from "../estimate.ts";
import { requireSeparatePaths } from "../separate-paths.ts";
import { requireTrialSpace } from "../verify/copy-chainstate.ts";
import { tryFindBase } from "./base.ts";
import type { ArchivePlan, Plan, SnapshotRun, VolumePlan } from "./plan.ts";
import { planVolumes } from "./volumes.ts";

/** Returns the run as it is going to be made: `downtime: auto` may have become `live`. */
export async function preflight(run: SnapshotRun): Promise<PlannedRun> {
  const { config, ctx, store } = run;
  const { report, signal } = ctx;
  await requireChainstate(config.chainstateDir);
  await requireSeparatePaths(config.chainstateDir, config);
  await store.probeWritable(signal, config);
  report.info(`Storage: ${store.url} can be written.`);
  const node = await inspectNode(ctx, config.node, config.chainstateDir, { staysUp: config.cut === "live" });
  const isStopped = node.before.running && node.control.identity.manager !== "none" && config.cut !== "live";
  const moment = isStopped ? await readMoment(ctx, config.node, config.chainstateDir) : undefined;
  const survey = once(
    async () => await surveyTree(ctx.viewOf, requestOf(run), (path) => run.trials?.needs(path) === true),
  );
  if (moment === undefined) return await planned(run, node, survey);
  const { costForMiner, exitCodeDoubt } = moment;
  if (costForMiner !== undefined) {
    const live = await tryLive(run, node, survey, costForMiner);
    if (live !== undefined) return live;
    report.warning(costForMiner);
  }
  const possible = await planned(run, node, survey);
  const frozen = { ...possible, plan: { ...possible.plan, exitCodeDoubt } };
  if (exitCodeDoubt !== undefined) {
    report.warning(
      `At that Bitcoin height the node ends itself in the middle of its work, with exit code 0: ${exitCodeDoubt}. Remove it, or expect the node to be gone.`,
    );
  }
  if (config.dryRun) {
    for (const { sentence } of await moment.look()) report.warning(`A stop would have to wait: ${sentence}.`);
    return frozen;
  }
  try {
    await waitForRightMoment(ctx, moment, config.quietTimeoutMs);
    return frozen;
  } catch (error) {
    if (!(error instanceof ActionError) || signal.aborted) throw error;
    const live = await tryLive(run, node, survey, error.message);
    if (live === undefined) throw error;
    await frozen.plan.archive?.base?.withdraw();
    return live;
  }
}

/** The same snapshot of the running node, where that was left to us and can be had. `why`: a sentence. */
async function tryLive(
  run: SnapshotRun,
  node: InspectedNode,
  survey: () => Promise<Survey>,
  why: string,
): Promise<PlannedRun | undefined> {
  const { config, ctx } = run;
  if (config.cut !== "auto" || config.method !== "archive" || config.freezeWith !== "auto") return undefined;
  try {
    const live = await planned({ ...run, config: { ...config, cut: "live" } }, node, survey);
    ctx.report.notice(`${why} The node is not stopped: the snapshot is taken live.`);
    return live;
  } catch (error) {
    if (!(error instanceof ActionError) || ctx.signal.aborted) throw error;
    ctx.report.info(`A live snapshot cannot be taken: ${describeError(error)}`);
    return undefined;
  }
}

interface PlannedRun {
  readonly run: SnapshotRun;
  readonly plan: Plan;
}

function requestOf({ config, ctx }: SnapshotRun): FreezeRequest {
  return {
    chainstateDir: config.chainstateDir,
    selection: selectEntries(config.profile, config.exclude),
    runId: ctx.host.runId,
    stateDir: ctx.host.stateDir,
    signal: ctx.signal,
  };
}

/** The same answer however often it is asked for. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return async () => await (asked ??= work());
}

async function planned(
  run: SnapshotRun,
  node: InspectedNode,
  survey: () => Promise<Survey>,
): Promise<PlannedRun> {
  const { config, ctx } = run;
  const request = requestOf(run);
  const volume = config.method === "archive" ? undefined : await planVolumes(run, request);
  const archive = config.method === "volume" ? undefined : await planArchive(run, request, volume, survey);
  const freezer = archive?.chosen?.freezer.name;
  const readsPaths = freezer === "sqlite" || freezer === "cold";
  const by = volume?.snapshotter.driver ?? (readsPaths ? undefined : freezer);
  await requireOnePlace(config.chainstateDir, by, ctx.signal);
  return { run, plan: { node, request, archive, volume } };
}

/** What a probe tries on the disk is in the journal meanwhile: whoever finds this run ended in the middle of it removes it. */
async function chooseFreezer(
  { config, ctx, journal }: SnapshotRun,
  request: FreezeRequest,
): ReturnType<SnapshotRun["ctx"]["chooseFreezer"]> {
  const { runId } = ctx.host;
  const privilege = ctx.privilege(config.node.sudo);
  const trying = ctx.freezers(privilege).filter(({ triesOnDisk }) => triesOnDisk === true);
  await journal.update((now) => ({
    ...now,
    frozen: [...now.frozen, ...trying.map(({ name }) => ({ freezer: name, runId }))],
  }));
  const chosen = await ctx.chooseFreezer(config, request, privilege);
  await journal.update((now) => ({ ...now, frozen: now.frozen.filter((view) => view.runId !== runId) }));
  return chosen;
}

async function planArchive(
  run: SnapshotRun,
  request: FreezeRequest,
  volume: VolumePlan | undefined,
  survey: () => Promise<Survey>,
): Promise<ArchivePlan> {
  const { config, ctx, store } = run;
  const { report } = ctx;
  const expected = await survey();
  if (run.trials !== undefined)
    await requireTrialSpace(ctx, expected.namedBytes, "replay the last blocks on a copy of the databases");
  const chosen = isViewOfVolume(config, ctx, volume)
    ? undefined
    : await chooseFreezer(run, { ...request, survey: expected });
  if (chosen !== undefined) report.info(`Frozen by ${chosen.freezer.name}: ${chosen.reason}.`);
  if (chosen?.notice !== undefined)
    report.notice(`${chosen.notice} ${describeColdDowntime(expected.contentBytes, config.rateLimits)}`);
  report.info(`To archive: ${expected.entries} entries, ${formatBytes(expected.contentBytes)}.`);
  const largest = largestPlannedBytes(store.partLimits);
  if (expected.contentBytes > largest) {
    report.warning(
      `Uncompressed this is more than the ${formatBytes(largest)} that ${store.partLimits.maxParts} parts of ${store.url} can hold; ` +
        "if it does not compress well enough the upload fails and nothing is published.",
    );
  }
  const base = config.dryRun ? undefined : await tryFindBase(ctx, store, basename(config.chainstateDir));
  return { chosen, expected, base };
}

/** True where the archive is made from the very snapshot that stays, unless something else was asked for. */
function isViewOfVolume(
  { cut, freezeWith }: SnapshotConfig,
  ctx: RunContext,
  volume: VolumePlan | undefined,
): boolean {
  if (volume === undefined || cut === "cold" || ctx.volumes.viewer(volume.snapshotter) === undefined)
    return false;
  return freezeWith === "auto" || freezeWith === volume.snapshotter.driver;
}
