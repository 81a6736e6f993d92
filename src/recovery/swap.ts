/**
 * Puts a restored chainstate in the place of the old one by renames on one file system, and takes it back from any
 * point at which the process may have died. Where the chainstate directory is a mount point it cannot be renamed; then
 * what is in it is moved instead, by the same steps.
 *
 *   step "out":     the old is being moved from target to aside; whatever target holds is old
 *   step "in":      the old is all aside; the new is being moved from staging to target; whatever target holds is new
 *   step "swapped": target is the new; it has not been proved healthy
 *   step "proved":  it has; the swap is never taken back, and aside is dropped
 *
 * A step is written to the journal, durably, before its first rename. Moving back undoes "in", writes "out", undoes
 * "out": so it can die anywhere as well.
 */
import { lstat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ActionError, hasCode } from "../errors.ts";
import { readMounts } from "../system/mounts.ts";
import { fsPath } from "../system/path-bytes.ts";
import type { SwapRecord } from "./content.ts";
import { conflictHint, type FileOperations } from "./file-operations.ts";
import { canonicalPath } from "./state-directory.ts";

/** Everything this room makes beside or in a chainstate directory starts so; archives leave it out. */
export const ownPrefix = ".chainstate-snapshot-";

export type SwapPlan = Omit<SwapRecord, "step" | "hadTarget">;

/** Writes the swap into the journal; undefined when none is under way any more. */
export type RecordSwap = (swap: SwapRecord | null) => Promise<void>;

/**
 * Where a restore has to unpack to (`staging`, does not exist yet) and where the old goes (`aside`), on the same mount
 * as the target. Errors: TARGET_NOT_A_DIRECTORY, TARGET_HAS_MOUNTS, TARGET_PARENT_MISSING.
 */
export async function planSwap(chainstateDir: string, runId: string): Promise<SwapPlan> {
  const target = await canonicalPath(chainstateDir);
  const points = (await readMounts()).map((mount) => mount.mountPoint);
  const below = points.find((point) => point.startsWith(`${target}/`));
  if (below !== undefined) {
    throw new ActionError(
      "TARGET_HAS_MOUNTS",
      `${below} is mounted inside the chainstate directory ${target}.`,
      {
        hint: "Such a directory cannot be swapped whole. Unmount it, or restore by hand into its parts.",
      },
    );
  }
  const stat = await lstat(fsPath(target)).catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  });
  if (stat !== undefined && !stat.isDirectory()) {
    throw new ActionError("TARGET_NOT_A_DIRECTORY", `${target} is not a directory.`, {
      hint: "`chainstate-dir` names the mode directory, such as /var/stacks/mainnet.",
    });
  }
  const isMountPoint = points.includes(target);
  const container = isMountPoint ? target : dirname(target);
  await lstat(fsPath(container)).catch((cause: unknown) => {
    throw new ActionError("TARGET_PARENT_MISSING", `${container} does not exist.`, {
      cause,
      hint: "Create it, or correct `chainstate-dir`.",
    });
  });
  const name = isMountPoint ? "" : `${basename(target)}-`;
  return {
    target,
    staging: join(container, `${ownPrefix}${name}${runId}-new`),
    aside: join(container, `${ownPrefix}${name}${runId}-old`),
    layout: isMountPoint ? "contents" : "directory",
  };
}

/**
 * Swaps the finished `staging` in. The node must be proved down. The new directory gets the owner and mode of the old
 * one (what is in it: see `FileOperations.copyOwnerToTree`, before the stop). Ends in step "swapped".
 */
export async function swapIn(plan: SwapPlan, record: RecordSwap, files: FileOperations): Promise<SwapRecord> {
  if (await files.exists(plan.aside)) {
    throw new ActionError("SWAP_CONFLICT", `${plan.aside} exists already.`, { hint: conflictHint });
  }
  const hadTarget = await files.exists(plan.target);
  if (hadTarget && plan.layout === "directory") await files.copyOwner(plan.target, plan.staging);
  const at = (step: SwapRecord["step"]): SwapRecord => ({ ...plan, hadTarget, step });
  await record(at("out"));
  await moveOut(at("out"), files);
  await record(at("in"));
  await moveIn(at("in"), files);
  await record(at("swapped"));
  return at("swapped");
}

/** Puts the old directory back, from every step but "proved". Safe to repeat; ends with `record(null)`. */
export async function rollBack(swap: SwapRecord, record: RecordSwap, files: FileOperations): Promise<void> {
  if (swap.step === "proved") {
    throw new ActionError("SWAP_PROVED", `The restore of ${swap.target} was healthy and is not taken back.`);
  }
  if (swap.step !== "out") {
    await undoMoveIn(swap, files);
    await record({ ...swap, step: "out" });
  }
  await undoMoveOut(swap, files);
  await record(null);
}

/** The restored node is healthy: from here on the swap is only ever finished. */
export async function prove(swap: SwapRecord, record: RecordSwap): Promise<void> {
  await record({ ...swap, step: "proved" });
}

/** Removes the old directory of a proved swap (or leaves it, for `keep-previous`) and closes the account. */
export async function finishSwap(
  swap: SwapRecord,
  keepPrevious: boolean,
  record: RecordSwap,
  files: FileOperations,
): Promise<void> {
  if (swap.step !== "proved") {
    throw new ActionError(
      "SWAP_UNPROVED",
      `The old directory of ${swap.target} is kept until the node is healthy.`,
    );
  }
  if (!keepPrevious) {
    await files.syncFileSystem(swap.target);
    await files.removeTree(swap.aside);
  }
  await record(null);
}

async function moveOut(swap: SwapRecord, files: FileOperations): Promise<void> {
  if (!swap.hadTarget) return;
  if (swap.layout === "directory") {
    await files.move(swap.target, swap.aside);
  } else {
    await files.makeDirectory(swap.aside);
    await moveContents(swap.target, swap.aside, files);
    await files.sync(swap.aside);
  }
  await files.sync(containerOf(swap));
}

async function moveIn(swap: SwapRecord, files: FileOperations): Promise<void> {
  if (swap.layout === "directory") {
    await files.move(swap.staging, swap.target);
  } else {
    await moveContents(swap.staging, swap.target, files);
    await files.sync(swap.staging);
  }
  await files.sync(containerOf(swap));
}

async function undoMoveIn(swap: SwapRecord, files: FileOperations): Promise<void> {
  if (swap.layout === "contents") {
    await files.makeDirectory(swap.staging);
    await moveContents(swap.target, swap.staging, files);
    await files.sync(swap.staging);
  } else if (!(await files.exists(swap.staging))) {
    await files.move(swap.target, swap.staging);
  } else {
    await clearStranger(swap, files);
  }
  await files.sync(containerOf(swap));
}

async function undoMoveOut(swap: SwapRecord, files: FileOperations): Promise<void> {
  if (!swap.hadTarget) return;
  if (await files.exists(swap.aside)) {
    if (swap.layout === "directory") {
      await clearStranger(swap, files);
      await files.move(swap.aside, swap.target);
    } else {
      await moveContents(swap.aside, swap.target, files);
      await files.sync(swap.target);
      await files.removeEmptyDirectory(swap.aside);
    }
    await files.sync(containerOf(swap));
  }
  if (await files.exists(swap.target)) return;
  throw new ActionError("SWAP_LOST", `Neither ${swap.target} nor ${swap.aside} exists.`, {
    hint: "Somebody moved the chainstate away while it was being replaced: put it back and start the node by hand.",
  });
}

/**
 * At this point nothing may be at the target, but a supervisor that came up in the meantime may have made an empty
 * directory (Docker does for a bind mount). Anything in it is somebody's data and stays.
 */
async function clearStranger(swap: SwapRecord, files: FileOperations): Promise<void> {
  if (!(await files.exists(swap.target))) return;
  try {
    await files.removeEmptyDirectory(swap.target);
  } catch (cause) {
    throw new ActionError(
      "SWAP_CONFLICT",
      `A directory appeared at ${swap.target} in the middle of a swap.`,
      {
        cause,
        hint: `The chainstate that belongs there is ${swap.aside}. ${conflictHint}`,
      },
    );
  }
}

async function moveContents(from: string, to: string, files: FileOperations): Promise<void> {
  for (const name of await files.names(from)) {
    if (isOwnOrFixed(name)) continue;
    await files.move(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Names in a mount point that no swap moves: what this room put there and what the file system owns. */
function isOwnOrFixed(name: string): boolean {
  return name.startsWith(ownPrefix) || name === "lost+found";
}

function containerOf(swap: SwapRecord): string {
  return swap.layout === "directory" ? dirname(swap.target) : swap.target;
}
