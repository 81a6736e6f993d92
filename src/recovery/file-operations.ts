/**
 * The few changes to the operator's directories that a swap makes. Each is tried as this user first and, where that is
 * not permitted, once more through `sudo -n`, because a runner often does not own what a node's service owns.
 */
import { chmod, chown, lstat, mkdir, readdir, rename, rmdir } from "node:fs/promises";
import { ActionError, hasCode } from "../errors.ts";
import { runOk } from "../system/exec.ts";
import { decodePath, fsPath } from "../system/path-bytes.ts";
import type { Privilege } from "../system/privilege.ts";
import { syncDirectory } from "./atomic-file.ts";

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
  const elevated = async (argv: readonly string[], timeoutMs = 60_000): Promise<void> => {
    await runOk(privilege.elevate(argv), { signal, timeoutMs });
  };
  const direct = async (work: () => Promise<void>, argv: readonly string[]): Promise<void> => {
    try {
      await work();
    } catch (error) {
      const denied = hasCode(error, "EACCES") || hasCode(error, "EPERM");
      if (!denied || privilege.elevate(argv).length === argv.length) throw error;
      await privilege.require(argv, `to change ${argv.at(-1) ?? ""}`);
      await elevated(argv);
    }
  };
  return {
    async exists(path) {
      return (await lstat(fsPath(path)).catch(absent)) !== undefined;
    },
    async names(directory) {
      const names = await readdir(fsPath(directory), { encoding: "buffer" }).catch(absent);
      return (names ?? []).map((name) => decodePath(name));
    },
    async makeDirectory(path) {
      await direct(async () => {
        await mkdir(fsPath(path), { recursive: true, mode: 0o700 });
      }, ["install", "-d", "-m", "0700", "-o", String(process.geteuid?.() ?? 0), "--", path]);
    },
    async move(from, to) {
      // rename(2) would replace an empty directory or a file without a word; `mv` is told the same in its own way.
      if ((await lstat(fsPath(to)).catch(absent)) !== undefined) {
        throw new ActionError("SWAP_CONFLICT", `Cannot move ${from}: ${to} exists already.`, {
          hint: conflictHint,
        });
      }
      await direct(
        async () => await rename(fsPath(from), fsPath(to)),
        ["mv", "--no-clobber", "--no-target-directory", "--", from, to],
      );
    },
    async removeEmptyDirectory(path) {
      await direct(async () => await rmdir(fsPath(path)), ["rmdir", "--", path]);
    },
    async copyOwner(model, path) {
      const { uid, gid, mode } = await lstat(fsPath(model));
      const now = await lstat(fsPath(path));
      if (now.uid !== uid || now.gid !== gid) {
        await direct(async () => await chown(fsPath(path), uid, gid), ["chown", `${uid}:${gid}`, "--", path]);
      }
      const bits = mode & 0o7777;
      if ((now.mode & 0o7777) !== bits) {
        await direct(async () => await chmod(fsPath(path), bits), ["chmod", bits.toString(8), "--", path]);
      }
    },
    async copyOwnerToTree(model, path) {
      const { uid, gid } = await lstat(fsPath(model));
      const isRunner = uid === process.geteuid?.() && gid === process.getegid?.();
      const argv = ["chown", "--recursive", "--no-dereference", `${uid}:${gid}`, "--", path];
      await runOk(isRunner ? argv : privilege.elevate(argv), { signal, timeoutMs: longMs });
    },
    async removeTree(path) {
      if ((await lstat(fsPath(path)).catch(absent)) === undefined) return;
      const argv = ["rm", "--recursive", "--force", "--one-file-system", "--", path];
      const removed = await runOk(argv, { signal, timeoutMs: longMs }).catch((error: unknown) => {
        if (!hasCode(error, "COMMAND_FAILED")) throw error;
        return undefined;
      });
      if (removed === undefined) await elevated(argv, longMs);
    },
    async sync(directory) {
      await direct(async () => await syncDirectory(fsPath(directory)), ["sync", "--", directory]);
    },
    async syncFileSystem(path) {
      await runOk(["sync", "--file-system", "--", path], { signal, timeoutMs: longMs }).catch(async () => {
        await elevated(["sync", "--file-system", "--", path], longMs);
      });
    },
  };
}

export const conflictHint =
  "Something else made a directory there in the meantime. Stop what uses it, move it away by hand, and run this again.";

function absent(error: unknown): undefined {
  if (hasCode(error, "ENOENT")) return undefined;
  throw error;
}
