/**
 * `remove-after-job`: the post step removes the chainstate that this job's restore put in place, and no other: it is known
 * by its inode, nobody may have a file of it open, and no other run may be at work on it. Where that is not so it
 * stays, with a warning: a test job must never cost anybody a chainstate.
 */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { RestoreConfig } from "../../config/config.ts";
import { ActionError, hasCode } from "../../domain/errors.ts";
import { describeHolders, scanHolders } from "../../node/holders.ts";
import { ownPrefix } from "../../recovery/swap.ts";
import { exchanged, withHeld } from "../../system/held-directory.ts";
import { readMounts } from "../../system/mounts.ts";
import { withJournal } from "../run/journal.ts";
import type { RunContext } from "../context.ts";

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
  { node }: RestoreConfig,
  target: string,
  hasNode: boolean,
  ctx: RunContext,
): Promise<void> {
  // `chainstateDir` may be a link by now that its owner made after the swap.
  const path = target;
  const { dev, ino, birthtimeNs } = await lstat(path, { bigint: true });
  const identity = { device: String(dev), inode: String(ino), bornNs: String(birthtimeNs) };
  const restored: Restored = { path, ...identity, sudo: node.sudo, hasNode };
  await ctx.rememberRemoval(JSON.stringify(restored));
}

/** `remembered` is what `rememberRestored` left. */
export async function tryRemoveRestored(remembered: string, ctx: RunContext): Promise<void> {
  const restored = v.parse(schema, JSON.parse(remembered));
  const { path: chainstateDir, sudo } = restored;
  const { report } = ctx;
  try {
    if (!(await isStillThere(restored))) {
      report.info(
        `${chainstateDir} is not the directory any more that this job restored; nothing is removed.`,
      );
      return;
    }
    await withJournal(ctx, { chainstateDir, command: "remove-after-job", sudo }, async () => {
      await requireNobody(restored, ctx);
      await remove(restored, ctx);
    });
    report.info(`${chainstateDir} is removed.`);
  } catch (error) {
    if (!(error instanceof ActionError) || ctx.signal.aborted) throw error;
    report.warning(`${chainstateDir} is not removed: ${error.message} ${error.hint ?? ""}`.trim());
  }
}

async function isThat(path: string, { device, inode, bornNs }: Restored): Promise<boolean> {
  const { dev, ino, birthtimeNs } = await lstat(path, { bigint: true });
  return String(dev) === device && String(ino) === inode && String(birthtimeNs) === bornNs;
}

async function isStillThere(restored: Restored): Promise<boolean> {
  try {
    return await isThat(restored.path, restored);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}

async function requireNobody({ path, sudo, hasNode }: Restored, ctx: RunContext): Promise<void> {
  const { holders, unseen } = await scanHolders(path, ctx.privilege(sudo), ctx.signal);
  if (holders.length > 0) {
    throw new ActionError("DIRECTORY_IN_USE", `It is in use: ${describeHolders(holders)}.`, {
      hint: "Stop the node in a step of the job before it ends.",
    });
  }
  if (hasNode && unseen > 0) {
    throw new ActionError("DIRECTORY_IN_USE", `${unseen} processes of other users could not be looked at.`, {
      hint: "Allow the runner to look with sudo (docs/permissions.md).",
    });
  }
}

async function remove(restored: Restored, ctx: RunContext): Promise<void> {
  const { path, sudo } = restored;
  const files = ctx.files(ctx.privilege(sudo), ctx.signal);
  const isMountPoint = (await readMounts()).some(({ mountPoint }) => mountPoint === path);
  await withHeld(path, async ({ at }) => {
    // Whoever may rename beside it could have put another one there since it was looked at.
    if (!(await isThat(`${at}/.`, restored))) throw exchanged(path, "this job did not restore it");
    for (const name of await files.names(at)) {
      // A mount point stays; what a restore put into it goes.
      if (isMountPoint && (name.startsWith(ownPrefix) || name === "lost+found")) continue;
      await files.removeTree(join(at, name));
    }
  });
  if (!isMountPoint) await files.removeEmptyDirectory(path);
}
