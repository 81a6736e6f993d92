/**
 * Every command that touches a node or a chainstate directory runs inside a journal: it is the lock on the directory, and
 * what a dead run left in it is finished before anything new is begun.
 */
import type { NodeOptions } from "../config.ts";
import { ActionError, describeError } from "../errors.ts";
import { openJournal, type Journal } from "../recovery/journal.ts";
import type { SudoMode } from "../system/privilege.ts";
import type { Rooms } from "./rooms.ts";
import { waitRevived } from "./revived-node.ts";
import { settle } from "./settle.ts";

export interface JournaledRun {
  readonly chainstateDir: string;
  readonly command: string;
  readonly sudo: SudoMode;
  /** Of a run that has to do with the node: one that an earlier run left down is waited for until it is up. */
  readonly node?: NodeOptions;
}

/** Runs `work` holding the directory's journal; afterwards what it left undone is settled or left to the post step. */
export async function withJournal<T>(
  rooms: Rooms,
  run: JournaledRun,
  work: (journal: Journal) => Promise<T>,
): Promise<T> {
  const own = { runId: rooms.host.runId, command: run.command, sudo: run.sudo };
  const { journal, leftBehind } = await openJournal({
    stateDirectory: rooms.host.stateDir,
    chainstateDir: run.chainstateDir,
    run: own,
    clock: rooms.clock,
    signal: rooms.signal,
  });
  try {
    await rooms.rememberJournal(journal.path);
    if (leftBehind !== undefined) await finishLeftBehind(rooms, journal, run.node);
    const result = await work(journal);
    await settle(rooms, journal);
    await journal.remove();
    return result;
  } catch (error) {
    await settleAfterFailure(rooms, journal);
    throw error;
  } finally {
    journal.release();
  }
}

async function finishLeftBehind(
  rooms: Rooms,
  journal: Journal,
  options: NodeOptions | undefined,
): Promise<void> {
  const { runId, command, sudo } = journal.content;
  rooms.report.warning(
    `An earlier run (${command}, ${runId}) ended before it was done. Finishing what it left.`,
  );
  const left = await settle(rooms, journal);
  if (left.length > 0) {
    throw new ActionError("LEFT_BEHIND", `What run ${runId} left could not be finished: ${left.join("; ")}`, {
      hint: `See to that by hand, then remove ${journal.path} and run this again.`,
    });
  }
  const { chainstateDir, node } = journal.content;
  if (options !== undefined) await waitRevived(rooms, options, chainstateDir, node);
  await journal.begin({ runId: rooms.host.runId, command, sudo });
}

/** The post step tries again what does not work here, so a failure in here must not hide the one that came first. */
async function settleAfterFailure(rooms: Rooms, journal: Journal): Promise<void> {
  if (rooms.signal.aborted) return;
  try {
    const left = await settle(rooms, journal);
    if (left.length === 0) await journal.remove();
  } catch (error) {
    rooms.report.warning(
      `Not all could be cleaned up now; the post step tries again: ${describeError(error)}`,
    );
  }
}
