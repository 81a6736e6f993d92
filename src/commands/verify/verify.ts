/**
 * `command: verify`. A directory is checked in place, read-only. A snapshot is read back whole, unless it is to be
 * its databases alone: every frame's digest and tar headers, the index, the seek table; then its databases are unpacked
 * into scratch space and checked like a directory. The snapshot of a volume is opened and checked where it is.
 */
import { dirname, join } from "node:path";
import { verifyArchive } from "../../archive/read/reader.ts";
import {
  assertConsistent,
  inspectChainstate,
  type Inspection,
  type InspectOptions,
} from "../../chainstate/inspect.ts";
import { isBlobs } from "../../chainstate/layout.ts";
import { findModeDirectory, mayBeNeededForChecks } from "../../chainstate/mode-directory.ts";
import type { VerifyConfig } from "../../config/config.ts";
import type { ArchiveRecord } from "../../domain/manifest.ts";
import { ActionError } from "../../domain/errors.ts";
import { openExternalArchive, unpackExternalArchive, type ExternalArchive } from "../external-archive.ts";
import { formatBytes } from "../../system/space.ts";
import { believedProof, openConfirming, type Confirming } from "../confirm.ts";
import { neededBytes, verifyDatabases } from "./verify-databases.ts";
import { reportInspection } from "../report-inspection.ts";
import { openArchive, openSnapshot, type OpenSnapshot } from "../open-snapshot.ts";
import {
  chooseDirectory,
  type CopyPlace,
  placeInTemp,
  requireTrialSpace,
  requireUnused,
  withCopyOf,
  withNotedDirectory,
} from "./copy-chainstate.ts";
import { openTrials, type Trials } from "./trials.ts";
import { verifyVolumes } from "./verify-volumes.ts";
import type { RunContext } from "../context.ts";
import { withScratch } from "../with-scratch.ts";
import { closeStore } from "../with-store.ts";

export async function verify(config: VerifyConfig, ctx: RunContext): Promise<void> {
  const { chainstateDir, storage } = config;
  const confirming = await openConfirming(ctx, config);
  const inTemp = chainstateDir === undefined;
  const trials = await openTrials(ctx, config, { owner: chainstateDir, inTemp, sudo: config.sudo });
  if (chainstateDir !== undefined) {
    const copying = trials === undefined ? undefined : await planCopy(ctx, chainstateDir, config, trials);
    const { facts } = await verifyDirectory(chainstateDir, config, ctx, confirming);
    if (copying !== undefined)
      await withCopyOf(ctx, chainstateDir, copying, async (copy) => await trials?.run({ ...copy, facts }));
    ctx.report.headline(`${chainstateDir} is one consistent chainstate.`);
    return;
  }
  const run: VerifyRun = { config, ctx, confirming, trials };
  if (config.snapshot.kind === "external") {
    await verifyExternal(config.snapshot.url, run);
    return;
  }
  if (storage === undefined) throw new RangeError("nothing to verify");
  const opened = await openSnapshot(ctx, { ...config, storage });
  if (opened.manifest.archive === undefined) {
    if (trials !== undefined) throw await volumeUntried(ctx, opened);
    return await verifyVolumes(opened, config, ctx, confirming);
  }
  try {
    await withVerifyScratch(run, (scratch) => verifySnapshot(opened, scratch, run));
  } finally {
    await closeStore(ctx, opened.store);
  }
}

async function planCopy(
  ctx: RunContext,
  chainstateDir: string,
  { sudo }: VerifyConfig,
  { user, containers }: Trials,
): Promise<CopyPlace> {
  await requireUnused(ctx, chainstateDir, sudo);
  return { user, sudo, containers, directory: await chooseDirectory(ctx, chainstateDir, user) };
}

interface VerifyRun {
  readonly config: VerifyConfig;
  readonly ctx: RunContext;
  readonly confirming: Confirming;
  /** Undefined: none of the node's programs is tried. */
  readonly trials: Trials | undefined;
}

/** A copy that programs work on may be large and is no longer ours alone, so it is noted. */
async function withVerifyScratch(
  { ctx, trials, config }: VerifyRun,
  work: (scratch: string) => Promise<void>,
): Promise<void> {
  if (trials === undefined) await withScratch(ctx, "verify", work);
  else await withNotedDirectory(ctx, await placeInTemp(ctx, config.sudo, trials.containers), work);
}

async function volumeUntried(ctx: RunContext, { manifest, store }: OpenSnapshot): Promise<ActionError> {
  await closeStore(ctx, store);
  return new ActionError(
    "NO_ARCHIVE",
    `${manifest.id} is a volume snapshot, which the node's programs cannot be tried on.`,
    { hint: "Restore it with `method: volume`, or leave `boot` and `replay-blocks` out." },
  );
}

async function verifyDirectory(
  dir: string,
  config: VerifyConfig,
  ctx: RunContext,
  confirming: Confirming,
  options: Pick<InspectOptions, "blobs" | "hasBlockFiles"> = {},
): Promise<Inspection> {
  const depth = config.check === "none" ? "tips" : config.check;
  return await ctx.report.phase("check", `Check ${dir} in place`, async (phase) => {
    const inspection = await inspectChainstate({
      ...options,
      dir,
      depth,
      signers: confirming.signers,
      signal: ctx.signal,
      onProgress: (progress) => phase.progress(progress),
    });
    reportInspection(ctx.report, inspection);
    assertConsistent(inspection);
    await confirming.confirm(inspection, "fail");
    return inspection;
  });
}

/** There is no index to check frames against: it is read through once, and its databases are looked at. */
async function verifyExternal(url: string, run: VerifyRun): Promise<void> {
  const { config, ctx } = run;
  const archive = await openExternalArchive(ctx, url, config.s3, "snapshot", config.expectDigest);
  try {
    await withVerifyScratch(run, (scratch) => readExternal(archive, scratch, run));
  } finally {
    await archive.close();
  }
  const checked = config.check === "none" ? "" : " and its chainstate is consistent";
  const is = archive.sha256 === undefined ? "can be unpacked" : "is what its checksum says";
  ctx.report.headline(`${archive.name} ${is}${checked}.`);
}

async function readExternal(archive: ExternalArchive, scratch: string, run: VerifyRun): Promise<void> {
  const { config, ctx, confirming, trials } = run;
  const { check: depth } = config;
  const target = join(scratch, "databases");
  const blobs = new Map<string, number>();
  const { root } = await ctx.report.phase("verify", `Read ${archive.source.url} through`, (phase) =>
    unpackExternalArchive(ctx, archive, phase, {
      target,
      owner: "mine",
      select: (path, size) => {
        if (isBlobs(path)) blobs.set(path, size);
        return depth !== "none" && (mayBeNeededForChecks(path, depth) || trials?.needs(path) === true);
      },
      locateRoot: async (directory, signal) =>
        depth === "none" ? "" : await findModeDirectory(directory, signal),
      durable: false,
    }),
  );
  const sizeOf = async (path: string): Promise<number | undefined> =>
    blobs.get(root === "" ? path : `${root}/${path}`);
  if (depth !== "none") {
    const sizesAlone = depth === "full" || depth === "proof" ? {} : { blobs: { sizeOf } };
    const options = { ...sizesAlone, hasBlockFiles: false };
    const dir = join(target, root);
    const { facts } = await verifyDirectory(dir, config, ctx, confirming, options);
    await trials?.run({ dir, work: scratch, within: dirname(scratch), facts });
  }
}

async function verifySnapshot(opened: OpenSnapshot, scratch: string, run: VerifyRun): Promise<void> {
  const { config, ctx, confirming, trials } = run;
  const { report, signal } = ctx;
  const { manifest } = opened;
  report.output("snapshot-id", manifest.id);
  report.output("stacks-height", String(manifest.chain.stacksHeight));
  const { source, indexFile, record } = await openArchive(opened, scratch, signal);
  report.info(`Archive: ${source.place}, ${formatBytes(source.size)}.`);
  const options = { source, indexFile, indexDigest: record.index, concurrency: config.concurrency, signal };
  if (trials !== undefined) {
    trials.requireNetwork(manifest.chain);
    const needed = await neededBytes(options, (path) => trials.needs(path));
    await requireTrialSpace(ctx, needed, "try the node's programs on a copy");
  }
  const whole = config.scope === "archive";
  let fetchedBytes = whole ? await readBackWhole(ctx, manifest.id, record, options) : 0;
  if (config.check !== "none") {
    const { check: depth } = config;
    const { chain, checks } = manifest;
    await report.phase("check", "Unpack the databases and check them", async () => {
      const found = await verifyDatabases({
        ...options,
        scratchParent: scratch,
        depth,
        proven: believedProof(config, manifest.proof),
        signers: confirming.signers,
        records: record.databases ?? [],
        cut: { facts: chain, checks },
        next: {
          needs: (path) => trials?.needs(path) === true,
          run: async (inspection, place) => {
            reportInspection(report, inspection);
            await confirming.confirm(inspection, "fail");
            const { facts } = inspection;
            await trials?.run({ ...place, within: dirname(scratch), facts });
          },
        },
        ifDifferent: "Do not restore this snapshot: choose another one, and report this.",
      });
      if (!found.made) {
        throw new ActionError("SPACE_MISSING", `The databases cannot be checked: ${found.reason}.`, {
          hint: whole
            ? "Every frame is whole. Point RUNNER_TEMP to a larger disk, or set `check: none`."
            : "Point RUNNER_TEMP to a larger disk.",
        });
      }
      fetchedBytes += found.fetchedBytes;
    });
  }
  report.output("fetched-bytes", String(fetchedBytes));
  report.fact("Fetched", `${formatBytes(fetchedBytes)}, of an archive of ${formatBytes(record.size)}`);
  const consistent = config.check === "none" ? "" : " and its chainstate consistent";
  report.headline(
    whole
      ? `Snapshot ${manifest.id} is whole${consistent}.`
      : `The chainstate of snapshot ${manifest.id} is consistent; the rest of its archive was not looked at.`,
  );
}

/** Bytes that were fetched. SNAPSHOT_DAMAGED where the archive is not the one of the manifest. */
async function readBackWhole(
  { report }: RunContext,
  id: string,
  record: ArchiveRecord,
  options: Omit<Parameters<typeof verifyArchive>[0], "archiveSha256" | "onProgress">,
): Promise<number> {
  const verified = await report.phase("verify", `Read ${options.source.url} back whole`, (phase) =>
    verifyArchive({
      ...options,
      ...(record.sha256 === undefined ? {} : { archiveSha256: record.sha256 }),
      onProgress: ({ doneBytes }) => phase.progress({ doneBytes, totalBytes: record.tarSize }),
    }),
  );
  if (verified.treeSha256 !== record.treeSha256 || verified.frames !== record.frames) {
    throw new ActionError("SNAPSHOT_DAMAGED", `The archive of ${id} is not the one its manifest describes.`, {
      hint: "It was changed after it was published. Choose another snapshot.",
    });
  }
  return verified.fetchedBytes;
}
