/**
 * Where a chainstate really is: the mount its directory is on, mounts inside it, and symlinks that lead out of it (a
 * `.blobs` file moved to a larger disk). A snapshot that misses one of them would be of two moments, so each is a part
 * with a place of its own. Written to be asked while the node runs: big hash directories are not entered.
 */
import { opendir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { isWriteOnceDirectory } from "../../chainstate/layout.ts";
import { ActionError, hasCode } from "../../domain/errors.ts";
import { mountAt, type Mount } from "../../system/mounts.ts";
import { fsPath } from "../../system/path-bytes.ts";
import type { Host } from "../host.ts";

export interface ChainstatePart {
  /** Path below the chainstate directory; "" for the directory itself. */
  readonly at: string;
  /** Its real path on the live system. */
  readonly path: string;
  readonly mount: Mount;
  /** The path below the mount point; "" where it is the mount point itself. */
  readonly within: string;
}

const linkDepth = 5;

/** The part at "" first. CHAINSTATE_DIR_MISSING where there is no such directory. */
export async function locateChainstate(
  chainstateDir: string,
  host: Host,
): Promise<readonly ChainstatePart[]> {
  let root: string;
  try {
    root = await realpath(chainstateDir);
    if (!(await stat(root)).isDirectory()) throw new Error("not a directory");
  } catch (cause) {
    throw new ActionError("CHAINSTATE_DIR_MISSING", `${chainstateDir} is not a directory.`, {
      cause,
      hint: "`chainstate-dir` names the mode directory, such as /var/stacks/mainnet.",
    });
  }
  const mounts = (await host.readMounts()).filter((mount) => !isSnapshotMount(mount));
  const parts = [partAt("", root, mounts)];
  for (const mount of new Map(mounts.map((each) => [each.mountPoint, each])).values()) {
    if (mount.mountPoint.startsWith(`${root}/`)) {
      parts.push(partAt(mount.mountPoint.slice(root.length + 1), mount.mountPoint, mounts));
    }
  }
  for (const [at, target] of await linksOut(root)) parts.push(partAt(at, target, mounts));
  return parts;
}

/** Groups parts by the volume they are on; `keyOf` names the volume. */
export function groupParts(
  parts: readonly ChainstatePart[],
  keyOf: (part: ChainstatePart) => string,
): ReadonlyMap<string, readonly ChainstatePart[]> {
  const groups = new Map<string, ChainstatePart[]>();
  for (const part of parts) groups.set(keyOf(part), [...(groups.get(keyOf(part)) ?? []), part]);
  return groups;
}

/** What ZFS mounts by itself when something looks into `.zfs/snapshot`. */
function isSnapshotMount(mount: Mount): boolean {
  return mount.mountPoint.includes("/.zfs/snapshot/") || mount.fsType === "autofs";
}

function partAt(at: string, path: string, mounts: readonly Mount[]): ChainstatePart {
  const mount = mountAt(path, mounts);
  if (mount === undefined)
    throw new ActionError("MOUNT_UNKNOWN", `No mount in the mount table holds ${path}.`);
  const within =
    path === mount.mountPoint ? "" : path.slice(mount.mountPoint === "/" ? 1 : mount.mountPoint.length + 1);
  return { at, path, mount, within };
}

/** Symlinks whose target is outside `root`, with the real path of the target. */
async function linksOut(root: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const look = async (below: string, depth: number): Promise<void> => {
    for await (const entry of await opendir(fsPath(join(root, below)))) {
      const at = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isSymbolicLink()) {
        const target = await realpath(join(root, at)).catch((error: unknown) => {
          // A link to nothing carries no data.
          if (hasCode(error, "ENOENT") || hasCode(error, "ELOOP")) return undefined;
          throw error;
        });
        if (target !== undefined && !`${target}/`.startsWith(`${root}/`)) found.set(at, target);
      } else if (entry.isDirectory() && depth < linkDepth && !entry.name.startsWith(".")) {
        if (!isWriteOnceDirectory(at)) await look(at, depth + 1);
      }
    }
  };
  await look("", 1);
  return found;
}
