/**
 * Clones a pristine copy into a directory of its own: by a btrfs snapshot or by reflinks, which take no space and hardly
 * any time, else by copying the bytes. Never by hard links: a node writes its databases in place, and would write into
 * the pristine copy. (ZFS: since OpenZFS 2.2 its block cloning answers to the same call as reflinks; a dataset a job
 * would need root and a mount of its own, which no rename could put in the target's place.)
 */
import { constants, copyFile, lstat, rm, stat } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { ActionError } from "../domain/errors.ts";
import { writeFileAtomically } from "../system/atomic-file.ts";
import { ownPrefix } from "../recovery/swap.ts";
import { query, run, runOk } from "../system/exec.ts";
import { nameOf } from "../system/held-directory.ts";
import { timeLimit } from "../system/deadline.ts";
import { requireSpace } from "../system/space.ts";
import { holdsTheSame, takeInventory } from "./inventory.ts";
import { isSubvolume, readOnlyListOf, setReadOnly, treeOf, type SeedRecord } from "./seal.ts";

export type CloneMethod = "snapshot" | "reflink" | "copy";

export interface CloneRequest {
  /** Absent or empty; its parent exists. */
  readonly into: string;
  /** "kept": as in the pristine copy, which takes root. "mine": of whoever clones. */
  readonly owner: "kept" | "mine";
  /** It may become a btrfs subvolume, which nothing below it can be renamed out of. */
  readonly mayBeSubvolume: boolean;
  readonly signal: AbortSignal;
}

/** Hours, as for a restore: a disk may have to copy all of it. */
const longMs = 6 * 3600_000;

/** Returns how it was done. After a failure nothing is left at `into`. */
export async function cloneSeed(
  seed: string,
  record: SeedRecord,
  trial: string,
  request: CloneRequest,
): Promise<CloneMethod> {
  const { into, signal } = request;
  const tree = treeOf(seed);
  try {
    if (await trySnapshot(tree, record, request)) return "snapshot";
    const shares = await canShare(trial, dirname(into));
    if (!shares)
      await requireSpace(dirname(into), record.inventory.bytes, `copy the chainstate from ${tree}`);
    const owner = request.owner === "kept" ? [] : ["--no-preserve=ownership"];
    const reflink = `--reflink=${shares ? "always" : "auto"}`;
    await runOk(["cp", "--archive", ...owner, reflink, "--no-target-directory", "--", tree, into], {
      signal,
      timeoutMs: longMs,
    });
    if (!holdsTheSame(await takeInventory(into, signal), record.inventory)) throw differs(tree, into);
    if (record.kind === "directory") await makeWritable(seed, into, signal);
    return shares ? "reflink" : "copy";
  } catch (error) {
    await discardTree(into);
    throw error;
  }
}

async function trySnapshot(
  tree: string,
  record: SeedRecord,
  { into, owner, mayBeSubvolume, signal }: CloneRequest,
): Promise<boolean> {
  // A snapshot has the owners of what it is taken of.
  if (record.kind !== "subvolume" || !mayBeSubvolume || (owner === "mine" && process.geteuid?.() === 0))
    return false;
  await rm(into, { recursive: true, force: true });
  if ((await query(["btrfs", "subvolume", "snapshot", tree, into])).exitCode !== 0) return false;
  if (!holdsTheSame(await takeInventory(into, signal), record.inventory)) throw differs(tree, into);
  return true;
}

/** Gives the owner's write bit back to all that had it. */
async function makeWritable(seed: string, into: string, signal: AbortSignal): Promise<void> {
  await runOk(["chmod", "--recursive", "u+w", "--", into], { signal, timeoutMs: longMs });
  const list = readOnlyListOf(seed);
  if ((await stat(list)).size === 0) return;
  const script = 'cd -- "$1" && xargs --null --no-run-if-empty chmod u-w -- < "$2"';
  await runOk(["sh", "-c", script, "sh", into, list], { signal, timeoutMs: longMs });
}

/** Whether blocks of `file` can be shared with a new file in `directory`: tried, since no file system says so. */
export async function canShare(file: string, directory: string): Promise<boolean> {
  const trial = join(directory, `${ownPrefix}trial-${randomBytes(6).toString("hex")}`);
  try {
    await copyFile(file, trial, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch {
    return false;
  } finally {
    await rm(trial, { force: true });
  }
}

/** The file that sharing is tried with: larger than what btrfs keeps inline. */
export async function makeTrialFile(root: string): Promise<string> {
  const path = join(root, `${ownPrefix}trial`);
  if ((await lstat(path).catch(() => undefined)) === undefined) {
    await writeFileAtomically(path, Buffer.alloc(64 * 1024, 1), 0o600);
  }
  return path;
}

/** Removes a tree that may be read-only, or a btrfs subvolume. Listens to no cancellation. */
export async function discardTree(path: string): Promise<void> {
  if ((await lstat(path).catch(() => undefined)) === undefined) return;
  const options = {
    signal: timeLimit(longMs, "CLEAN_UP_TIMEOUT", `The removal of ${path}`),
    timeoutMs: longMs,
  };
  if (await isSubvolume(path)) {
    await setReadOnly(path, false);
    if ((await query(["btrfs", "subvolume", "delete", path])).exitCode === 0) return;
  }
  await run(
    ["find", path, "-type", "d", "!", "-perm", "-u=rwx", "-exec", "chmod", "u+rwx", "{}", "+"],
    options,
  );
  await runOk(["rm", "--recursive", "--force", "--", path], options);
}

function differs(tree: string, into: string): ActionError {
  return new ActionError("CLONE_DIFFERS", `${nameOf(into)} does not hold what ${tree} holds.`, {
    hint: "Something changed one of them meanwhile. Look at the disk, and run this again.",
  });
}
