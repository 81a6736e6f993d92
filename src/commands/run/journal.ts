/**
 * Every command that touches a node or a chainstate directory runs inside a journal: it is the lock on the directory, and
 * what a dead run left in it is finished before anything new is begun.
 */
import type { NodeOptions, SudoMode } from "../../domain/options.ts";
import { ActionError, describeError, hasCode } from "../../domain/errors.ts";
import { forgetKept, sweepKept } from "../../freeze/kept.ts";
import { openJournal, type Journal } from "../../recovery/journal.ts";
import { tidyStateDirectory } from "../../recovery/state-directory.ts";
import { bestEffort } from "../../system/best-effort.ts";
import type { RunContext } from "../context.ts";
import { armWatchdog } from "../node/arm-watchdog.ts";
import type { Replacing } from "../node/stop-to-replace.ts";
import { withFoundRpc } from "../node/find-rpc.ts";
import { waitStarted } from "../node/wait-started.ts";
import { cleanUp, giveUpConfirming, isUnconfirmed, reportPlace } from "./clean-up.ts";

export interface JournaledRun {
  readonly chainstateDir: string;
  readonly command: string;
  readonly sudo: SudoMode;
  /** Of a run that has to do with the node: one that an earlier run left down is waited for until it is up. */
  readonly node?: NodeOptions;
  /** What it works on is being replaced: with `forceStop` also that of one that was told to stop and has not ended. */
  readonly replacing?: Replacing;
  /** Nothing is going to be changed. */
  readonly dryRun?: boolean;
}

/** Runs `work` holding the directory's journal; afterwards what it left undone is cleaned up or left to the post step. */
export async function withJournal<T>(
  ctx: RunContext,
  run: JournaledRun,
  work: (journal: Journal) => Promise<T>,
): Promise<T> {
  const own = { runId: ctx.host.runId, command: run.command, sudo: run.sudo };
  const { journal, leftBehind } = await openJournal({
    stateDirectory: ctx.host.stateDir,
    chainstateDir: run.chainstateDir,
    run: own,
    clock: ctx.clock,
    signal: ctx.signal,
  });
  try {
    await ctx.rememberJournal(journal.path);
    if (leftBehind !== undefined) {
      await finishLeftBehind(ctx, journal, run);
      await journal.begin(own);
      // The watchdog of the earlier run looks after that one alone.
      if (journal.content.node !== null) await armWatchdog(ctx, journal, run.sudo);
    }
    if (replacing.has(run.command) && run.dryRun !== true) await dropKept(ctx, journal);
    const result = await work(journal);
    const left = await cleanUp(ctx, journal);
    // What is still there is not forgotten: it has been warned of, and the next run on this chainstate tries again.
    if (left.length === 0) await journal.remove();
    await bestEffort(ctx.report, "tidy the state directory", async () => {
      await tidyStateDirectory(ctx.host.stateDir, ctx.clock.now());
    });
    return result;
  } catch (error) {
    await cleanUpAfterFailure(ctx, journal);
    throw error;
  } finally {
    journal.release();
  }
}

async function finishLeftBehind(ctx: RunContext, journal: Journal, run: JournaledRun): Promise<void> {
  const { runId, command, recovered, confirm } = journal.content;
  const { replacing } = run;
  ctx.report.warning(
    `An earlier run (${command}, ${runId}) ended before it was done. Finishing what it left.`,
  );
  for (const { at, by, did } of recovered) ctx.report.info(`Meanwhile (${at}, ${by}): ${did}.`);
  // As this run is to ask it: an address that was wrong keeps nothing from being confirmed for ever.
  if (confirm !== null && run.node !== undefined) {
    const { rpcUrl: _, ...options } = confirm.options;
    const { rpcUrl } = await withFoundRpc(ctx, run.node, run.chainstateDir);
    await journal.update({
      confirm: { ...confirm, options: rpcUrl === undefined ? options : { ...options, rpcUrl } },
    });
  }
  try {
    // What cannot be removed has been warned of, stays in the journal, and keeps nobody from anything.
    await cleanUp(ctx, journal, replacing?.forceStop === true ? 0 : undefined);
  } catch (error) {
    const { swap, volumeSwap } = journal.content;
    const mayTakeOver = replacing !== undefined && swap === null && volumeSwap === null;
    if (!mayTakeOver || !hasCode(error, "NODE_STILL_STOPPING")) throw error;
    if (!replacing.forceStop) throw namingForceStop(error);
    return ctx.report.notice(
      "An earlier run told the node to stop, and it has not ended. This restore takes it over, and ends it by force if it has to.",
    );
  }
  if (isUnconfirmed(journal.content)) {
    if (replacing === undefined || run.dryRun === true) throw notConfirmed(runId);
    await giveUpConfirming(ctx, journal);
  }
  const { chainstateDir, node } = journal.content;
  if (run.node !== undefined) await waitStarted(ctx, run.node, chainstateDir, node);
}

/** Of what they replace or remove a clone of the last snapshot is of no use any more. */
const replacing: ReadonlySet<string> = new Set(["restore", "remove-after-job"]);

async function dropKept({ host, clock, report }: RunContext, { content }: Journal): Promise<void> {
  const place = { stateDir: host.stateDir, chainstateDir: content.chainstateDir };
  await bestEffort(report, "remove the kept clone of the last snapshot", async () => {
    await forgetKept(place);
    await sweepKept(place, clock.now());
  });
}

function namingForceStop(error: unknown): ActionError {
  return new ActionError("NODE_STILL_STOPPING", describeError(error), {
    hint: "Wait until it has ended. If it never does (a damaged chainstate), run this again with `force-stop: true`.",
  });
}

function notConfirmed(runId: string): ActionError {
  return new ActionError(
    "RESTORE_NOT_CONFIRMED",
    `What run ${runId} has restored is not confirmed yet, so nothing else is begun on this chainstate.`,
    {
      hint: "Look at the node's log: its RPC opens when its Bitcoin node answers. If `rpc-url` was not its address, give the right one; a `restore` replaces it.",
    },
  );
}

/** The post step tries again what does not work here, so a failure in here must not hide the one that came first. */
async function cleanUpAfterFailure(ctx: RunContext, journal: Journal): Promise<void> {
  if (ctx.signal.aborted) return;
  try {
    // The run itself has waited for a node that is late; the post step does once more.
    const left = await cleanUp(ctx, journal, 0);
    if (left.length === 0) await journal.remove();
  } catch (error) {
    ctx.report.warning(`Not all could be cleaned up now; the post step tries again: ${describeError(error)}`);
  }
  reportPlace(ctx, journal);
}
