/**
 * Finishes at once whatever dead runs left in a state directory: for the runner's hook at the end of a job, a unit at
 * boot, or a person at a prompt. Runs that are alive are left alone.
 */
import type { SudoMode } from "../domain/options.ts";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describeError, hasCode } from "../domain/errors.ts";
import type { Privilege } from "../system/privilege.ts";
import { isLocked } from "../system/process-lock.ts";
import { lockPathOf, takeJournal, type Journal } from "./journal.ts";
import { recoverFully, tryPutAway, type RecoverOptions, type Recovery } from "./recover.ts";

export interface ReplayOptions extends Omit<RecoverOptions, "privilege"> {
  readonly stateDirectory: string;
  readonly privilege: (mode: SudoMode) => Privilege;
}

export interface Replayed {
  readonly journalPath: string;
  readonly outcome:
    | { readonly kind: "alive" }
    | { readonly kind: "recovered"; readonly recovery: Recovery; readonly said?: readonly string[] }
    | { readonly kind: "failed"; readonly error: unknown };
}

/** One result for each journal; a failure of one does not keep the others waiting. */
export async function replay(options: ReplayOptions): Promise<readonly Replayed[]> {
  const journals = await listJournals(options.stateDirectory);
  return await Promise.all(
    journals.map(async (journalPath) => ({ journalPath, outcome: await replayOne(journalPath, options) })),
  );
}

/** Their paths. None where there is no such directory. */
export async function listJournals(stateDirectory: string): Promise<readonly string[]> {
  const names = await readdir(stateDirectory).catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  });
  const journals = names.filter((name) => /^[0-9a-f]{16}\.json$/.test(name)).sort();
  return journals.map((name) => join(stateDirectory, name));
}

/** For a person: one line a journal. */
export function describeReplayed({ journalPath, outcome }: Replayed): string {
  if (outcome.kind === "alive") return `${journalPath}: a run is at work, left alone`;
  if (outcome.kind === "failed") return `${journalPath}: ${describeError(outcome.error)}`;
  const { swap, node, why } = outcome.recovery;
  const more = [...(why === undefined ? [] : [why]), ...(outcome.said ?? [])].map((each) => `; ${each}`);
  return `${journalPath}: swap ${swap}, node ${node}${more.join("")}`;
}

async function replayOne(journalPath: string, options: ReplayOptions): Promise<Replayed["outcome"]> {
  let journal: Journal | undefined;
  try {
    if (isLocked(lockPathOf(journalPath))) return { kind: "alive" };
    journal = await takeJournal(journalPath, {
      role: "replay",
      signal: options.signal,
      clock: options.clock,
    });
    if (journal === undefined) return { kind: "recovered", recovery: { swap: "none", node: "no-need" } };
    const privilege = options.privilege(journal.content.sudo);
    const recovery = await recoverFully(journal, { ...options, privilege });
    // At boot nobody waits for that.
    const said = options.swapOnly === true ? [] : await tryPutAway(journal, { ...options, privilege });
    return { kind: "recovered", recovery, said };
  } catch (error) {
    return hasCode(error, "RUN_IN_PROGRESS") ? { kind: "alive" } : { kind: "failed", error };
  } finally {
    journal?.release();
  }
}
