/**
 * `command: restore`. An archive is unpacked, or a volume made of its snapshot, beside the target while the node runs;
 * only a chainstate that has passed its checks takes the place of the old one, in steps that can be taken back; and the
 * old one is dropped only when the node is healthy on the new.
 */
import type { CheckDepth } from "../../domain/options.ts";
import { mkdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { ChainFacts } from "../../domain/manifest.ts";
import { holdsChainstate } from "../../chainstate/identify.ts";
import { checkFits, describeLower, type Target } from "../../chainstate/guards.ts";
import { assertConsistent, inspectChainstate, readFacts } from "../../chainstate/inspect.ts";
import type { RestoreConfig } from "../../config/config.ts";
import { ActionError, describeError, hasCode } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/error-codes.ts";
import { requireMayKill } from "../../node/force-stop.ts";
import { readMoment, waitForRightMoment, type Moment } from "../node/right-moment.ts";
import { forgetProven } from "../../chainstate/proof/remembered.ts";
import type { FileOperations } from "../../recovery/file-operations.ts";
import type { Journal } from "../../recovery/journal.ts";
import { planSwap, type SwapPlan } from "../../recovery/swap.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { believedProof, openConfirming, type Confirming } from "../confirm.ts";
import { reportInspection } from "../report-inspection.ts";
import { withJournal } from "../run/journal.ts";
import { inspectNode, type InspectedNode } from "../node/inspect.ts";
import { NodeDowntime } from "../node/downtime.ts";
import { withFoundRpc } from "../node/find-rpc.ts";
import { rememberRestored } from "./remove-after-job.ts";
import { openDirectoryTarget } from "./target-directory.ts";
import { openVolumeTarget } from "./target-volume.ts";
import { reportPlan } from "./report-plan.ts";
import { requireStagingPlace } from "./staging.ts";
import type { RestoreTarget, Staged } from "./target.ts";
import type { RunContext } from "../context.ts";
import { requireSeparatePaths } from "../separate-paths.ts";
import { withScratch } from "../with-scratch.ts";

export async function restore(given: RestoreConfig, ctx: RunContext): Promise<void> {
  const { chainstateDir, node, storage, cache } = given;
  // Before anything is opened, the cache's directory included.
  await requireSeparatePaths(chainstateDir, {
    storage,
    cache: cache.kind === "directory" ? cache.path : undefined,
  });
  const replacing = { forceStop: given.forceStop };
  const { sudo } = node;
  const journaled = { chainstateDir, command: "restore", sudo, node, replacing, dryRun: given.dryRun };
  await withJournal(ctx, journaled, async (journal) => {
    const config = { ...given, node: await withFoundRpc(ctx, node, chainstateDir) };
    const open = config.method === "volume" ? openVolumeTarget : openDirectoryTarget;
    const confirming = await openConfirming(ctx, config);
    const target = await open(config, ctx);
    try {
      const files = ctx.files(ctx.privilege(node.sudo), ctx.signal);
      const restoring = new Restore(config, ctx, journal, files, target, confirming);
      await withScratch(ctx, "restore", async (scratch) => await restoring.run(scratch));
    } finally {
      await bestEffort(ctx.report, "close what was restored from", target.close);
    }
  });
}

interface Prepared {
  readonly node: InspectedNode;
  readonly swap: SwapPlan;
  /** What the chainstate has to fit. */
  readonly fits: Target;
  /** The target holds something that is being replaced. */
  readonly replaces: boolean;
  /** To be waited for before the stop; undefined: it is stopped whenever its time has come. */
  readonly moment: Moment | undefined;
}

class Restore {
  readonly #config: RestoreConfig;
  readonly #ctx: RunContext;
  readonly #journal: Journal;
  readonly #files: FileOperations;
  readonly #target: RestoreTarget;
  readonly #confirming: Confirming;

  constructor(
    config: RestoreConfig,
    ctx: RunContext,
    journal: Journal,
    files: FileOperations,
    target: RestoreTarget,
    confirming: Confirming,
  ) {
    this.#config = config;
    this.#ctx = ctx;
    this.#journal = journal;
    this.#files = files;
    this.#target = target;
    this.#confirming = confirming;
  }

  async run(scratch: string): Promise<void> {
    const { report } = this.#ctx;
    const prepared = await report.phase("preflight", "Preflight checks", () => this.#preflight());
    if (this.#config.dryRun) {
      const { node, swap, fits } = prepared;
      const nodeRuns = node.before.running;
      const planned = { swap, replaced: fits.replaced, replaces: prepared.replaces, nodeRuns };
      return await reportPlan(this.#ctx, this.#config, this.#target, planned);
    }
    // An ephemeral runner has nothing yet.
    await mkdir(dirname(prepared.swap.place), { recursive: true });
    const staged = await this.#target.stage({
      swap: prepared.swap,
      replaces: prepared.replaces,
      scratch,
      files: this.#files,
      journal: this.#journal,
    });
    const chain = await this.#check(prepared, staged);
    await this.#putInPlace(prepared, staged, chain);
    this.#reportResult(chain);
  }

  async #preflight(): Promise<Prepared> {
    const { signal, report } = this.#ctx;
    const { chainstateDir, node: options, allowNewerSchema, keepPrevious } = this.#config;
    const { source } = this.#target;
    report.info(source.about);
    report.fact("Snapshot", source.name);
    if (source.snapshotId !== undefined) report.output("snapshot-id", source.snapshotId);
    const replaces = await holdsChainstate(chainstateDir);
    const node = await inspectNode(this.#ctx, options, chainstateDir, { mayBeIll: true });
    if (replaces && node.control.identity.manager === "none") {
      throw new ActionError("TARGET_NOT_EMPTY", `${chainstateDir} is not empty.`, {
        hint: "With `node-manager: none` only an absent or empty directory is filled. Remove it, or name the node's manager.",
      });
    }
    const fits: Target = {
      replaced: replaces ? await readFacts(chainstateDir, signal) : undefined,
      nodeVersion: node.version?.version ?? undefined,
      node: node.info,
      allowNewerSchema,
      allowLowerHeight: mayGoBack(this.#config),
    };
    if (source.chain !== undefined) this.#requireFit(source.chain, fits);
    else if (!fits.allowLowerHeight && fits.replaced !== undefined)
      report.notice(unknownHeight(fits.replaced));
    const swap = await planSwap(chainstateDir, source.id, {
      runId: this.#ctx.host.runId,
      keepPrevious,
    });
    await requireStagingPlace(dirname(swap.place));
    await this.#target.preflight(swap);
    return { node, swap, fits, replaces, moment: await this.#lookAtMoment(node) };
  }

  #requireFit(chain: ChainFacts, fits: Target): void {
    checkFits(chain, fits, this.#target.source.producer);
    const lower = describeLower(chain, fits);
    if (lower !== undefined) this.#ctx.report.notice(`${lower} The node goes back.`);
  }

  /**
   * A node that answers is stopped in a moment in which it can be, as for a snapshot: it might not end, or not come up
   * again. One that is silent may be so for that very reason, so it is only said; and `force-stop` waits for nothing. Nobody
   * waits until it has caught up with Bitcoin: that it cannot may be the reason, and what an abort leaves is replaced.
   */
  async #lookAtMoment({ before, control, isSilent }: InspectedNode): Promise<Moment | undefined> {
    const { report } = this.#ctx;
    const { chainstateDir, node: options, forceStop } = this.#config;
    if (!before.running || control.identity.manager === "none") return undefined;
    if (forceStop && before.process !== undefined)
      await requireMayKill(before.process, this.#ctx.privilege(options.sudo));
    const moment = await readMoment(this.#ctx, options, chainstateDir);
    if (moment.costForMiner !== undefined) report.notice(moment.costForMiner);
    const waits = !isSilent && !forceStop;
    for (const { code, sentence } of await moment.look()) {
      const isWaitedFor = waits && code !== "NODE_CATCHING_UP";
      report.notice(
        isWaitedFor ? `The stop will have to wait: ${sentence}.` : `Before the stop: ${sentence}.`,
      );
    }
    const look = async (): ReturnType<Moment["look"]> =>
      (await moment.look()).filter(({ code }) => code !== "NODE_CATCHING_UP");
    return waits ? { ...moment, look } : undefined;
  }

  /** Returns what the unpacked chainstate is. Whatever does not pass is removed. */
  async #check({ swap, fits }: Prepared, staged: Staged): Promise<ChainFacts> {
    const { report, signal } = this.#ctx;
    const { check: wanted, trustedSignerSets } = this.#config;
    const { chain, proof } = this.#target.source;
    if (wanted === "none" && chain !== undefined) return chain;
    const asksSigners = trustedSignerSets !== undefined;
    const depth = !asksSigners && isVerified(wanted, staged.verifiedDepth) ? "tips" : wanted;
    if (depth !== wanted)
      report.info(`check: ${wanted} was made of the cached copy that this is a clone of; not made again.`);
    return await report.phase("check", "Check the restored chainstate", async () => {
      try {
        const inspection = await inspectChainstate({
          dir: staged.directory,
          elsewhere: staged.elsewhere,
          depth,
          proven: believedProof(this.#config, proof),
          signers: this.#confirming.signers,
          network: chain?.network ?? staged.network ?? basename(swap.target),
          signal,
        });
        reportInspection(report, inspection);
        assertConsistent(inspection);
        const { facts } = inspection;
        if (chain === undefined) this.#requireFit(facts, fits);
        else if (facts.stacksTip !== chain.stacksTip || facts.stacksHeight !== chain.stacksHeight) {
          throw new ActionError(
            "TIP_DIFFERS",
            `What was unpacked stands at height ${facts.stacksHeight}, the manifest says ${chain.stacksHeight}.`,
            { hint: "The snapshot does not hold what it says. Choose another one." },
          );
        }
        await this.#confirming.confirm(inspection, "fail");
        return chain ?? facts;
      } catch (error) {
        // What is known to be wrong goes; what could not be looked at stays for the next run.
        if (isVerdict(error)) await staged.discard();
        throw error;
      }
    });
  }

  async #putInPlace({ node, swap, moment }: Prepared, staged: Staged, chain: ChainFacts): Promise<void> {
    const { report } = this.#ctx;
    const { keepPrevious, node: options, quietTimeoutMs, forceStop } = this.#config;
    await forgetProven(this.#ctx.host.stateDir, this.#config.chainstateDir);
    if (moment !== undefined) await waitForRightMoment(this.#ctx, moment, quietTimeoutMs, stopAnyway);
    const downtime = new NodeDowntime(this.#ctx, node, options, this.#journal, swap.target);
    await downtime.guard(async () => {
      await downtime.begin(async () => undefined, { forceStop });
      const expected = {
        minStacksHeight: chain.stacksHeight,
        ...(chain.burnHeight === null ? {} : { minBurnHeight: chain.burnHeight }),
      };
      await report.phase("swap", `Swap into ${swap.target}`, async () => {
        await downtime.beginSwap(expected);
        await staged.swap();
      });
      try {
        await downtime.end(expected);
        await downtime.sync(expected);
      } catch (error) {
        if (!hasCode(error, "NODE_STILL_STARTING")) throw error;
        await downtime.keepUnconfirmed();
        throw new ActionError(
          "RESTORE_NOT_CONFIRMED",
          `The restored chainstate is in place at ${swap.target} and the node runs, but its RPC does not answer: ${describeError(error)} That is no evidence against the chainstate, so it stays, with the old one beside it, until the restart watchdog or another run has settled it.`,
          { cause: error },
        );
      }
      await staged.commit();
      await downtime.endSwap();
    });
    if (this.#config.removeAfterJob) {
      await rememberRestored(this.#config, swap.target, node.control.identity.manager !== "none", this.#ctx);
    }
    const title = keepPrevious ? "Keep the old chainstate" : "Remove the old chainstate";
    // The restore is done. What cannot be removed stays in the journal, and is tried again.
    await bestEffort(
      report,
      "put the old chainstate away",
      async () => {
        const kept = await report.phase("clean-up", title, () => staged.finish(keepPrevious));
        for (const what of kept) report.fact("Previous chainstate", what);
      },
      finishMs,
    );
  }

  #reportResult(chain: ChainFacts): void {
    const { report } = this.#ctx;
    const { name } = this.#target.source;
    const { chainstateDir } = this.#config;
    report.output("restored-dir", chainstateDir);
    report.output("stacks-height", String(chain.stacksHeight));
    if (chain.burnHeight !== null) report.output("burn-height", String(chain.burnHeight));
    report.headline(`${name} is restored to ${chainstateDir}.`);
  }
}

/** Whoever names one snapshot, or a height, means that one. `latest` means a newer one, and an archive's URL says nothing. */
function mayGoBack({ allowLowerHeight, snapshot, expectDigest }: RestoreConfig): boolean {
  return (
    allowLowerHeight || expectDigest !== undefined || snapshot.kind === "id" || snapshot.kind === "height"
  );
}

function unknownHeight({ stacksHeight }: ChainFacts): string {
  return `The height of the archive is known when it is unpacked. If it is below ${stacksHeight}, that of the chainstate here, the restore ends there, unless \`allow-lower-height\` is set.`;
}

/** Removing half a million files of a slow disk may take that long. */
const finishMs = 6 * 3600_000;

const stopAnyway =
  "Bring up what it names, raise `quiet-timeout`, or set `force-stop: true`, which waits for nothing. What was fetched stays for the next run.";

const verdicts: readonly ErrorCode[] = [
  "CHAINSTATE_INCONSISTENT",
  "CHAINSTATE_NOT_FOUND",
  "TIP_DIFFERS",
  "CHAIN_DIFFERS",
  "SIGNER_SET_DIFFERS",
  "NETWORK_DIFFERS",
  "SCHEMA_NEWER",
  "SNAPSHOT_PRUNED",
];

function isVerdict(error: unknown): boolean {
  return verdicts.some((code) => hasCode(error, code));
}

/** A clone of what was read whole once, and cannot have changed since, need not be read whole again. */
function isVerified(wanted: CheckDepth, verifiedDepth: CheckDepth | undefined): boolean {
  if (verifiedDepth === undefined || wanted === "none") return false;
  return verifiedDepth === "full" || verifiedDepth === wanted;
}
