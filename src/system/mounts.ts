/**
 * The mount table: which file system a path is on, what it is called, which device is below it. Read from
 * /proc/self/mountinfo, so it is what this process sees (a container's view inside a container).
 * Format: https://www.kernel.org/doc/html/latest/filesystems/proc.html#proc-pid-mountinfo-information-about-mounts
 */
import { readFile, realpath, stat, statfs } from "node:fs/promises";
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
  return mountAt(real, mounts) ?? (await rootOfChroot());
}

/** In a plain chroot the root is no mount point of its own, and the table is silent about what it is on. */
async function rootOfChroot(): Promise<Mount> {
  const [{ dev }, { type }] = await Promise.all([stat("/"), statfs("/")]);
  return {
    id: 0,
    parentId: 0,
    device: `${(dev >>> 8) & 0xfff}:${(dev & 0xff) | ((dev >>> 12) & 0xfff00)}`,
    root: "/",
    mountPoint: "/",
    options: [],
    fsType: magicNames.get(type) ?? `type 0x${type.toString(16)}`,
    source: "none",
  };
}

/** Of statfs(2); those that matter for what is asked of a mount. */
const magicNames: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x2fc12fc1, "zfs"],
  [0x01021994, "tmpfs"],
  [0x794c7630, "overlay"],
  [0x6969, "nfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x01021997, "9p"],
  [0x00c36400, "ceph"],
  [0x65735546, "fuse"],
]);

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

/** File systems that other machines (a hypervisor's host included) can write at the same time, so that locks seen here mean nothing. */
export function isNetworkFileSystem(fsType: string): boolean {
  return networkTypes.test(fsType) || networkFuse.test(fsType);
}

/** Spaces, tabs, newlines and backslashes stand in the table as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
