/**
 * Which driver snapshots a chainstate's volume: the one asked for, or the first that can, in the order of how little it
 * costs. `auto` never takes a driver that reads the whole file system while the node is down.
 */
import type { VolumeDriver } from "../domain/options.ts";
import { ActionError } from "../domain/errors.ts";
import type { Freezer, FreezeRequest, FrozenView, ViewOf } from "../freeze/port.ts";
import type { Clock } from "../system/clock.ts";
import type { Privilege } from "../system/privilege.ts";
import { AwsEbsDisks } from "./cloud/aws/ebs.ts";
import { AzureDisks } from "./cloud/azure/disk.ts";
import { BtrfsSnapshotter } from "./btrfs/btrfs.ts";
import { CloudSnapshotter } from "./cloud/snapshotter.ts";
import { GcpDisks } from "./cloud/gcp/disk.ts";
import { hostOf, type Host } from "./host.ts";
import { LvmSnapshotter } from "./lvm/lvm.ts";
import type { SnapshotRequest, VolumeProbe, VolumeRecord, VolumeSnapshotter } from "./port.ts";
import { openFrozenView, volumeFreezer, type ViewSnapshotter } from "./volume-freezer.ts";
import type { DumpStore } from "./xfs/dump.ts";
import { XfsSnapshotter } from "./xfs/xfs.ts";
import { ZfsSnapshotter } from "./zfs/zfs.ts";

export interface VolumeDeps {
  readonly privilege: Privilege;
  readonly clock: Clock;
  /** For `xfs`, whose dumps go to the store. */
  readonly dumps?: DumpStore;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly compressionLevel?: number;
}

/** The drivers whose snapshots are directories on this host, so that an archive can be made from them. */
export function volumeFreezers(
  deps: VolumeDeps & { readonly viewOf: ViewOf },
  volumes: readonly string[] = [],
): readonly Freezer[] {
  const host = hostOf(deps.privilege, deps.clock);
  return viewSnapshotters(host, volumes).map((snapshotter) => volumeFreezer(snapshotter, deps));
}

function viewSnapshotters(host: Host, volumes: readonly string[]): readonly ViewSnapshotter[] {
  return [
    new ZfsSnapshotter(host, volumes),
    new BtrfsSnapshotter(host, volumes),
    new LvmSnapshotter(host, volumes),
  ];
}

/** Its snapshots are where the volume is, and can be looked into at once. */
export function isLocalDriver(driver: string): driver is ViewSnapshotter["driver"] {
  return driver === "zfs" || driver === "btrfs" || driver === "lvm";
}

function isLocal(snapshotter: VolumeSnapshotter): snapshotter is ViewSnapshotter {
  return isLocalDriver(snapshotter.driver);
}

/** Opens snapshots of such a driver as a view, which leaves them where they are; undefined for every other driver. */
export function volumeViewer(
  snapshotter: VolumeSnapshotter,
  options: { readonly viewOf: ViewOf; readonly clock: Clock },
): ((records: readonly VolumeRecord[], request: FreezeRequest) => Promise<FrozenView>) | undefined {
  if (!isLocal(snapshotter)) return undefined;
  return async (records, request) => await openFrozenView(snapshotter, records, request, options);
}

/** The driver of that name, for records of a manifest. */
export function volumeSnapshotter(
  driver: string,
  volumes: readonly string[],
  deps: VolumeDeps,
): VolumeSnapshotter {
  const host = hostOf(deps.privilege, deps.clock);
  switch (driver) {
    case "zfs":
      return new ZfsSnapshotter(host, volumes);
    case "btrfs":
      return new BtrfsSnapshotter(host, volumes);
    case "lvm":
      return new LvmSnapshotter(host, volumes);
    case "xfs":
      return new XfsSnapshotter(host, deps, volumes);
    case "aws-ebs":
      return new CloudSnapshotter(host, new AwsEbsDisks(deps.environment, host.clock), volumes);
    case "azure-disk":
      return new CloudSnapshotter(host, new AzureDisks(deps, host.devices, host.clock), volumes);
    case "gcp-disk":
      return new CloudSnapshotter(host, new GcpDisks(deps, host.devices, host.clock), volumes);
    default:
      throw new ActionError("VOLUME_DRIVER_UNKNOWN", `There is no volume driver "${driver}".`, {
        hint: "The manifest may have been written by a newer version of this action.",
      });
  }
}

export interface ChosenSnapshotter {
  readonly snapshotter: VolumeSnapshotter;
  readonly probe: VolumeProbe;
  readonly reason: string;
}

const autoOrder = [
  "zfs",
  "btrfs",
  "lvm",
  "aws-ebs",
  "azure-disk",
  "gcp-disk",
] as const satisfies readonly VolumeDriver[];

/** Asked before the node is stopped. VOLUME_UNSUPPORTED where the driver asked for, or every one, cannot. */
export async function chooseVolumeSnapshotter(
  driver: VolumeDriver | "auto",
  volumes: readonly string[],
  request: SnapshotRequest,
  deps: VolumeDeps,
): Promise<ChosenSnapshotter> {
  if (driver !== "auto") {
    const snapshotter = volumeSnapshotter(driver, volumes, deps);
    const probe = await snapshotter.probe(request);
    if (probe.usable) return { snapshotter, probe, reason: `asked for; ${probe.reason}` };
    throw unsupported(`\`${driver}\` cannot snapshot this chainstate: ${probe.reason}`, probe.hint);
  }
  const refused: string[] = [];
  for (const name of autoOrder) {
    const snapshotter = volumeSnapshotter(name, volumes, deps);
    const probe = await snapshotter.probe(request);
    if (probe.usable && probe.risk === undefined)
      return { snapshotter, probe, reason: [probe.reason, ...refused].join("; ") };
    refused.push(`not ${name}: ${probe.risk ?? probe.reason}`);
  }
  throw unsupported(`No volume driver can snapshot this chainstate: ${refused.join("; ")}`, undefined);
}

function unsupported(message: string, hint: string | undefined): ActionError {
  return new ActionError("VOLUME_UNSUPPORTED", message.replace(/\.?$/, "."), {
    hint:
      hint ??
      "Name the driver with `volume-driver` (and the volume with `volume`) to see what it lacks, or use `method: archive`.",
  });
}
