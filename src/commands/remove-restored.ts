/**
 * `remove-after-job`: the post step removes the chainstate that this job's restore put in place, and no other: it is known
 * by its inode, nobody may have a file of it open, and no other run may be at work on it. Where that is not so it
 * stays, with a warning: a test job must never cost anybody a chainstate.
 */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { RestoreConfig } from "../config.ts";
import { ActionError, hasCode } from "../errors.ts";
import { describeHolders, scanHolders } from "../node/holders.ts";
import { fileOperations } from "../recovery/file-operations.ts";
import { canonicalPath } from "../recovery/state-directory.ts";
import { ownPrefix } from "../recovery/swap.ts";
import { readMounts } from "../system/mounts.ts";
import { withJournal } from "./journaled.ts";
import type { Rooms } from "./rooms.ts";

const schema = v.object({
  path: v.string(),
  device: v.string(),
  inode: v.string(),
  /** Inodes are used again; with the time of birth it is this directory and no later one. */
  bornNs: v.string(),
  sudo: v.picklist(["auto", "always", "never"]),
  hasNode: v.boolean(),
});

type Restored = v.InferOutput<typeof schema>;

/** For the end of a restore: what the post step is to remove. */
export async function rememberRestored(
  { chainstateDir, node }: RestoreConfig,
  hasNode: boolean,
  rooms: Rooms,
): Promise<void> {
  const path = await canonicalPath(chainstateDir);
  const { dev, ino, birthtimeNs } = await lstat(path, { bigint: true });
  const identity = { device: String(dev), inode: String(ino), bornNs: String(birthtimeNs) };
  const restored: Restored = { path, ...identity, sudo: node.sudo, hasNode };
  await rooms.rememberRemoval(JSON.stringify(restored));
}

/** `remembered` is what `rememberRestored` left. */
export async function tryRemoveRestored(remembered: string, rooms: Rooms): Promise<void> {
  const restored = v.parse(schema, JSON.parse(remembered));
  const { path: chainstateDir, sudo } = restored;
  const { report } = rooms;
  try {
    if (!(await isStillThere(restored))) {
      report.info(
        `${chainstateDir} is not the directory any more that this job restored; nothing is removed.`,
      );
      return;
    }
    await withJournal(rooms, { chainstateDir, command: "remove-after-job", sudo }, async () => {
      await requireNobody(restored, rooms);
      await remove(restored, rooms);
    });
    report.info(`${chainstateDir} is removed.`);
  } catch (error) {
    if (!(error instanceof ActionError) || rooms.signal.aborted) throw error;
    report.warning(`${chainstateDir} is not removed: ${error.message} ${error.hint ?? ""}`.trim());
  }
}

async function isStillThere({ path, device, inode, bornNs }: Restored): Promise<boolean> {
  try {
    const { dev, ino, birthtimeNs } = await lstat(path, { bigint: true });
    return String(dev) === device && String(ino) === inode && String(birthtimeNs) === bornNs;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}

async function requireNobody({ path, sudo, hasNode }: Restored, rooms: Rooms): Promise<void> {
  const { holders, unseen } = await scanHolders(path, rooms.privilege(sudo), rooms.signal);
  if (holders.length > 0) {
    throw new ActionError("DIRECTORY_IN_USE", `It is in use: ${describeHolders(holders)}.`, {
      hint: "Stop the node in a step of the job before it ends.",
    });
  }
  if (hasNode && unseen > 0) {
    throw new ActionError("DIRECTORY_IN_USE", `${unseen} processes of other users could not be looked at.`, {
      hint: "Allow the runner to look with sudo (see `Permissions` in the README).",
    });
  }
}

async function remove({ path, sudo }: Restored, rooms: Rooms): Promise<void> {
  const files = fileOperations(rooms.privilege(sudo), rooms.signal);
  const isMountPoint = (await readMounts()).some(({ mountPoint }) => mountPoint === path);
  if (!isMountPoint) return await files.removeTree(path);
  // Such a directory stays; what a restore put into it goes.
  for (const name of await readdir(path)) {
    if (!name.startsWith(ownPrefix) && name !== "lost+found") await files.removeTree(join(path, name));
  }
}
