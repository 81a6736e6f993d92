/**
 * The mount table: which file system a path is on, what it is called, which device is below it. Read from
 * /proc/self/mountinfo, so it is what this process sees (a container's view inside a container).
 * Format: https://www.kernel.org/doc/html/latest/filesystems/proc.html#proc-pid-mountinfo-information-about-mounts
 */
import { readFile, realpath, stat } from "node:fs/promises";
import { ActionError } from "../errors.ts";
import { decodePath, fsPath } from "./path-bytes.ts";

export interface Mount {
  readonly id: number;
  readonly parentId: number;
  /** Device number as "major:minor". */
  readonly device: string;
  /** The directory of the file system that stands at the mount point; not "/" for bind mounts and subvolumes. */
  readonly root: string;
  readonly mountPoint: string;
  /** Options of this mount and of its file system, e.g. "rw", "noatime", "subvol=/data". */
  readonly options: readonly string[];
  /** "ext4", "xfs", "btrfs", "zfs", "nfs4", "overlay", "fuse.sshfs" … */
  readonly fsType: string;
  /** Device node, dataset or export: "/dev/mapper/vg-lv", "tank/stacks", "host:/export". */
  readonly source: string;
}

/** Every mount, in the order of the table: a later one covers an earlier one at the same place. */
export async function readMounts(): Promise<readonly Mount[]> {
  return parseMounts(await readFile("/proc/self/mountinfo"));
}

export function parseMounts(table: Uint8Array): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of decodePath(table).split("\n")) {
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    const [id, parentId, device, root, mountPoint, options] = fields;
    if (dash < 0 || mountPoint === undefined || options === undefined) continue;
    const [fsType, source, superOptions] = fields.slice(dash + 1);
    if (device === undefined || root === undefined || fsType === undefined) continue;
    mounts.push({
      id: Number(id),
      parentId: Number(parentId),
      device,
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      options: [...new Set([...options.split(","), ...(superOptions ?? "").split(",")])].filter(Boolean),
      fsType,
      source: unescapeOctal(source ?? ""),
    });
  }
  return mounts;
}

/** The mount that `path` (which must exist; symlinks are followed) is on. */
export async function mountOf(path: string): Promise<Mount> {
  const [real, mounts] = await Promise.all([
    realpath(fsPath(path), { encoding: "buffer" }).then(decodePath),
    readMounts(),
  ]);
  const mount = mountAt(real, mounts);
  if (mount === undefined) {
    throw new ActionError("MOUNT_UNKNOWN", `No mount in /proc/self/mountinfo holds ${path}.`);
  }
  return mount;
}

/** The mount that holds an absolute path without symlinks; among equals the last one, which covers the others. */
export function mountAt(realPath: string, mounts: readonly Mount[]): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const point = mount.mountPoint;
    const holds = point === "/" || realPath === point || realPath.startsWith(`${point}/`);
    if (holds && (best === undefined || point.length >= best.mountPoint.length)) best = mount;
  }
  return best;
}

/** True when both paths (which must exist) are on one file system, so that a rename between them works. */
export async function sameFileSystem(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([stat(fsPath(a)), stat(fsPath(b))]);
  return one.dev === other.dev;
}

const networkTypes =
  /^(nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|glusterfs|lustre|gpfs|ocfs2|gfs2|beegfs|virtiofs|vboxsf)$/;
const networkFuse = /^fuse\.(sshfs|glusterfs|s3fs|gcsfuse|rclone|ceph|juicefs|blobfuse2?|nfs.*)$/;

/** File systems that other machines (a hypervisor's host included) can write at the same time, so that locks seen here prove nothing. */
export function isNetworkFileSystem(fsType: string): boolean {
  return networkTypes.test(fsType) || networkFuse.test(fsType);
}

/** Spaces, tabs, newlines and backslashes stand in the table as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
