/**
 * Restores logical volumes: a new one is made of each snapshot and looked at beside the running node; then it takes the
 * old one's name and mount point. The old one keeps its bytes under another name, not activated at boot, so that
 * an /etc/fstab that goes by UUID finds one volume with it and not two.
 */
import { ActionError } from "../../domain/errors.ts";
import { formatBytes } from "../../system/space.ts";
import type { Exchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import {
  ensureMounted,
  mountArgv,
  optionsForRestored,
  optionsOf,
  readFstab,
  unmountPoint,
  type MountPlan,
} from "../mounts/mounting.ts";
import { findReplacements } from "../mounts/replacement.ts";
import { nameFor, toolName } from "../names.ts";
import type { CommitRequest, RestoreRequest, UndoStep } from "../port.ts";
import { stepsOf } from "../undo.ts";
import {
  activateArgv,
  fullName,
  listVolumes,
  markArgv,
  removeVolume,
  runTag,
  type LogicalVolume,
  type LvmRecord,
} from "./report.ts";

const copyTimeoutMs = 24 * 3600_000;

/** One for each volume. RESTORE_NO_PLACE, PRIVILEGE_MISSING, each before anything is made. */
export async function planLvmExchanges(
  records: readonly LvmRecord[],
  request: RestoreRequest,
  host: Host,
): Promise<readonly LogicalVolumeExchange[]> {
  const [volumes, fstab] = [await listVolumes(host), await readFstab()];
  const replacements = await findReplacements(records, request.chainstateDir, host);
  const exchanges = replacements.map(({ record, mount }, index) => {
    const old = volumes.find((volume) => volume.device === mount.device);
    if (old === undefined || old.group !== record.group) {
      throw new ActionError(
        "RESTORE_NO_PLACE",
        `${mount.mountPoint} is on ${mount.source}, not on a logical volume of ${record.group}.`,
        {
          hint: `Mount a logical volume of ${record.group} there, or make one from the snapshot by hand.`,
        },
      );
    }
    const name = nameFor(request.runId);
    const mountPlan = {
      device: `/dev/${fullName(old)}`,
      mountPoint: mount.mountPoint,
      fsType: record.fsType,
      options: optionsForRestored(mount, fstab),
    };
    const oldOptions = optionsOf(mount, fstab);
    const names = { kept: `${name}.old${index}`, fresh: `${name}.new${index}` };
    return new LogicalVolumeExchange(
      { record, old, mountPlan, oldOptions, runId: request.runId, ...names },
      host,
    );
  });
  for (const exchange of exchanges) await exchange.requirePrivileges();
  return exchanges;
}

interface LogicalVolumePlan {
  readonly record: LvmRecord;
  /** The live volume. */
  readonly old: LogicalVolume;
  /** Of the new volume under the old one's name. */
  readonly mountPlan: MountPlan;
  readonly oldOptions: readonly string[];
  readonly runId: string;
  /** The old one's name afterwards, and the new one's before. */
  readonly kept: string;
  readonly fresh: string;
}

class LogicalVolumeExchange implements Exchange {
  readonly parts: LvmRecord["parts"];
  readonly #plan: LogicalVolumePlan;
  readonly #host: Host;

  constructor(plan: LogicalVolumePlan, host: Host) {
    this.parts = plan.record.parts;
    this.#plan = plan;
    this.#host = host;
  }

  async requirePrivileges(): Promise<void> {
    const { old, kept, fresh, mountPlan } = this.#plan;
    const { privilege } = this.#host;
    await privilege.require(["umount", mountPlan.mountPoint], "to exchange the volume");
    await privilege.require(["lvrename", old.group, old.name, kept], "to keep the old volume");
    await privilege.require(["lvrename", old.group, fresh, old.name], "to put the new volume in its place");
    const deactivate = ["lvchange", "--yes", "--activate", "n", `${old.group}/${kept}`];
    await privilege.require(deactivate, "to deactivate the old volume");
    await privilege.require(mountArgv(mountPlan), "to mount the new volume");
  }

  /** Thin: at once. Thick: a volume of the same size, filled from the snapshot. */
  async make(signal: AbortSignal): Promise<Omit<MountPlan, "mountPoint">> {
    const { record, old, fresh, runId } = this.#plan;
    const snapshot = `${record.group}/${record.volume}`;
    const named = ["--name", fresh, ...markArgv(runId)];
    await this.#host.do(activateArgv(snapshot));
    if (record.thin) {
      const thin = ["lvcreate", "--yes", "--snapshot", "--setactivationskip", "n"];
      await this.#host.do([...thin, ...named, snapshot]);
    } else {
      this.#requireSpace();
      const empty = ["lvcreate", "--yes", "--wipesignatures", "n", "--zero", "n"];
      await this.#host.do([...empty, "--size", `${record.sizeBytes}b`, ...named, old.group]);
      const copy = ["dd", `if=/dev/${snapshot}`, `of=/dev/${old.group}/${fresh}`, "bs=4M", "conv=fsync"];
      await this.#host.work([...copy, "status=none"], { timeoutMs: copyTimeoutMs, signal });
    }
    return { device: `/dev/${old.group}/${fresh}`, fsType: record.fsType, options: [] };
  }

  undo(): UndoStep {
    const { record, old, kept, fresh, mountPlan, oldOptions } = this.#plan;
    const { mountPoint } = mountPlan;
    return {
      do: "lv-back",
      group: old.group,
      kept,
      place: old.name,
      aside: fresh,
      mountPoint,
      fsType: record.fsType,
      options: [...oldOptions],
    };
  }

  async swap(): Promise<void> {
    const { old, kept, fresh, mountPlan } = this.#plan;
    await unmountPoint(mountPlan.mountPoint, this.#host);
    await this.#host.do(["lvrename", old.group, old.name, kept]);
    await this.#host.do(["lvrename", old.group, fresh, old.name]);
    await this.#host.do(["lvchange", "--yes", "--activate", "n", `${old.group}/${kept}`]);
    await this.#host.do(["lvchange", "--yes", "--setactivationskip", "y", `${old.group}/${kept}`]);
    await ensureMounted(mountPlan, this.#host);
  }

  async discard(): Promise<void> {
    const { old, fresh } = this.#plan;
    const isIt = ({ group, name }: LogicalVolume): boolean => group === old.group && name === fresh;
    const found = (await listVolumes(this.#host)).find(isIt);
    if (found !== undefined) await removeVolume(found, this.#host);
  }

  #requireSpace(): void {
    const { record, old } = this.#plan;
    if (old.groupFreeBytes >= record.sizeBytes) return;
    throw new ActionError(
      "VOLUME_GROUP_FULL",
      `The volume group ${old.group} has ${formatBytes(old.groupFreeBytes)} free; a new volume of ${formatBytes(record.sizeBytes)} is needed.`,
      {
        hint: `Add a disk with \`vgextend ${old.group} …\`. With thin volumes a restore needs no such space.`,
      },
    );
  }
}

/** The new volume loses the run's mark; what it replaced goes, unless snapshots depend on it. */
export async function commitLvmRestore(
  undo: readonly unknown[],
  { keepPrevious, runId }: CommitRequest,
  host: Host,
): Promise<readonly string[]> {
  const notes: string[] = [];
  const volumes = await listVolumes(host);
  for (const { group, place, kept } of stepsOf("lv-back", undo)) {
    const named = (name: string): LogicalVolume | undefined =>
      volumes.find((volume) => volume.group === group && volume.name === name);
    if (named(place)?.runId === runId) {
      const marks = ["--deltag", toolName, "--deltag", runTag(runId)];
      await host.do(["lvchange", "--yes", ...marks, `${group}/${place}`]);
    }
    const previous = named(kept);
    if (previous === undefined) continue;
    if (keepPrevious || previous.hasSnapshots) {
      const why = previous.hasSnapshots ? " because snapshots depend on it" : "";
      notes.push(
        `The old volume is kept as ${group}/${kept}${why}; \`lvremove ${group}/${kept}\` removes it.`,
      );
    } else {
      await removeVolume(previous, host);
    }
  }
  return notes;
}
