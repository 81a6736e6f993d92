/**
 * Block devices as /sys shows them: from the device a file system is on down to the disks it is made of (through
 * partitions, LVM, RAID and dm-crypt), and from a disk's serial number back to its device node, because the names of
 * disks change from boot to boot and from attachment to attachment.
 */
import { readFile, readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { hasCode } from "../../domain/errors.ts";

/** A whole disk below a file system. */
export interface Disk {
  /** "nvme1n1", "sdb". */
  readonly name: string;
  readonly path: string;
  /** The serial number the disk reports; EBS volumes report their volume id without the dash. */
  readonly serial: string | null;
  /** The partition that is used of it; null for the whole disk. */
  readonly partition: number | null;
  /** True where the file system is on the disk or its partition itself, with nothing (LVM, RAID, dm-crypt) between. */
  readonly direct: boolean;
}

export interface BlockDevices {
  /** The disks below a device node; empty where it is no block device. */
  disksBelow(devicePath: string): Promise<readonly Disk[]>;
  /** The device node of the disk (or of its partition) with this serial number; undefined while there is none. */
  findBySerial(serial: string, partition: number | null): Promise<string | undefined>;
  /** The first of these paths (udev's links to a disk) that exists, or its partition. */
  findByLink(links: readonly string[], partition: number | null): Promise<string | undefined>;
  /** "major:minor" of a device node, as the mount table has it; undefined where there is none. */
  readonly numberOf: (devicePath: string) => Promise<string | undefined>;
}

export const sysfsDevices: BlockDevices = {
  async disksBelow(devicePath) {
    const number = await numberOf(devicePath);
    if (number === undefined) return [];
    const found = new Map<string, Disk>();
    await descend(`/sys/dev/block/${number}`, true, found);
    return [...found.values()];
  },
  async findBySerial(serial, partition) {
    for (const name of await readdir("/sys/block").catch(() => [])) {
      if ((await serialOf(join("/sys/block", name))) === serial)
        return await existing(partitionPath(`/dev/${name}`, partition));
    }
    return undefined;
  },
  async findByLink(links, partition) {
    for (const link of links) {
      const disk = await realpath(link).catch(() => undefined);
      if (disk !== undefined) return await existing(partitionPath(disk, partition));
    }
    return undefined;
  },
  numberOf,
};

/** "/dev/nvme1n1" and 1 → "/dev/nvme1n1p1"; "/dev/sdb" and 1 → "/dev/sdb1". */
export function partitionPath(disk: string, partition: number | null): string {
  if (partition === null) return disk;
  return /\d$/.test(disk) ? `${disk}p${partition}` : `${disk}${partition}`;
}

async function descend(sysPath: string, direct: boolean, found: Map<string, Disk>): Promise<void> {
  const real = await realpath(sysPath).catch(() => undefined);
  if (real === undefined) return;
  const slaves = await readdir(join(real, "slaves")).catch(() => []);
  if (slaves.length > 0) {
    for (const slave of slaves) await descend(join(real, "slaves", slave), false, found);
    return;
  }
  const partition = await readText(join(real, "partition"));
  const disk = partition === undefined ? real : dirname(real);
  const name = basename(disk);
  found.set(`${name} ${partition ?? ""}`, {
    name,
    path: `/dev/${name.replaceAll("!", "/")}`,
    serial: await serialOf(disk),
    partition: partition === undefined ? null : Number(partition),
    direct,
  });
}

async function serialOf(diskSysPath: string): Promise<string | null> {
  const serial =
    (await readText(join(diskSysPath, "device/serial"))) ?? (await readText(join(diskSysPath, "serial")));
  return serial === undefined || serial === "" ? null : serial;
}

async function numberOf(devicePath: string): Promise<string | undefined> {
  const found = await stat(devicePath).catch(() => undefined);
  if (found === undefined || !found.isBlockDevice()) return undefined;
  // Linux packs 12 bits of major and 20 of minor number into st_rdev (glibc's gnu_dev_major and gnu_dev_minor).
  const device = BigInt(found.rdev);
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

async function existing(path: string): Promise<string | undefined> {
  return (await stat(path).catch(() => undefined)) === undefined ? undefined : path;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (
      hasCode(error, "ENOENT") ||
      hasCode(error, "ENOTDIR") ||
      hasCode(error, "EACCES") ||
      hasCode(error, "ENXIO")
    )
      return undefined;
    throw error;
  }
}
