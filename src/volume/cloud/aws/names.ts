/** Ids, tags, device names and types of EBS volumes. */
import type { Tag } from "@aws-sdk/client-ec2";
import { ActionError } from "../../../domain/errors.ts";
import type { Disk } from "../../mounts/block-devices.ts";
import { toolName } from "../../names.ts";
import type { DiskDetails, Run } from "../disks.ts";

export const runTag = `${toolName}:run`;

/** NVMe disks of EBS say their volume's id, without the dash, as their serial number. */
export function volumeIdOf(disk: Disk): string {
  const match = /^vol-?([0-9a-f]{8,17})$/.exec(disk.serial ?? "");
  if (match !== null) return `vol-${match[1]}`;
  throw new ActionError("DISK_UNKNOWN", `${disk.path} does not say which EBS volume it is.`, {
    hint: "It may be an instance store, which cannot be snapshotted, or an instance type older than Nitro, which is not supported.",
  });
}

export function describing(run: Run) {
  const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
  return {
    Description: `Stacks Node Snapshot - ${day}`,
    TagSpecifications: [{ ResourceType: "snapshot" as const, Tags: tagsOf(run) }],
  };
}

export function tagsOf({ runId, facts }: Run): Tag[] {
  const tags: Record<string, string> = { Name: "Stacks Snapshot", type: "chainstate", [runTag]: runId };
  if (facts !== undefined) {
    tags[`${toolName}:id`] = facts.snapshotId;
    tags[`${toolName}:network`] = facts.network;
    tags[`${toolName}:stacks-height`] = String(facts.stacksHeight);
    if (facts.burnHeight !== null) tags[`${toolName}:burn-height`] = String(facts.burnHeight);
  }
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

export function runIn(tags: readonly Tag[] | undefined): string | undefined {
  return tags?.find((tag) => tag.Key === runTag)?.Value;
}

export function performanceOf(details: DiskDetails) {
  const type = details["volumeType"];
  const isOneOf = (...types: readonly string[]): boolean => typeof type === "string" && types.includes(type);
  return {
    ...(typeof type === "string" ? { VolumeType: type as "gp3" } : {}),
    // The other types derive these from their size and refuse to be told.
    ...(isOneOf("gp3", "io1", "io2") && typeof details["iops"] === "number" ? { Iops: details["iops"] } : {}),
    ...(isOneOf("gp3") && typeof details["throughput"] === "number"
      ? { Throughput: details["throughput"] }
      : {}),
  };
}

/** Names for data volumes are /dev/sdf to /dev/sdp; what the kernel calls the disk is another matter. */
export function freeDeviceName(taken: ReadonlySet<string | undefined>): string {
  for (const letter of "fghijklmnop") {
    if (!taken.has(`/dev/sd${letter}`) && !taken.has(`/dev/xvd${letter}`)) return `/dev/sd${letter}`;
  }
  throw new ActionError("CLOUD_REFUSED", "Every device name for data volumes of this instance is taken.", {
    hint: "Detach a volume that is not needed.",
  });
}
