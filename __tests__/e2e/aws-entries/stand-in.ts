/** The action, on a machine whose disks are what an `AwsWorld` says they are: loop devices have no serial numbers. */
import { sysfsDevices, type BlockDevices, type Disk } from "../../../src/volume/mounts/block-devices.ts";

const ask = async (question: string, name: string): Promise<unknown> => {
  const query = new URLSearchParams({ name }).toString();
  return await (await fetch(`${process.env["STAND_IN_DEVICES"]}/${question}?${query}`)).json();
};

const standIns: Pick<BlockDevices, "disksBelow" | "findBySerial"> = {
  disksBelow: async (path) => (await ask("disks-below", path)) as readonly Disk[],
  findBySerial: async (serial) => ((await ask("find-by-serial", serial)) as string | null) ?? undefined,
};
Object.assign(sysfsDevices, standIns);
