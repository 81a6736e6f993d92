/**
 * Tries on the chainstate's own file system, with two processes and a scratch database, what a freeze will rely on: a
 * keeper's transaction shows in /proc/locks, stops another connection's checkpoint, and stops it no longer once the
 * keeper has been killed.
 */
import { access, constants, stat } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describeError, throwIfAborted } from "../../domain/errors.ts";
import { isOwnWay } from "../../system/own-way.ts";
import { fsPath } from "../../system/path-bytes.ts";
import { startKeeper } from "./keeper.ts";
import { readMarks } from "./lock-table.ts";
import type { FreezeRequest, Probe } from "../port.ts";
import { makeDirectory, placesOnSameFileSystem, removeDirectory, scratchName } from "../scratch.ts";

export async function tryLocks(request: FreezeRequest): Promise<Probe> {
  const place = await writablePlace(request);
  if (place === undefined) {
    return { usable: true, reason: "locks are checked when they are taken (no place to try them before)" };
  }
  const directory = trialDirectory(place, request.runId);
  try {
    await makeDirectory(directory);
    const failure = await trial(join(directory, "trial.sqlite"), request.signal);
    return failure === undefined
      ? { usable: true, reason: "SQLite's locks hold between two processes" }
      : { usable: false, reason: failure };
  } catch (error) {
    throwIfAborted(request.signal);
    return {
      usable: false,
      reason: `SQLite's locks could not be tried in ${directory}: ${describeError(error)}`,
    };
  } finally {
    await removeDirectory(directory);
  }
}

/** Removes what a run that died in the middle of a trial left. */
export async function removeLockTrial(
  runId: string,
  { chainstateDir, stateDir }: Pick<FreezeRequest, "chainstateDir" | "stateDir">,
): Promise<void> {
  for (const place of [stateDir, ...(await placesOnSameFileSystem(chainstateDir))]) {
    await removeDirectory(trialDirectory(place, runId));
  }
}

function trialDirectory(place: string, runId: string): string {
  return join(place, `${scratchName(runId)}-locks`);
}

/** Returns what does not work, or undefined. */
async function trial(path: string, signal: AbortSignal): Promise<string | undefined> {
  const writer = new DatabaseSync(path);
  try {
    writer.exec("PRAGMA journal_mode = wal; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    const keeper = await startKeeper({ signal });
    try {
      await keeper.open([path]);
      await keeper.begin([path]);
      const { ino } = await stat(`${path}-shm`, { bigint: true });
      if (!(await readMarks(keeper.pid, [ino], signal)).has(ino)) {
        return "a read lock does not show in /proc/locks";
      }
      writer.exec("INSERT INTO t VALUES (2)");
      if (!checkpointIsBusy(writer))
        return "a checkpoint went through under another process's read transaction";
    } finally {
      await keeper.end();
    }
    return checkpointIsBusy(writer) ? "a killed process's lock stays" : undefined;
  } finally {
    writer.close();
  }
}

function checkpointIsBusy(database: DatabaseSync): boolean {
  return database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.["busy"] !== 0;
}

/**
 * SQLite makes its files by name: where another user may rename what stands there, they would be made wherever that one likes, and
 * with this one's rights.
 */
async function writablePlace(request: FreezeRequest): Promise<string | undefined> {
  const own = await stat(fsPath(request.chainstateDir));
  const state = await stat(request.stateDir).catch(() => undefined);
  const places = await placesOnSameFileSystem(request.chainstateDir);
  for (const place of state?.dev === own.dev ? [request.stateDir, ...places] : places) {
    const writable = await access(fsPath(place), constants.W_OK).then(
      () => true,
      () => false,
    );
    if (writable && (await isOwnWay(place))) return place;
  }
  return undefined;
}
