/** What is read from EC2's descriptions of volumes, and the errors that name them. */
import type { Snapshot, Volume } from "@aws-sdk/client-ec2";
import { ActionError, hasCode } from "../../../domain/errors.ts";
import type { DeviceLookup, DiskDetails } from "../disks.ts";
import type { Instance } from "./instance.ts";

/** Amazon takes five pending snapshots of one volume. */
export const mostPending = 5;

export function detailsOf(volume: Volume, here: Instance): DiskDetails {
  return {
    region: here.region,
    zone: volume.AvailabilityZone ?? here.zone,
    sizeGiB: volume.Size ?? null,
    volumeType: volume.VolumeType ?? null,
    iops: volume.Iops ?? null,
    throughput: volume.Throughput ?? null,
    encrypted: volume.Encrypted ?? null,
  };
}

/** The instance that has it. */
export function attachmentOf(volume: Volume | undefined): string | undefined {
  return volume?.Attachments?.find(({ State }) => State !== "detached")?.InstanceId;
}

export function lookupOf(volumeId: string): DeviceLookup {
  return { by: "serial", serial: volumeId.replace("-", "") };
}

export function whenGone(error: unknown): undefined {
  if (hasCode(error, "SNAPSHOT_VOID")) return undefined;
  throw error;
}

export function tooManyPending(volume: string, pending: readonly Snapshot[]): ActionError {
  return new ActionError(
    "SNAPSHOTS_PENDING",
    `${pending.length} snapshots of ${volume} are pending already, and Amazon takes ${mostPending} at most.`,
    {
      hint: `Wait for ${pending.map((snapshot) => snapshot.SnapshotId).join(", ")}, or delete those that are not needed.`,
    },
  );
}

export function elsewhere(snapshotId: string, details: DiskDetails, here: Instance): ActionError {
  return new ActionError(
    "SNAPSHOT_ELSEWHERE",
    `${snapshotId} is in ${String(details["region"])}, this instance in ${here.region}.`,
    {
      hint: `Copy it first: \`aws ec2 copy-snapshot --source-region ${String(details["region"])} --source-snapshot-id ${snapshotId} --region ${here.region}\`.`,
    },
  );
}
