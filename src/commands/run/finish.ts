/** What the post step does: whatever the journal of this job's run says is still open, the node first; then what the job no longer needs. */
import { takeJournal, type Journal } from "../../recovery/journal.ts";
import type { RunState } from "../../report/state.ts";
import { bestEffort } from "../../system/best-effort.ts";
import type { RunContext } from "../context.ts";
import { tryRemoveRestored } from "../restore/remove-after-job.ts";
import { cleanUp, isUnconfirmed, reportPlace } from "./clean-up.ts";

/** `knowsNode`: the report is that of the run itself, which has said how the node is. */
export async function finishRun(state: RunState, ctx: RunContext, knowsNode = false): Promise<void> {
  await finishWhatIsOpen(state, ctx, knowsNode);
  if (state.removeDirectory !== undefined) await tryRemoveRestored(state.removeDirectory, ctx);
}

async function finishWhatIsOpen(
  { journalPath, runId, outcome }: RunState,
  ctx: RunContext,
  knowsNode: boolean,
): Promise<void> {
  if (journalPath === undefined) return;
  const journal = await takeJournal(journalPath, { role: "post", signal: ctx.signal, clock: ctx.clock });
  if (journal === undefined) return;
  try {
    // Another run has taken the directory over, and finished what this one left, in the meantime.
    if (journal.content.runId !== runId) return;
    const { command, node } = journal.content;
    // Of a node that the run has to do with nobody has looked how it is now.
    if (node !== null && !knowsNode) ctx.report.node(node.wasRunning ? "unknown" : "left-down");
    const left = await cleanUp(ctx, journal).finally(() => reportPlace(ctx, journal));
    // One that was owed a start has been seen to.
    if (node?.wasRunning === true && !node.mustStart) await tryLookAtNode(ctx, journal);
    const ended = outcome === undefined ? "was ended before it was done" : `has ${outcome}`;
    const rest = isUnconfirmed(journal.content)
      ? "what it has restored is not confirmed yet, and the restart watchdog goes on looking"
      : left.length === 0
        ? "what it left is cleaned up"
        : "not all that it left could be cleaned up; the next run on this chainstate tries again";
    ctx.report.headline(`The ${command} of this job ${ended}; ${rest}.`, outcome !== "succeeded");
    if (left.length === 0) await journal.remove();
  } finally {
    journal.release();
  }
}

/** What has the chainstate open, when all that is ours is gone, is the node. Where nothing has, or it cannot be seen, it stays unknown. */
async function tryLookAtNode(
  { report, nodes, privilege, signal }: RunContext,
  { content }: Journal,
): Promise<void> {
  const { chainstateDir, sudo } = content;
  await bestEffort(report, "look whether the node is running", async () => {
    if (await nodes.isInUse(chainstateDir, privilege(sudo), signal)) report.node("running");
  });
}
