/**
 * What restores leave beside their target: staged chainstates, half or whole, and what was kept of a download. What is
 * there of the same snapshot is gone on with, what is of another one goes, and both count as space.
 */
import { constants } from "node:fs";
import { access, lstat, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ActionError, hasCode } from "../../domain/errors.ts";
import type { FileOperations } from "../../recovery/file-operations.ts";
import { isFullDisk } from "../../recovery/journal.ts";
import { forgetNotes, isPlace, partOf, removePlace } from "../../recovery/place.ts";
import { isPlaceOf, type SwapPlan } from "../../recovery/swap.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { decodePath, fsPath } from "../../system/path-bytes.ts";
import { formatBytes, nearestExisting, spaceAt } from "../../system/space.ts";
import type { RunContext } from "../context.ts";

/**
 * What is restored is unpacked to `directory`, which a new host may not have yet. Only looked at, so that a dry run says what the
 * run would. TARGET_UNWRITABLE.
 */
export async function requireStagingPlace(directory: string): Promise<void> {
  const above = await nearestExisting(directory);
  if (above === directory) return;
  try {
    if (!(await stat(fsPath(above))).isDirectory()) throw new Error(`${above} is no directory`);
    await access(fsPath(above), constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new ActionError("TARGET_UNWRITABLE", `${directory} does not exist, and cannot be made.`, {
      cause,
      hint: "Make it, or correct `chainstate-dir`.",
    });
  }
}

/** SPACE_MISSING. Of what is staged already only the rest is needed; what is of another snapshot goes before that. */
export async function requireSpace(swap: SwapPlan, neededBytes: number, space = spaceAt): Promise<void> {
  const directory = dirname(swap.place);
  const { freeBytes } = await space(await nearestExisting(directory));
  const enoughBytes = neededBytes * 1.01;
  if (freeBytes >= enoughBytes) return;
  let stagedBytes = 0;
  for (const path of await stagedBeside(swap)) stagedBytes += await bytesOf(path);
  if (freeBytes + stagedBytes >= enoughBytes) return;
  const staged =
    stagedBytes === 0 ? "" : `, and earlier restores have left ${formatBytes(stagedBytes)} that count too`;
  throw new ActionError(
    "SPACE_MISSING",
    `${directory} has ${formatBytes(freeBytes)} free${staged}; the chainstate needs ${formatBytes(neededBytes)} beside the old one.`,
    { hint: "Free some space. The old chainstate is only dropped when the node runs on the new one." },
  );
}

/** What an interrupted restore of another snapshot left beside this target is of no use any more. */
export async function removeOtherStaging(
  swap: SwapPlan,
  files: FileOperations,
  { host, report }: RunContext,
): Promise<void> {
  for (const path of await stagedBeside(swap)) {
    if (path === swap.place) continue;
    if (!isPlace(path)) {
      report.notice(`${path} looks like what a restore leaves and is none of this runner's; it stays.`);
      continue;
    }
    report.info(`Removing ${path}, left by an interrupted restore of another snapshot.`);
    await removePlace(path, files);
    await forgetNotes(host.stateDir, partOf(path, "tree"));
  }
}

/**
 * A disk that was filled is given back: the node works on the same one, and there is no going on without space that
 * somebody frees. After any other failure what was staged stays for the next run.
 */
export async function givingBack<T>(
  swap: SwapPlan,
  files: FileOperations,
  { host, report }: RunContext,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!hasCode(error, "DISK_FULL") && !hasCode(error, "SPACE_MISSING") && !isFullDisk(error)) throw error;
    await bestEffort(
      report,
      `remove ${swap.place}, with which the disk became full`,
      async () => {
        await removePlace(swap.place, files);
        await forgetNotes(host.stateDir, swap.staging);
        report.info(`Removed ${swap.place}, with which the disk became full.`);
      },
      removeMs,
    );
    throw error;
  }
}

const removeMs = 6 * 3600_000;

async function stagedBeside(swap: SwapPlan): Promise<readonly string[]> {
  const container = dirname(swap.place);
  const names = await namesIn(container).catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  });
  return names.filter((name) => isPlaceOf(swap, name)).map((name) => join(container, name));
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return (await readdir(fsPath(directory), { encoding: "buffer" })).map((name) => decodePath(name));
}

/** On the disk; what may not be looked at counts as nothing. */
async function bytesOf(path: string): Promise<number> {
  const found = await lstat(fsPath(path)).catch(() => undefined);
  if (found === undefined) return 0;
  let bytes = found.blocks * 512;
  if (!found.isDirectory()) return bytes;
  for (const name of await namesIn(path).catch(() => [])) bytes += await bytesOf(join(path, name));
  return bytes;
}
