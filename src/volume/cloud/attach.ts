/**
 * A new disk of a snapshot, attached to this machine and found by what it says it is. Device names are not looked at:
 * they change from boot to boot and from attachment to attachment.
 */
import * as v from "valibot";
import { ActionError } from "../../domain/errors.ts";
import { poll } from "../../system/poll.ts";
import { diskDetailsSchema, type CloudDisks, type DeviceLookup } from "./disks.ts";
import type { Host } from "../host.ts";
import { commonFields } from "../records.ts";

export const cloudSchema = v.looseObject({
  ...commonFields,
  /** True where the file system was on the disk itself, with no LVM, RAID or encryption between. */
  direct: v.boolean(),
  /** The partition the file system is in; null for the whole disk. */
  partition: v.nullable(v.number()),
  details: diskDetailsSchema,
});
export type CloudRecord = v.InferOutput<typeof cloudSchema>;

/** Makes a disk of the record's snapshot, attaches it, and returns the device node of its file system. */
export async function attachNew(
  record: CloudRecord,
  run: { readonly runId: string; readonly index: number },
  host: Host,
  cloud: CloudDisks,
  signal: AbortSignal,
  made: (diskId: string) => void,
): Promise<string> {
  if (!record.direct) {
    throw new ActionError(
      "RESTORE_NO_PLACE",
      `The file system of ${record.source} was not on the disk itself but on LVM, RAID or encryption above it.`,
      {
        hint: "Make volumes from the snapshots by hand and assemble them on another machine, or restore an archive.",
      },
    );
  }
  const disk = await cloud.createDisk(record.snapshot, record.details, run, signal);
  made(disk);
  return await waitForDevice(await cloud.attach(disk, signal), record.partition, host, signal);
}

const deviceWaitMs = 120_000;

async function waitForDevice(
  lookup: DeviceLookup,
  partition: number | null,
  host: Host,
  signal: AbortSignal,
): Promise<string> {
  const found = await poll(
    { everyMs: 500, limitMs: deviceWaitMs, signal, clock: host.clock },
    async () => await findDevice(lookup, partition, host),
  );
  if (found !== undefined) return found;
  const place = partition === null ? "" : `, partition ${partition}`;
  throw new ActionError(
    "DEVICE_NOT_FOUND",
    `The attached disk did not appear ${describeLookup(lookup)}${place}.`,
    {
      hint: "See `lsblk -o NAME,SERIAL`. The names of disks change, so a disk that does not say which it is is not used.",
    },
  );
}

async function findDevice(
  lookup: DeviceLookup,
  partition: number | null,
  { devices }: Host,
): Promise<string | undefined> {
  return lookup.by === "serial"
    ? await devices.findBySerial(lookup.serial, partition)
    : await devices.findByLink(lookup.links, partition);
}

function describeLookup(lookup: DeviceLookup): string {
  return lookup.by === "serial"
    ? `with the serial number ${lookup.serial}`
    : `at ${lookup.links.join(" or ")}`;
}

/**
 * Whether something of this disk is mounted here. What cannot be looked at is unknown, which is an error and not "no":
 * DEVICE_NOT_FOUND, and whatever the cloud says.
 */
export async function isMounted(
  diskId: string,
  cloud: CloudDisks,
  host: Host,
  signal: AbortSignal,
): Promise<boolean> {
  const lookup = await cloud.attachment(diskId, signal);
  if (lookup === undefined) return false;
  const device = await findDevice(lookup, null, host);
  if (device === undefined) {
    throw new ActionError(
      "DEVICE_NOT_FOUND",
      `${diskId} is attached, but there is no disk ${describeLookup(lookup)}, so it cannot be told whether it is mounted.`,
      { hint: "See `lsblk -o NAME,SERIAL`. If nothing uses it, detach and delete it by hand." },
    );
  }
  for (const mount of await host.readMounts()) {
    if (!mount.source.startsWith("/dev/")) continue;
    if ((await host.devices.disksBelow(mount.source)).some(({ path }) => path === device)) return true;
  }
  return false;
}
