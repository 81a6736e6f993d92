/**
 * The few changes to the operator's directories that a swap makes. Each is tried as this user first and, where that is
 * not permitted, once more through `sudo -n`, because a runner often does not own what a node's service owns. Paths are
 * canonical, and no link that stands on them by now is followed: the node's user may own the directories they lead through.
 */
import type { Stats } from "node:fs";
import { chmod, chown, lstat, mkdir, readdir, rename, rmdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { ActionError, hasCode } from "../domain/errors.ts";
import { runOk } from "../system/exec.ts";
import { withHeld } from "../system/held-directory.ts";
import { decodePath, fsPath } from "../system/path-bytes.ts";
import type { Privilege } from "../system/privilege.ts";
import { syncDirectory } from "../system/atomic-file.ts";

export interface FileOperations {
  exists(path: string): Promise<boolean>;
  /** Names in a directory (see `system/path-bytes.ts`), in no particular order; none where it does not exist. */
  names(directory: string): Promise<readonly string[]>;
  makeDirectory(path: string): Promise<void>;
  /** Moves within one file system, to a name that does not exist. Not durable before `sync`. */
  move(from: string, to: string): Promise<void>;
  removeEmptyDirectory(path: string): Promise<void>;
  /** Gives `path` the owner and the mode of `model`; of itself only, not of what is in it. */
  copyOwner(model: string, path: string): Promise<void>;
  /** Gives `path` and everything in it the owner and group of `model`. */
  copyOwnerToTree(model: string, path: string): Promise<void>;
  /** Removes a tree; never crosses into another file system. */
  removeTree(path: string): Promise<void>;
  /** Makes the names in a directory durable. */
  sync(directory: string): Promise<void>;
  /** Makes everything written to the file system of `path` durable. */
  syncFileSystem(path: string): Promise<void>;
}

/** Hours, because removing half a million files of a slow disk may take that long. */
const longMs = 6 * 3600_000;

export function fileOperations(privilege: Privilege, signal: AbortSignal): FileOperations {
  const { direct, elevated } = changesWith(privilege, signal);
  return {
    exists,
    async names(directory) {
      return await withHeld(directory, async ({ at }) => {
        const names = await readdir(at, { encoding: "buffer" });
        return names.map((name) => decodePath(name));
      }).catch(noneWhereAbsent);
    },
    async makeDirectory(path) {
      await beside(path, async (at) => {
        const make = ["install", "-d", "-m", "0700", "-o", String(process.geteuid?.() ?? 0), "--", at];
        await direct(path, async () => await makeOne(at), make);
      });
    },
    move: async (from, to) => await move(direct, from, to),
    async removeEmptyDirectory(path) {
      await beside(path, async (at) => {
        await direct(path, async () => await rmdir(fsPath(at)), ["rmdir", "--", at]);
      });
    },
    copyOwner: (model, path) => copyOwner(direct, model, path),
    async copyOwnerToTree(model, path) {
      const { uid, gid } = await lookAt(model);
      const isRunner = uid === process.geteuid?.() && gid === process.getegid?.();
      await withHeld(path, async ({ at }) => {
        const argv = ["chown", "--recursive", "--no-dereference", `${uid}:${gid}`, "--", `${at}/.`];
        await runOk(isRunner ? argv : privilege.elevate(argv), { signal, timeoutMs: longMs });
      });
    },
    removeTree: async (path) => await removeTree(path, elevated, signal),
    async sync(directory) {
      await withHeld(directory, async ({ at }) => {
        await direct(directory, async () => await syncDirectory(at), ["sync", "--", at]);
      });
    },
    async syncFileSystem(path) {
      await withHeld(path, async ({ at }) => {
        const argv = ["sync", "--file-system", "--", `${at}/.`];
        await runOk(argv, { signal, timeoutMs: longMs }).catch(async () => await elevated(argv, longMs));
      });
    },
  };
}

async function move(direct: Changes["direct"], from: string, to: string): Promise<void> {
  await beside(from, async (old) => {
    await beside(to, async (fresh) => {
      // rename(2) would replace an empty directory or a file without a word; `mv` is told the same in its own way.
      if ((await lstat(fsPath(fresh)).catch(absent)) !== undefined) {
        throw new ActionError("SWAP_CONFLICT", `Cannot move ${from}: ${to} exists already.`, {
          hint: conflictHint,
        });
      }
      const argv = ["mv", "--no-clobber", "--no-target-directory", "--", old, fresh];
      await direct(to, async () => await rename(fsPath(old), fsPath(fresh)), argv);
    });
  });
}

async function removeTree(path: string, elevated: Changes["elevated"], signal: AbortSignal): Promise<void> {
  if (!(await exists(path))) return;
  await beside(path, async (at) => {
    const argv = ["rm", "--recursive", "--force", "--one-file-system", "--", at];
    const removed = await runOk(argv, { signal, timeoutMs: longMs }).catch((error: unknown) => {
      if (!hasCode(error, "COMMAND_FAILED")) throw error;
      return undefined;
    });
    if (removed === undefined) await elevated(argv, longMs);
  });
}

/** `work` with a way to `path` that leads through the directory that is above it now, whoever renames that. */
async function beside<T>(path: string, work: (at: string) => Promise<T>): Promise<T> {
  return await withHeld(dirname(path), async ({ at }) => await work(`${at}/${basename(path)}`));
}

async function lookAt(path: string): Promise<Stats> {
  return await beside(path, async (at) => await lstat(fsPath(at)));
}

async function exists(path: string): Promise<boolean> {
  const found = await lookAt(path).catch((error: unknown) => {
    // Where the way to it was exchanged, it is not there.
    if (hasCode(error, "PATH_EXCHANGED")) return undefined;
    return absent(error);
  });
  return found !== undefined;
}

async function makeOne(at: string): Promise<void> {
  try {
    await mkdir(fsPath(at), { mode: 0o700 });
  } catch (error) {
    if (!hasCode(error, "EEXIST") || !(await lstat(fsPath(at))).isDirectory()) throw error;
  }
}

interface Changes {
  /** Through `sudo -n` where this user is not root. */
  readonly elevated: (argv: readonly string[], timeoutMs?: number) => Promise<void>;
  /** As this user; where that is not permitted, `argv`, which does the same, through `sudo -n`. */
  readonly direct: (path: string, work: () => Promise<void>, argv: readonly string[]) => Promise<void>;
}

function changesWith(privilege: Privilege, signal: AbortSignal): Changes {
  const elevated: Changes["elevated"] = async (argv, timeoutMs = 60_000) => {
    await runOk(privilege.elevate(argv), { signal, timeoutMs });
  };
  return {
    elevated,
    async direct(path, work, argv) {
      try {
        await work();
      } catch (error) {
        const denied = hasCode(error, "EACCES") || hasCode(error, "EPERM");
        if (!denied || privilege.elevate(argv).length === argv.length) throw error;
        await privilege.require(argv, `to change ${path}`);
        await elevated(argv);
      }
    },
  };
}

async function copyOwner(direct: Changes["direct"], model: string, path: string): Promise<void> {
  const { uid, gid, mode } = await lookAt(model);
  await withHeld(path, async (held) => {
    const at = `${held.at}/.`;
    const now = held.stat();
    if (now.uid !== uid || now.gid !== gid) {
      const argv = ["chown", "--no-dereference", `${uid}:${gid}`, "--", at];
      await direct(path, async () => await chown(at, uid, gid), argv);
    }
    // Never set-uid, set-gid or sticky: the model is the old directory's, and its owner is not the one who runs this.
    const bits = mode & 0o777;
    if ((now.mode & 0o7777) !== bits) {
      const argv = ["chmod", bits.toString(8), "--", at];
      await direct(path, async () => await chmod(at, bits), argv);
    }
  });
}

export const conflictHint =
  "Something else made a directory there in the meantime. Stop what uses it, move it away by hand, and run this again.";

function noneWhereAbsent(error: unknown): readonly string[] {
  if (!hasCode(error, "PATH_EXCHANGED")) absent(error);
  return [];
}

function absent(error: unknown): undefined {
  if (hasCode(error, "ENOENT")) return undefined;
  throw error;
}
