/**
 * Puts new disks, made of snapshots, where the old ones are mounted. The old disk stays attached until the node is
 * confirmed healthy, so that taking the swap back is one unmount and one mount; then it is detached and kept.
 */
import * as v from "valibot";
import { ActionError, hasCode } from "../../domain/errors.ts";
import type { Mount } from "../../system/mounts.ts";
import type { Exchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import {
  ensureMounted,
  fstabEntry,
  mountArgv,
  optionsForRestored,
  readFstab,
  reusableOptions,
  unmountPoint,
  type MountPlan,
} from "../mounts/mounting.ts";
import { findReplacements } from "../mounts/replacement.ts";
import type { CommitRequest, RestoreRequest, UndoStep } from "../port.ts";
import { fileSystem, requireFileSystem } from "../records.ts";
import { stepsOf } from "../undo.ts";
import { attachNew, type CloudRecord } from "./attach.ts";
import type { CloudDisks } from "./disks.ts";

/** One for each disk, before anything is made. VOLUME_WRONG_TYPE, VOLUME_MISMATCH, PRIVILEGE_MISSING. */
export async function planCloudExchanges(
  records: readonly CloudRecord[],
  request: RestoreRequest,
  host: Host,
  cloud: CloudDisks,
): Promise<readonly CloudExchange[]> {
  const fstab = await readFstab();
  const exchanges: CloudExchange[] = [];
  const replacements = await findReplacements(records, request.chainstateDir, host);
  for (const [index, { record, mount }] of replacements.entries()) {
    requireFileSystem(mount);
    const oldDisks = await disksBelow(mount, host, cloud, request.signal);
    if (oldDisks.length === 0 && !request.driverIsNamed) throw notOfCloud(mount, cloud);
    const run = { runId: request.runId, index };
    const options = optionsForRestored(mount, fstab);
    exchanges.push(new CloudExchange({ record, mount, oldDisks, options, run }, host, cloud));
  }
  for (const exchange of exchanges) await exchange.requirePrivileges();
  return exchanges;
}

/** None where it is no disk of the cloud; what cannot be asked is an error. */
async function disksBelow(
  { source }: Mount,
  host: Host,
  cloud: CloudDisks,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const disks = await host.devices.disksBelow(source);
  try {
    return (await cloud.identify(disks, signal)).map(({ id }) => id);
  } catch (error) {
    if (hasCode(error, "DISK_UNKNOWN")) return [];
    throw error;
  }
}

function notOfCloud({ mountPoint, source }: Mount, { driver }: CloudDisks): ActionError {
  return new ActionError(
    "VOLUME_MISMATCH",
    `The manifest says that the snapshot was made by ${driver}, but ${mountPoint} is on ${source}, which is no such disk.`,
    { hint: `If that is what you want, set \`volume-driver: ${driver}\`.` },
  );
}

interface CloudPlan {
  readonly record: CloudRecord;
  /** The one that is replaced. */
  readonly mount: Mount;
  /** The cloud's disks below it. */
  readonly oldDisks: readonly string[];
  /** Of the new one. */
  readonly options: readonly string[];
  readonly run: { readonly runId: string; readonly index: number };
}

class CloudExchange implements Exchange {
  readonly parts: CloudRecord["parts"];
  readonly #plan: CloudPlan;
  readonly #host: Host;
  readonly #cloud: CloudDisks;
  #newDisk: string | undefined;
  #newDevice = "";

  constructor(plan: CloudPlan, host: Host, cloud: CloudDisks) {
    this.parts = plan.record.parts;
    this.#plan = plan;
    this.#host = host;
    this.#cloud = cloud;
  }

  async requirePrivileges(): Promise<void> {
    const { mountPoint, source: device, fsType } = this.#plan.mount;
    const { privilege } = this.#host;
    await privilege.require(["umount", mountPoint], "to exchange the disk");
    const mount = mountArgv({ device, mountPoint, fsType, options: [] });
    await privilege.require(mount, "to mount the new disk, or the old one again");
  }

  async make(signal: AbortSignal): Promise<Omit<MountPlan, "mountPoint">> {
    const { record, run } = this.#plan;
    this.#newDevice = await attachNew(record, run, this.#host, this.#cloud, signal, (disk) => {
      this.#newDisk = disk;
    });
    return { device: this.#newDevice, fsType: record.fsType, options: [] };
  }

  undo(): UndoStep {
    const { mount, oldDisks } = this.#plan;
    return {
      do: "mount",
      device: mount.source,
      mountPoint: mount.mountPoint,
      fsType: v.parse(fileSystem, mount.fsType),
      options: [...reusableOptions(mount)],
      ...(this.#newDisk === undefined ? {} : { newDisk: this.#newDisk }),
      oldDisks: [...oldDisks],
    };
  }

  async swap(): Promise<void> {
    const { record, mount, options } = this.#plan;
    const { mountPoint } = mount;
    await unmountPoint(mountPoint, this.#host);
    const plan = { device: this.#newDevice, mountPoint, fsType: record.fsType, options };
    await ensureMounted(plan, this.#host);
  }

  /** Goes on when the run is cancelled; each step has its own limit. */
  async discard(): Promise<void> {
    if (this.#newDisk === undefined) return;
    const neverAborted = new AbortController().signal;
    await this.#cloud.detach(this.#newDisk, neverAborted);
    await this.#cloud.deleteDisk(this.#newDisk, neverAborted);
    this.#newDisk = undefined;
  }
}

/** The old disks are the operator's: detached, so that no UUID is there twice at the next boot, and never removed. */
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
