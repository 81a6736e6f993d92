/** What the testbed has up; `undefined` where it is not, and the tests that need it are skipped by name. */
import { readMounts } from "../../src/system/mounts.ts";

const directory = process.env["TESTBED_DIR"] ?? "/var/tmp/testbed";

/** The mount point of a file system that `testbed/loopfs.sh up` made. */
export async function loopFileSystem(type: "btrfs" | "xfs"): Promise<string | undefined> {
  const place = `${directory}/loopfs/${type}`;
  const isRoot = process.geteuid?.() === 0;
  return isRoot && (await readMounts()).some((mount) => mount.mountPoint === place) ? place : undefined;
}
