/** Space is looked at while it is used: what was free before says nothing of hours later. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SpaceWatch } from "../../src/archive/space-watch.ts";

describe.runIf(process.geteuid?.() === 0)("a small file system", () => {
  let root = "";
  let disk = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "space-watch-"));
    disk = join(root, "disk");
    mkdirSync(disk);
  });
  afterEach(() => {
    execFileSync("umount", [disk]);
    rmSync(root, { recursive: true });
  });
  const mount = (options: string): void =>
    void execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", disk]);

  test("that somebody else fills meanwhile is full for the archive too", async () => {
    mount("size=20m,nr_inodes=10000");
    const watch = new SpaceWatch(disk);
    for (let at = 0; at < 4000; at += 1) await watch.claim("a", 0);
    for (let at = 0; at < 9900; at += 1) writeFileSync(join(disk, String(at)), "");
    const claims = async (): Promise<void> => {
      for (let at = 0; at < 200; at += 1) await watch.claim("a", 0);
    };
    await expect(claims()).rejects.toMatchObject({ code: "SPACE_MISSING" });
  });

  test("keeps a hundredth of its bytes and of its inodes for others", async () => {
    mount("size=100m,nr_inodes=10000");
    const MiB = 1024 * 1024;
    await new SpaceWatch(disk).claim("a", 98 * MiB);
    await expect(new SpaceWatch(disk).claim("a", 99.5 * MiB)).rejects.toMatchObject({
      code: "SPACE_MISSING",
    });
    await new SpaceWatch(disk).requireInodes(9800);
    await expect(new SpaceWatch(disk).requireInodes(9950)).rejects.toMatchObject({ code: "SPACE_MISSING" });
  });

  test("is looked at again once what was seen to be free is used", async () => {
    mount("size=100m");
    const watch = new SpaceWatch(disk);
    await watch.claim("a", 50 * 1024 * 1024);
    await watch.claim("b", 45 * 1024 * 1024);
    writeFileSync(join(disk, "a"), Buffer.alloc(50 * 1024 * 1024));
    writeFileSync(join(disk, "b"), Buffer.alloc(45 * 1024 * 1024));
    await expect(watch.claim("c", 10 * 1024 * 1024)).rejects.toMatchObject({ code: "SPACE_MISSING" });
  });
});
