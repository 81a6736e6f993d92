/** Reads back what was taken, when the node runs again, and checks it as thoroughly as was asked. */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { assertConsistent, inspectChainstate, type Inspection } from "../../chainstate/inspect.ts";
import { provenBefore } from "../../chainstate/proof/remembered.ts";
import { ActionError } from "../../domain/errors.ts";
import type {
  ChainFacts,
  CheckResult,
  Confirmation,
  Manifest,
  ProofRecord,
  VolumeRecord,
} from "../../domain/manifest.ts";
import type { FreezeRequest } from "../../freeze/port.ts";
import { openFrameSource } from "../../store/frame-source.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { reportProven } from "../report-inspection.ts";
import { noteTrial, trialDirectory } from "../verify/copy-chainstate.ts";
import type { Trials } from "../verify/trials.ts";
import { verifyDatabases } from "../verify/verify-databases.ts";
import type { StoredArchive } from "./archive.ts";
import type { Plan, SnapshotRun, Taken, VolumePlan } from "./plan.ts";
import { verifyShare } from "./verify-share.ts";

export interface Verified {
  readonly checks: readonly CheckResult[];
  readonly verified: Manifest["verified"];
  readonly proof?: ProofRecord | undefined;
  readonly confirmation?: Confirmation | undefined;
}

/** Of the archive where there is one, else of the volume; and by whom it is confirmed. */
export async function verifyTaken(run: SnapshotRun, plan: Plan, taken: Taken): Promise<Verified> {
  const { archive, facts, volumes } = taken;
  const { volume, request } = plan;
  let found: Inspection | undefined;
  if (archive !== undefined) found = await verifyStored(run, plan, taken, archive);
  else if (volume !== undefined) found = await verifyTakenVolumes(run, volume, volumes, request, facts);
  const checks = found?.checks ?? taken.checks;
  reportProven(run.ctx.report, checks);
  const confirmation = await run.confirming.confirm({ facts, signers: found?.signers }, "warn");
  // Where there was no space for the databases they were not read back, whatever was asked.
  const unread = archive === undefined ? "none" : "checksum";
  return { checks, verified: found === undefined ? unread : "database", proof: found?.proof, confirmation };
}

/** Returns what was found; undefined where it was not to be made, or in part, or there is no space for it. */
async function verifyStored(
  run: SnapshotRun,
  plan: Plan,
  taken: Taken,
  stored: StoredArchive,
): Promise<Inspection | undefined> {
  const { config, ctx, store, confirming, trials } = run;
  const { record, indexFile } = stored;
  const { check: depth, readBack } = config;
  if (depth === "none") return undefined;
  if (readBack < 1) {
    await verifyShare(run, plan.archive?.base, stored);
    return undefined;
  }
  const scratchParent = trials === undefined ? ctx.host.tempDir : await trialPlace(run, trials);
  const found = await ctx.report.phase("verify", "Read the databases back from the archive", async () =>
    verifyDatabases({
      source: await openFrameSource(store, record.key, ctx.signal),
      indexFile,
      indexDigest: record.index,
      concurrency: config.concurrency,
      scratchParent,
      depth,
      proven: await provenBefore(ctx.host.stateDir, config.chainstateDir),
      signers: confirming.signers,
      records: record.databases ?? [],
      cut: { facts: taken.facts, checks: taken.checks },
      next:
        trials === undefined
          ? undefined
          : {
              needs: (path) => trials.needs(path),
              run: ({ facts: archived }, place) =>
                trials.run({ ...place, within: dirname(scratchParent), facts: archived }),
            },
      ifDifferent:
        "Nothing was published. Something wrote to the chainstate that should not have; run again with `downtime: full`, and report this.",
      signal: ctx.signal,
    }),
  );
  if (found.made) {
    // What the manifest says of pages that were not read is what it said before: then the archive alone proves nothing.
    await taken.kept?.prove(record.databases ?? [], ctx.signal);
    return found.inspection;
  }
  if (trials !== undefined)
    throw new ActionError("SPACE_MISSING", `The last blocks cannot be replayed: ${found.reason}.`, {
      hint: "Nothing was published. Point RUNNER_TEMP to a larger disk, or leave `replay-blocks` out.",
    });
  const lost = depth === "tips" ? "" : `, so \`check: ${depth}\` could not be made`;
  ctx.report.notice(`The databases were not read back from the archive${lost}: ${found.reason}.`);
  return undefined;
}

async function trialPlace({ ctx, journal }: SnapshotRun, { containers }: Trials): Promise<string> {
  const directory = await trialDirectory(ctx);
  await noteTrial(journal, directory, containers);
  await mkdir(directory, { mode: 0o700 });
  return directory;
}

/** Looks at the databases inside the snapshot, where it can be opened at once; undefined where it cannot. */
async function verifyTakenVolumes(
  { config, ctx, confirming }: SnapshotRun,
  { snapshotter }: VolumePlan,
  records: readonly VolumeRecord[],
  request: FreezeRequest,
  cut: ChainFacts,
): Promise<Inspection | undefined> {
  const { check: depth } = config;
  const { report, signal } = ctx;
  if (depth === "none") return undefined;
  const open = ctx.volumes.viewer(snapshotter);
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
          proven: await provenBefore(ctx.host.stateDir, config.chainstateDir),
          signers: confirming.signers,
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
        await bestEffort(report, "close the volume's snapshot", () => frozen.release());
      }
    },
  );
}
