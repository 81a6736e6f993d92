/** What the post step does: whatever the journal of this job's run says is still open, the node first; then what the job no longer needs. */
import { ActionError } from "../errors.ts";
import { takeJournal } from "../recovery/journal.ts";
import type { RunState } from "../report/state.ts";
import type { Rooms } from "./rooms.ts";
import { tryRemoveRestored } from "./remove-restored.ts";
import { settle } from "./settle.ts";

export async function finishRun(state: RunState, rooms: Rooms): Promise<void> {
  await finishWhatIsOpen(state, rooms);
  if (state.removeDirectory !== undefined) await tryRemoveRestored(state.removeDirectory, rooms);
}

async function finishWhatIsOpen({ journalPath, runId }: RunState, rooms: Rooms): Promise<void> {
  if (journalPath === undefined) return;
  const journal = await takeJournal(journalPath, { role: "post", signal: rooms.signal, clock: rooms.clock });
  if (journal === undefined) return;
  try {
    // Another run has taken the directory over, and finished what this one left, in the meantime.
    if (journal.content.runId !== runId) return;
    rooms.report.info("The run ended before it was done; finishing what it left.");
    const left = await settle(rooms, journal);
    if (left.length === 0) return await journal.remove();
    throw new ActionError("LEFT_BEHIND", `Could not be cleaned up: ${left.join("; ")}`, {
      hint: "The next run on this host tries again.",
    });
  } finally {
    journal.release();
  }
}
