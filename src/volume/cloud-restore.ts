/**
 * Puts new disks, made of snapshots, where the old ones are mounted. The old disk stays attached until the node has
 * proved healthy, so that taking the swap back is one unmount and one mount; then it is detached and kept.
 */
import type { CloudDisks } from "./cloud-disks.ts";
import { attachNew, type CloudRecord } from "./cloud-attach.ts";
import type { Host } from "./host.ts";
import { ensureMounted, fstabEntry, readFstab, reusableOptions, unmountPoint } from "./mounting.ts";
import { blobsElsewhere, mainOf, partsAt } from "./parts.ts";
import type { CommitRequest, OpenPart, PreparedRestore, RestoreRequest } from "./port.ts";
import { findReplacements } from "./replacement.ts";
import { mountScratch, unmountScratch } from "./scratch-mounts.ts";
import { stepsOf } from "./undo.ts";

interface Exchange {
  readonly record: CloudRecord;
  readonly mountPoint: string;
  readonly oldDevice: string;
  /** The cloud's disks below it; none where it is no disk of the cloud. */
  readonly oldDisks: readonly string[];
  readonly oldFsType: string;
  readonly oldOptions: readonly string[];
  /** For the new one: what /etc/fstab says of this place, else what the old one was mounted with. */
  readonly options: readonly string[];
}

interface Attached extends Exchange {
  readonly newDevice: string;
  readonly newDisk: string;
}

export async function prepareCloudRestore(
  records: readonly CloudRecord[],
  request: RestoreRequest,
  host: Host,
  cloud: CloudDisks,
): Promise<Extract<PreparedRestore, { kind: "volume" }>> {
  const exchanges = await planExchanges(records, request, host, cloud);
  const disks: string[] = [];
  const scratch: string[] = [];
  const calm = new AbortController().signal;
  const letGo = async (): Promise<void> => {
    for (const mountPoint of scratch.toReversed()) await unmountScratch(mountPoint, host);
  };
  const discard = async (): Promise<void> => {
    await letGo();
    for (const disk of disks) {
      await cloud.detach(disk, calm);
      await cloud.deleteDisk(disk, calm);
    }
  };
  try {
    const attached: Attached[] = [];
    const parts: OpenPart[] = [];
    for (const [index, exchange] of exchanges.entries()) {
      const { record } = exchange;
      const newDevice = await attachNew(
        record,
        { runId: request.runId, index },
        host,
        cloud,
        request.signal,
        (disk) => disks.push(disk),
      );
      attached.push({ ...exchange, newDevice, newDisk: disks.at(-1) ?? "" });
      const mountPoint = await mountScratch(
        request,
        `new${index}`,
        { device: newDevice, fsType: record.fsType, options: [] },
        host,
      );
      scratch.push(mountPoint);
      parts.push(...partsAt(mountPoint, record.parts));
    }
    return {
      kind: "volume",
      directory: mainOf(parts),
      elsewhere: blobsElsewhere(parts),
      undo: attached.map(({ oldDevice, oldDisks, newDisk, mountPoint, oldFsType, oldOptions }) => ({
        do: "mount",
        device: oldDevice,
        mountPoint,
        fsType: oldFsType,
        options: [...oldOptions],
        newDisk,
        oldDisks: [...oldDisks],
      })),
      async swap() {
        await letGo();
        for (const { newDevice, mountPoint, record, options } of attached) {
          await unmountPoint(mountPoint, host);
          await ensureMounted({ device: newDevice, mountPoint, fsType: record.fsType, options }, host);
        }
      },
      discard,
    };
  } catch (error) {
    await discard();
    throw error;
  }
}

async function planExchanges(
  records: readonly CloudRecord[],
  request: RestoreRequest,
  host: Host,
  cloud: CloudDisks,
): Promise<readonly Exchange[]> {
  const fstab = await readFstab();
  const exchanges: Exchange[] = [];
  for (const { record, mount } of await findReplacements(records, request.chainstateDir, host)) {
    const disks = await host.devices.disksBelow(mount.source);
    exchanges.push({
      record,
      mountPoint: mount.mountPoint,
      oldDevice: mount.source,
      oldDisks: (await cloud.identify(disks, request.signal).catch(() => [])).map(({ id }) => id),
      oldFsType: mount.fsType,
      oldOptions: reusableOptions(mount),
      options: fstabEntry(fstab, mount.mountPoint)?.options ?? record.mountOptions,
    });
  }
  for (const { mountPoint, oldDevice, oldFsType } of exchanges) {
    await host.privilege.require(["umount", mountPoint], "to exchange the disk");
    await host.privilege.require(
      ["mount", "-t", oldFsType, oldDevice, mountPoint],
      "to mount the new disk, or the old one again",
    );
  }
  return exchanges;
}

/** The old disks are somebody's data: detached, so that no UUID is there twice at the next boot, and never removed. */
export async function commitCloudRestore(
  undo: readonly unknown[],
  { signal }: CommitRequest,
  cloud: CloudDisks,
): Promise<readonly string[]> {
  const notes: string[] = [];
  const fstab = await readFstab();
  for (const { newDisk, oldDisks, mountPoint } of stepsOf("mount", undo)) {
    if (newDisk !== undefined) await cloud.adopt(newDisk, signal);
    for (const id of oldDisks) {
      await cloud.detach(id, signal);
      notes.push(`The old disk ${id} is detached and kept; delete it when it is not needed any more.`);
    }
    const fstabSpec = fstabEntry(fstab, mountPoint)?.spec;
    if (fstabSpec?.startsWith("/dev/") === true && !fstabSpec.startsWith("/dev/disk/by-uuid/")) {
      notes.push(
        `/etc/fstab names ${fstabSpec} for ${mountPoint}; the new disk may have another name at the next boot: use UUID= there, which both disks share.`,
      );
    }
  }
  return notes;
}
