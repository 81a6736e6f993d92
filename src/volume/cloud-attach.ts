/**
 * A new disk of a snapshot, attached to this machine and found by what it says it is. Device names are not looked at:
 * they change from boot to boot and from attachment to attachment.
 */
import * as v from "valibot";
import { ActionError } from "../errors.ts";
import { diskDetailsSchema, type CloudDisks, type DeviceLookup } from "./cloud-disks.ts";
import type { Host } from "./host.ts";
import { commonFields } from "./records.ts";

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
  const deadline = host.clock.now() + deviceWaitMs;
  for (;;) {
    const device =
      lookup.by === "serial"
        ? await host.devices.findBySerial(lookup.serial, partition)
        : await host.devices.findByLink(lookup.links, partition);
    if (device !== undefined) return device;
    if (host.clock.now() > deadline) {
      const what =
        lookup.by === "serial"
          ? `with the serial number ${lookup.serial}`
          : `at ${lookup.links.join(" or ")}`;
      throw new ActionError(
        "DEVICE_NOT_FOUND",
        `The attached disk did not appear ${what}${partition === null ? "" : `, partition ${partition}`}.`,
        {
          hint: "See `lsblk -o NAME,SERIAL`. The names of disks change, so a disk that does not say which it is is not used.",
        },
      );
    }
    await host.clock.sleep(500, signal);
  }
}
