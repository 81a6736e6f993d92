/** Reads back what was taken, when the node runs again, and checks it as thoroughly as was asked. */
import { assertConsistent, inspectChainstate, type Inspection } from "../../chainstate/inspect.ts";
import { provenBefore } from "../../chainstate/proof/remembered.ts";
import { ActionError } from "../../domain/errors.ts";
import type { ChainFacts, CheckResult, Manifest, ProofRecord, VolumeRecord } from "../../domain/manifest.ts";
import type { FreezeRequest } from "../../freeze/port.ts";
import { openFrameSource } from "../../store/frame-source.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { verifyDatabases } from "../verify/verify-databases.ts";
import type { StoredArchive } from "./archive.ts";
import type { Plan, SnapshotRun, Taken, VolumePlan } from "./plan.ts";

export interface Verified {
  readonly checks: readonly CheckResult[];
  readonly verified: Manifest["verified"];
  readonly proof?: ProofRecord | undefined;
}

/** Of the archive where there is one, else of the volume. */
export async function verifyTaken(run: SnapshotRun, plan: Plan, taken: Taken): Promise<Verified> {
  const { archive, checks } = taken;
  if (archive !== undefined) {
    const found = await verifyStored(run, taken, archive);
    // Where there was no space for the databases they were not read back, whatever was asked.
    const verified = found === undefined ? "checksum" : "database";
    return { checks: found?.checks ?? checks, verified, proof: found?.proof };
  }
  const { volume, request } = plan;
  const found =
    volume === undefined
      ? undefined
      : await verifyTakenVolumes(run, volume, taken.volumes, request, taken.facts);
  if (found === undefined) return { checks, verified: "none" };
  return { checks: found.checks, verified: "database", proof: found.proof };
}

/** Returns what was found; undefined where it was not to be made, or there is no space for it. */
async function verifyStored(
  { config, ctx, store }: SnapshotRun,
  taken: Taken,
  { record, indexFile }: StoredArchive,
): Promise<Inspection | undefined> {
  const { check: depth } = config;
  if (depth === "none") return undefined;
  const found = await ctx.report.phase("verify", "Read the databases back from the archive", async () =>
    verifyDatabases({
      source: await openFrameSource(store, record.key, ctx.signal),
      indexFile,
      indexDigest: record.index,
      concurrency: config.concurrency,
      scratchParent: ctx.host.tempDir,
      depth,
      proven: await provenBefore(ctx.host.stateDir, config.chainstateDir),
      records: record.databases ?? [],
      cut: { facts: taken.facts, checks: taken.checks },
      ifDifferent:
        "Nothing was published. Something wrote to the chainstate that should not have; run again with `downtime: full`, and report this.",
      signal: ctx.signal,
    }),
  );
  if (found.made) return found.inspection;
  const lost = depth === "tips" ? "" : `, so \`check: ${depth}\` could not be made`;
  ctx.report.notice(`The databases were not read back from the archive${lost}: ${found.reason}.`);
  return undefined;
}

/** Looks at the databases inside the snapshot, where it can be opened at once; undefined where it cannot. */
async function verifyTakenVolumes(
  { config, ctx }: SnapshotRun,
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
