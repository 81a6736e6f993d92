/**
 * Puts a restored chainstate in the place of the old one by renames on one file system, and takes it back from any
 * point at which the process may have died. Where the chainstate directory is a mount point it cannot be renamed; then
 * what is in it is moved instead, by the same steps.
 *
 *   step "out":     the old is being moved from target to aside; whatever target holds is old
 *   step "in":      the old is all aside; the new is being moved from staging to target; whatever target holds is new
 *   step "swapped": target is the new; it has not been confirmed healthy
 *   step "committed":  it has; the swap is never taken back, and aside is dropped
 *
 * A step is written to the journal, durably, before its first rename. Moving back undoes "in", writes "out", undoes
 * "out": so it can die anywhere as well.
 */
import { randomBytes } from "node:crypto";
import { lstat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ActionError, hasCode } from "../domain/errors.ts";
import { readMounts } from "../system/mounts.ts";
import { fsPath } from "../system/path-bytes.ts";
import type { SwapMark, SwapRecord } from "./content.ts";
import { conflictHint, type FileOperations } from "./file-operations.ts";
import { isPlace, openPlace, partOf, removePlace } from "./place.ts";
import { canonicalPath } from "./state-directory.ts";

/** Everything this folder makes beside or in a chainstate directory starts so; archives leave it out. */
export const ownPrefix = ".chainstate-snapshot-";

/** Of the name of an old chainstate that was moved out of the way. */
const asideEnding = "-old";

export type SwapPlan = Omit<SwapRecord, "step" | "hadTarget" | "restored" | "previous">;

const stagingEnding = "-new";

/** No id has a "~", so that what belongs to `mainnet` is told from what belongs to `mainnet-2` or `mainnet~2`. */
function prefixFor({ target, layout }: Pick<SwapPlan, "target" | "layout">): string {
  return `${ownPrefix}${layout === "contents" ? "" : `${basename(target)}~`}`;
}

/** True for the path of a place, whatever it is the place of. */
export function isPlaceName(path: string): boolean {
  const name = basename(path);
  return name.startsWith(ownPrefix) && name.endsWith(stagingEnding);
}

/** True for the name of the place of a restore of this very target, whatever snapshot it was of. */
export function isPlaceOf(plan: SwapPlan, name: string): boolean {
  const prefix = prefixFor(plan);
  return name.startsWith(prefix) && name.endsWith(stagingEnding) && !name.slice(prefix.length).includes("~");
}

/** Writes the swap into the journal; undefined when none is under way any more. */
export type RecordSwap = (swap: SwapRecord | null) => Promise<void>;

/**
 * Where a restore has to unpack to (`staging`, in a `place` named by what is restored, so that an interrupted one goes on)
 * and where the old goes (`aside`, named by the run, so that one that is kept is in nobody's way), on the same mount as the target. Errors: TARGET_NOT_A_DIRECTORY, TARGET_HAS_MOUNTS. The directory above may have to be made first.
 */
export async function planSwap(
  chainstateDir: string,
  id: string,
  { runId = id, keepPrevious = false }: { readonly runId?: string; readonly keepPrevious?: boolean } = {},
): Promise<SwapPlan> {
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
  const stat = await lstat(fsPath(target)).catch(absent);
  if (stat !== undefined && !stat.isDirectory()) {
    throw new ActionError("TARGET_NOT_A_DIRECTORY", `${target} is not a directory.`, {
      hint: "`chainstate-dir` names the mode directory, such as /var/stacks/mainnet.",
    });
  }
  const isMountPoint = points.includes(target);
  const container = isMountPoint ? target : dirname(target);
  const prefix = prefixFor({ target, layout: isMountPoint ? "contents" : "directory" });
  const place = join(container, `${prefix}${id}${stagingEnding}`);
  return {
    target,
    place,
    staging: partOf(place, "tree"),
    aside: join(container, `${prefix}${runId}${asideEnding}`),
    layout: isMountPoint ? "contents" : "directory",
    keepPrevious,
    keepStaging: false,
  };
}

/**
 * Swaps the finished `staging` in. The node must be verified to have stopped. The new directory gets the owner and mode of the old
 * one (what is in it: see `FileOperations.copyOwnerToTree`, before the stop). `staged`: the plan's `staging`, by a way that nobody can
 * exchange. Ends in step "swapped".
 */
export async function swapIn(
  plan: SwapPlan,
  record: RecordSwap,
  files: FileOperations,
  staged = plan.staging,
): Promise<SwapRecord> {
  if (await files.exists(plan.aside)) {
    throw new ActionError("SWAP_CONFLICT", `${plan.aside} exists already.`, { hint: conflictHint });
  }
  const hadTarget = await files.exists(plan.target);
  if (hadTarget && plan.layout === "directory") await files.copyOwner(plan.target, staged);
  const restored = await marksOf(staged, plan, files);
  const previous = hadTarget ? await marksOf(plan.target, plan, files) : [];
  const at = (step: SwapRecord["step"]): SwapRecord => ({ ...plan, hadTarget, restored, previous, step });
  await record(at("out"));
  await moveOut(at("out"), files);
  // Of contents that were moved, too, the directory that holds them.
  if (hadTarget && plan.layout === "contents") previous.push(...(await markOfOne(plan.aside)));
  await record(at("in"));
  await moveIn(at("in"), staged, files);
  await record(at("swapped"));
  return at("swapped");
}

/** Whose chainstate stands where a swap in step "swapped" has put it: a person may have moved either since. */
export async function standing(swap: SwapRecord): Promise<{ restored: boolean; previous: boolean }> {
  return {
    restored: await isMarked(swap.restored, swap.target),
    previous: !swap.hadTarget || (await isMarked(swap.previous, swap.aside)),
  };
}

/** The directory itself; of contents that were moved the directories among them, which a node does not make anew. */
async function marksOf(
  directory: string,
  { layout }: Pick<SwapPlan, "layout">,
  files: FileOperations,
): Promise<SwapMark[]> {
  if (layout === "directory") return await markOfOne(directory);
  const entries = [];
  for (const name of (await files.names(directory)).filter((each) => !isOwnOrFixed(each)).sort())
    entries.push(await markOf(directory, name));
  const found = entries.flatMap((entry) => entry ?? []);
  const directories = found.filter(({ isDirectory }) => isDirectory);
  return (directories.length === 0 ? found : directories).map(({ mark }) => mark);
}

async function markOfOne(directory: string): Promise<SwapMark[]> {
  return [await markOf(directory, "")].flatMap((found) => found?.mark ?? []);
}

/** `orGone`: what is not there any more does not count against it. */
async function isMarked(marks: readonly SwapMark[], directory: string, orGone = false): Promise<boolean> {
  for (const { path, inode, bornNs } of marks) {
    const found = (await markOf(directory, path))?.mark;
    if (found === undefined ? !orGone : found.inode !== inode || found.bornNs !== bornNs) return false;
  }
  return marks.length > 0;
}

/** No device: its number is another one after a boot. */
async function markOf(
  directory: string,
  path: string,
): Promise<{ readonly mark: SwapMark; readonly isDirectory: boolean } | undefined> {
  const found = await lstat(fsPath(join(directory, path)), { bigint: true }).catch(absent);
  if (found === undefined) return undefined;
  const mark = { path, inode: String(found.ino), bornNs: String(found.birthtimeNs) };
  return { mark, isDirectory: found.isDirectory() };
}

function absent(error: unknown): undefined {
  if (!hasCode(error, "ENOENT")) throw error;
}

/** Puts the old directory back, from every step but "committed". Safe to repeat; ends with `record(null)`. */
export async function rollBack(swap: SwapRecord, record: RecordSwap, files: FileOperations): Promise<void> {
  if (swap.step === "committed") {
    throw new ActionError(
      "SWAP_COMMITTED",
      `The restore of ${swap.target} was healthy and is not taken back.`,
    );
  }
  if (swap.step !== "out") {
    await undoMoveIn(swap, files);
    await record({ ...swap, step: "out" });
  }
  await undoMoveOut(swap, files);
  await record(null);
}

/** The restored node is healthy: from here on the swap is only ever finished. */
export async function commitSwap(swap: SwapRecord, record: RecordSwap): Promise<void> {
  await record({ ...swap, step: "committed" });
}

/** Removes the old directory of a committed swap (or leaves it, for `keep-previous`) and closes the account. SWAP_CONFLICT. */
export async function finishSwap(
  swap: SwapRecord,
  keepPrevious: boolean,
  record: RecordSwap,
  files: FileOperations,
): Promise<void> {
  if (swap.step !== "committed") {
    throw new ActionError(
      "SWAP_NOT_COMMITTED",
      `The old directory of ${swap.target} is kept until the node is healthy.`,
    );
  }
  if (!keepPrevious && swap.hadTarget) {
    await files.syncFileSystem(swap.target);
    await setToGo(swap, files);
  }
  await removePlace(swap.place, files);
  await record(null);
}

/**
 * Moves the old one of a committed swap where nobody can exchange it any more, and looks whether it is that one, or what an
 * earlier removal has left of it: from then on the place is what is to be removed. SWAP_CONFLICT: something else stands where it was put.
 */
export async function setToGo(swap: SwapRecord, files: FileOperations): Promise<void> {
  const { place, aside } = swap;
  const going = partOf(place, "old");
  if (await files.exists(aside)) {
    await clearPlace(swap, files);
    await files.move(aside, going);
  }
  if (await isMarked(swap.previous, going, true)) return;
  if (await files.exists(going)) await files.move(going, aside);
  throw notPrevious(swap);
}

function notPrevious({ aside, target }: SwapRecord): ActionError {
  return new ActionError("SWAP_CONFLICT", `${aside} is not the old chainstate of ${target} any more.`, {
    hint: "Somebody has moved it, or removed it. Look at what is there, and remove it by hand if it is of no use.",
  });
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

async function moveIn(swap: SwapRecord, staged: string, files: FileOperations): Promise<void> {
  if (swap.layout === "directory") {
    await files.move(staged, swap.target);
  } else {
    await moveContents(staged, swap.target, files);
    await files.sync(staged);
  }
  await files.sync(dirname(staged));
  await files.sync(containerOf(swap));
}

async function undoMoveIn(swap: SwapRecord, files: FileOperations): Promise<void> {
  if (swap.layout === "contents") {
    await clearPlace(swap, files);
    await files.makeDirectory(swap.staging);
    await moveContents(swap.target, swap.staging, files);
    await files.sync(swap.staging);
  } else if (!(await files.exists(swap.staging))) {
    // Nothing is there where somebody else has taken the new one away.
    if (!(await files.exists(swap.target))) return;
    await clearPlace(swap, files);
    await files.move(swap.target, swap.staging);
  } else {
    await clearStranger(swap, files);
  }
  await files.sync(containerOf(swap));
}

/**
 * The place that the new one goes back to. Whoever may rename beside it may have put something else there: that is moved out
 * of the way, for the old one has to come back all the same.
 */
async function clearPlace({ place }: SwapRecord, files: FileOperations): Promise<void> {
  if (isPlace(place)) return;
  if (await files.exists(place)) await files.move(place, `${place}~${randomBytes(4).toString("hex")}`);
  (await openPlace(place, files)).close();
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
    hint: "The chainstate was moved away while it was being replaced: put it back and start the node by hand.",
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

/** Names in a mount point that no swap moves: what this folder put there and what the file system owns. */
function isOwnOrFixed(name: string): boolean {
  return name.startsWith(ownPrefix) || name === "lost+found";
}

function containerOf(swap: SwapRecord): string {
  return swap.layout === "directory" ? dirname(swap.target) : swap.target;
}
