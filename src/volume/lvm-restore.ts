/**
 * Restores logical volumes: a new one is made of each snapshot and looked at beside the running node; then it takes the
 * old one's name and mount point. The old one keeps its bytes under another name, not activated at boot, so that
 * an /etc/fstab that goes by UUID finds one volume with it and not two.
 */
import { ActionError } from "../errors.ts";
import { type LogicalVolume, listVolumes, removeVolume, runTag } from "./lvm-report.ts";
import type { Host } from "./host.ts";
import type { LvmRecord } from "./lvm.ts";
import { ensureMounted, fstabEntry, readFstab, reusableOptions, unmountPoint } from "./mounting.ts";
import { nameFor, toolName } from "./names.ts";
import { blobsElsewhere, mainOf, partsAt } from "./parts.ts";
import type { CommitRequest, OpenPart, PreparedRestore, RestoreRequest, UndoStep } from "./port.ts";
import { findReplacements } from "./replacement.ts";
import { mountScratch, unmountScratch } from "./scratch-mounts.ts";
import { stepsOf } from "./undo.ts";
import { formatBytes } from "../system/space.ts";

interface Exchange {
  readonly record: LvmRecord;
  /** The live volume. */
  readonly old: LogicalVolume;
  /** Its name and the new one's in the group. */
  readonly kept: string;
  readonly fresh: string;
  readonly mountPoint: string;
  readonly fsType: string;
  readonly options: readonly string[];
}

const copyTimeoutMs = 24 * 3600_000;

export async function prepareLvmRestore(
  records: readonly LvmRecord[],
  request: RestoreRequest,
  host: Host,
): Promise<Extract<PreparedRestore, { kind: "volume" }>> {
  const exchanges = await planExchanges(records, request, host);
  await requirePrivileges(exchanges, host);
  const scratch: string[] = [];
  const letGo = async (): Promise<void> => {
    for (const mountPoint of scratch.toReversed()) await unmountScratch(mountPoint, host);
  };
  const discard = async (): Promise<void> => {
    await letGo();
    const there = await listVolumes(host);
    for (const { old, fresh } of exchanges) {
      const found = there.find((volume) => volume.group === old.group && volume.name === fresh);
      if (found !== undefined) await removeVolume(found, host);
    }
  };
  try {
    const parts: OpenPart[] = [];
    for (const [index, exchange] of exchanges.entries()) {
      await makeVolume(exchange, request, host);
      const device = `/dev/${exchange.old.group}/${exchange.fresh}`;
      const mountPoint = await mountScratch(
        request,
        `new${index}`,
        { device, fsType: exchange.record.fsType, options: [] },
        host,
      );
      scratch.push(mountPoint);
      parts.push(...partsAt(mountPoint, exchange.record.parts));
    }
    return {
      kind: "volume",
      directory: mainOf(parts),
      elsewhere: blobsElsewhere(parts),
      undo: exchanges.map(undoOf),
      async swap() {
        await letGo();
        for (const exchange of exchanges) await swapVolume(exchange, host);
      },
      discard,
    };
  } catch (error) {
    await discard();
    throw error;
  }
}

async function planExchanges(
  records: readonly LvmRecord[],
  request: RestoreRequest,
  host: Host,
): Promise<readonly Exchange[]> {
  const [volumes, fstab] = [await listVolumes(host), await readFstab()];
  const replacements = await findReplacements(records, request.chainstateDir, host);
  return replacements.map(({ record, mount }, index) => {
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
    return {
      record,
      old,
      kept: `${nameFor(request.runId)}.old${index}`,
      fresh: `${nameFor(request.runId)}.new${index}`,
      mountPoint: mount.mountPoint,
      fsType: record.fsType,
      options: fstabEntry(fstab, mount.mountPoint)?.options ?? reusableOptions(mount),
    };
  });
}

async function requirePrivileges(exchanges: readonly Exchange[], host: Host): Promise<void> {
  for (const { old, kept, fresh, mountPoint, fsType } of exchanges) {
    await host.privilege.require(["umount", mountPoint], "to exchange the volume");
    await host.privilege.require(["lvrename", old.group, old.name, kept], "to keep the old volume");
    await host.privilege.require(
      ["lvrename", old.group, fresh, old.name],
      "to put the new volume in its place",
    );
    await host.privilege.require(
      ["lvchange", "--yes", "--activate", "n", `${old.group}/${kept}`],
      "to put the old volume to rest",
    );
    await host.privilege.require(
      ["mount", "-t", fsType, `/dev/${old.group}/${old.name}`, mountPoint],
      "to mount the new volume",
    );
  }
}

/** Thin: at once. Thick: a volume of the same size, filled from the snapshot. */
async function makeVolume(
  { record, old, fresh }: Exchange,
  request: RestoreRequest,
  host: Host,
): Promise<void> {
  const tags = ["--addtag", toolName, "--addtag", runTag(request.runId)];
  const snapshot = `${record.group}/${record.volume}`;
  await host.do(["lvchange", "--yes", "--ignoreactivationskip", "--activate", "y", snapshot]);
  if (record.thin) {
    await host.do([
      "lvcreate",
      "--yes",
      "--snapshot",
      "--setactivationskip",
      "n",
      "--name",
      fresh,
      ...tags,
      snapshot,
    ]);
    return;
  }
  if (old.groupFreeBytes < record.sizeBytes) {
    throw new ActionError(
      "VOLUME_GROUP_FULL",
      `The volume group ${old.group} has ${formatBytes(old.groupFreeBytes)} free; a new volume of ${formatBytes(record.sizeBytes)} is needed.`,
      {
        hint: `Add a disk with \`vgextend ${old.group} …\`. With thin volumes a restore needs no such room.`,
      },
    );
  }
  await host.do([
    "lvcreate",
    "--yes",
    "--wipesignatures",
    "n",
    "--zero",
    "n",
    "--size",
    `${record.sizeBytes}b`,
    "--name",
    fresh,
    ...tags,
    old.group,
  ]);
  await host.work(
    ["dd", `if=/dev/${snapshot}`, `of=/dev/${old.group}/${fresh}`, "bs=4M", "conv=fsync", "status=none"],
    {
      timeoutMs: copyTimeoutMs,
      signal: request.signal,
    },
  );
}

function undoOf({ old, kept, fresh, mountPoint, fsType, options }: Exchange): UndoStep {
  return {
    do: "lv-back",
    group: old.group,
    kept,
    place: old.name,
    aside: fresh,
    mountPoint,
    fsType,
    options: [...options],
  };
}

async function swapVolume(
  { old, kept, fresh, mountPoint, fsType, options }: Exchange,
  host: Host,
): Promise<void> {
  await unmountPoint(mountPoint, host);
  await host.do(["lvrename", old.group, old.name, kept]);
  await host.do(["lvrename", old.group, fresh, old.name]);
  await host.do(["lvchange", "--yes", "--activate", "n", `${old.group}/${kept}`]);
  await host.do(["lvchange", "--yes", "--setactivationskip", "y", `${old.group}/${kept}`]);
  await ensureMounted({ device: `/dev/${old.group}/${old.name}`, mountPoint, fsType, options }, host);
}

/** The new volume loses the run's mark; what it replaced goes, unless somebody's snapshots depend on it. */
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
