/**
 * `command: snapshot`. Everything that can be known before the node is touched is checked first; the node is down only
 * from the stop until its chainstate is frozen (or, `cold`, until all of it stands in the store); nothing is published
 * that was not checked, and `latest` moves last.
 */
import type { Manifest } from "../../domain/manifest.ts";
import { rememberProven } from "../../chainstate/proof/remembered.ts";
import type { SnapshotConfig } from "../../config/config.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { withJournal } from "../run/journal.ts";
import { NodeDowntime } from "../node/downtime.ts";
import { withFoundRpc } from "../node/find-rpc.ts";
import { openManifestSigner } from "../manifest-trust.ts";
import { tryApplyRetention } from "../prune.ts";
import { publishSnapshot } from "../publish-snapshot.ts";
import { openConfirming } from "../confirm.ts";
import { openTrials } from "../verify/trials.ts";
import type { RunContext } from "../context.ts";
import { withStore } from "../with-store.ts";
import { preflight } from "./preflight.ts";
import { reportPlan } from "./report-plan.ts";
import type { Plan, SnapshotRun, Taken } from "./plan.ts";
import { takeLive, takeStopped } from "./quiesce.ts";
import { manifestOf } from "./result.ts";
import { verifyTaken } from "./verify-archive.ts";

export async function snapshot(given: SnapshotConfig, ctx: RunContext): Promise<void> {
  const { chainstateDir, node } = given;
  const journaled = { chainstateDir, command: "snapshot", sudo: node.sudo, node };
  await withJournal(ctx, journaled, async (journal) => {
    const config = { ...given, node: await withFoundRpc(ctx, node, chainstateDir) };
    await withStore(ctx, config, async (store) => {
      const own = node.manager === "none" ? undefined : config.node.rpcUrl;
      const confirming = await openConfirming(ctx, config, own);
      const place = { owner: chainstateDir, inTemp: true, sudo: node.sudo };
      const trials = await openTrials(ctx, config, place);
      const asked: SnapshotRun = { config, ctx, journal, store, confirming, trials };
      const { run, plan } = await ctx.report.phase("preflight", "Preflight checks", async () =>
        preflight({ ...asked, signer: await openManifestSigner(ctx, config.signKey) }),
      );
      if (config.dryRun) return await reportPlan(run, plan);
      try {
        await take(run, plan);
      } finally {
        await plan.archive?.base?.withdraw();
        await plan.volume?.withdraw();
      }
    });
  });
}

async function take(run: SnapshotRun, plan: Plan): Promise<void> {
  const { config, ctx, journal, store, signer } = run;
  const downtime = new NodeDowntime(ctx, plan.node, config.node, journal, config.chainstateDir);
  const { published, ...chain } = await downtime.guard(async () => {
    const taken = config.cut === "live" ? await takeLive(run, plan) : await takeStopped(run, plan, downtime);
    const expected = { minStacksHeight: taken.facts.stacksHeight };
    // What was taken is published whether the node comes up or not, and nobody waits for the other.
    downtime.startBeside(expected);
    const id = await publishTaken(run, plan, taken, downtime);
    await downtime.back();
    return { ...expected, published: id };
  });
  await downtime.sync(chain);
  // Nothing is read from it any more, and retention must not take this run for a reader.
  await plan.archive?.base?.withdraw();
  await tryApplyRetention(ctx, store, config.retention, { sudo: config.node.sudo, published, signer });
}

/** Returns the id. */
async function publishTaken(
  run: SnapshotRun,
  plan: Plan,
  taken: Taken,
  downtime: NodeDowntime,
): Promise<string> {
  const { config, ctx, journal, store, signer } = run;
  const verified = await verifyTaken(run, plan, taken);
  const manifest: Manifest = manifestOf(run, plan, taken, {
    ...verified,
    downtimeSeconds: downtime.downtimeSeconds,
  });
  await publishSnapshot(ctx, store, manifest, signer);
  // From here on nothing takes the snapshot back.
  const { proof } = verified;
  if (proof !== undefined)
    await bestEffort(ctx.report, "keep up to which block the chainstate is proven", () =>
      rememberProven(ctx.host.stateDir, config.chainstateDir, proof),
    );
  const { runId } = ctx.host;
  await journal.update((now) => ({ ...now, volumes: now.volumes.filter((each) => each.runId !== runId) }));
  await taken.pages?.tryRemember();
  if (taken.archive === undefined) return manifest.id;
  await taken.blobs?.tryRemember(manifest.id, taken.archive.record);
  await taken.trust?.tryRemember(manifest.id, taken.archive.record);
  await taken.kept?.tryRemember(manifest.id, taken.archive.record);
  return manifest.id;
}
