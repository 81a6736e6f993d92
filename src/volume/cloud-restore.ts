/**
 * Puts new disks, made of snapshots, where the old ones are mounted. The old disk stays attached until the node has
 * proved healthy, so that taking the swap back is one unmount and one mount; then it is detached and kept.
 */
import { ActionError } from "../errors.ts";
import type { CloudDisks } from "./cloud-disks.ts";
import { attachNew, type CloudRecord } from "./cloud-attach.ts";
import type { Host } from "./host.ts";
import { ensureMounted, fstabEntry, readFstab, reusableOptions, unmountPoint } from "./mounting.ts";
import type { PreparedRestore, RestoreRequest } from "./port.ts";
import { findReplacements } from "./replacement.ts";
import { mountScratch, unmountScratch } from "./scratch-mounts.ts";

interface Exchange {
  readonly record: CloudRecord;
  readonly mountPoint: string;
  readonly oldDevice: string;
  readonly oldFsType: string;
  readonly oldOptions: readonly string[];
  /** For the new one: what /etc/fstab says of this place, else what the old one was mounted with. */
  readonly options: readonly string[];
  readonly fstabSpec: string | undefined;
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
  const exchanges = await planExchanges(records, request, host);
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
    let directory: string | undefined;
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
      const main = record.parts.find(({ at }) => at === "");
      if (main !== undefined) directory = main.within === "" ? mountPoint : `${mountPoint}/${main.within}`;
    }
    if (directory === undefined)
      throw new ActionError(
        "VOLUME_RECORD_INVALID",
        "No disk of the snapshot holds the chainstate directory.",
      );
    return {
      kind: "volume",
      directory,
      undo: attached.map(({ oldDevice, mountPoint, oldFsType, oldOptions }) => ({
        do: "mount",
        device: oldDevice,
        mountPoint,
        fsType: oldFsType,
        options: [...oldOptions],
      })),
      async swap() {
        await letGo();
        for (const { newDevice, mountPoint, record, options } of attached) {
          await unmountPoint(mountPoint, host);
          await ensureMounted({ device: newDevice, mountPoint, fsType: record.fsType, options }, host);
        }
      },
      commit: async () => await commit(attached, host, cloud, calm),
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
): Promise<readonly Exchange[]> {
  const fstab = await readFstab();
  const replacements = await findReplacements(records, request.chainstateDir, host);
  const exchanges = replacements.map(({ record, mount }): Exchange => {
    const entry = fstabEntry(fstab, mount.mountPoint);
    return {
      record,
      mountPoint: mount.mountPoint,
      oldDevice: mount.source,
      oldFsType: mount.fsType,
      oldOptions: reusableOptions(mount),
      options: entry?.options ?? record.mountOptions,
      fstabSpec: entry?.spec,
    };
  });
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
async function commit(
  attached: readonly Attached[],
  host: Host,
  cloud: CloudDisks,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const notes: string[] = [];
  for (const { newDisk, oldDevice, mountPoint, fstabSpec } of attached) {
    await cloud.adopt(newDisk, signal);
    const old = await host.devices.disksBelow(oldDevice);
    for (const { id } of await cloud.identify(old, signal).catch(() => [])) {
      await cloud.detach(id, signal);
      notes.push(`The old disk ${id} is detached and kept; delete it when it is not needed any more.`);
    }
    if (fstabSpec?.startsWith("/dev/") === true && !fstabSpec.startsWith("/dev/disk/by-uuid/")) {
      notes.push(
        `/etc/fstab names ${fstabSpec} for ${mountPoint}; the new disk may have another name at the next boot: use UUID= there, which both disks share.`,
      );
    }
  }
  return notes;
}
