import { realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { isNetworkFileSystem, mountAt, mountOf, parseMounts, readMounts } from "../../src/system/mounts.ts";

const table = parseMounts(
  Buffer.from(
    [
      "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard",
      "30 22 0:40 / /var rw - tmpfs tmpfs rw",
      "31 22 0:41 /@data /var/stacks rw,noatime master:2 shared:9 - btrfs /dev/sdb1 rw,subvol=/@data",
      "32 31 0:42 / /var/stacks\\040two rw - nfs4 host:/ex\\134port rw,vers=4.2",
      "33 31 254:3 / /var/stacks rw - xfs /dev/mapper/vg-lv rw",
      "garbage",
    ].join("\n"),
  ),
);

test("fields before and after the dash are found however many tags stand between", () => {
  expect(table).toHaveLength(5);
  expect(table[2]).toEqual({
    id: 31,
    parentId: 22,
    device: "0:41",
    root: "/@data",
    mountPoint: "/var/stacks",
    options: ["rw", "noatime", "subvol=/@data"],
    fsType: "btrfs",
    source: "/dev/sdb1",
  });
  expect(table[3]?.mountPoint).toBe("/var/stacks two");
  expect(table[3]?.source).toBe("host:/ex\\port");
});

test("a path is on the deepest mount, the last of those at one place, and never on one that merely shares a prefix", () => {
  expect(mountAt("/var/stacks/mainnet", table)?.fsType).toBe("xfs");
  expect(mountAt("/var/stacks", table)?.id).toBe(33);
  expect(mountAt("/var/stacksother", table)?.fsType).toBe("tmpfs");
  expect(mountAt("/var/stacks two/x", table)?.fsType).toBe("nfs4");
  expect(mountAt("/home", table)?.id).toBe(22);
});

test("the live table names the file system of a real path", async () => {
  const mount = await mountOf(tmpdir());
  // In a plain chroot there is no mount point above.
  if ((await readMounts()).every((each) => each.mountPoint !== "/")) return;
  const real = await realpath(tmpdir());
  expect(mount.mountPoint === "/" || real.startsWith(mount.mountPoint)).toBe(true);
});

test("what other machines may write is told from what they may not", () => {
  expect(["nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.sshfs"].every(isNetworkFileSystem)).toBe(true);
  expect(["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse.bindfs"].some(isNetworkFileSystem)).toBe(
    false,
  );
});
