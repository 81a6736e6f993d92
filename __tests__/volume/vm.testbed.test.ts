import { spawn } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";

const project = join(import.meta.dirname, "../..");
const directory = process.env["TESTBED_DIR"] ?? "/var/tmp/testbed";

/** True where `testbed/vm.sh build` has been, and somebody has the time: TESTBED_VM=1. */
async function isWanted(): Promise<boolean> {
  if (process.env["TESTBED_VM"] !== "1") return false;
  try {
    const release = (await readFile(join(directory, "vm/version"), "utf8")).trim();
    await access(join(directory, `vm/zfs-${release}`));
    return process.geteuid?.() === 0;
  } catch {
    return false;
  }
}

// Emulated in software: minutes on an idle machine, more on a busy one.
const limitSeconds = 1200;

describe.skipIf(!(await isWanted()))("LVM and ZFS, for real, in a virtual machine (TESTBED_VM=1)", () => {
  it(
    "LVM, thick and thin, and ZFS pass their cases",
    async () => {
      const lines: string[] = [];
      const child = spawn(
        join(project, "testbed/vm.sh"),
        ["run", join(project, "testbed/vm-volumes.sh"), "all"],
        {
          env: { ...process.env, VM_LIMIT: String(limitSeconds) },
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      for await (const line of createInterface({ input: child.stdout })) {
        lines.push(line);
        if (/^(not )?ok |^# /.test(line)) console.log(line);
      }
      const passed = (what: string): number => lines.filter((line) => line.startsWith(`ok ${what}: `)).length;
      expect(
        lines.filter((line) => line.startsWith("not ok")),
        lines.join("\n"),
      ).toEqual([]);
      expect(lines.join("\n")).toContain("all of lvm passed");
      expect(lines.join("\n")).toContain("all of zfs passed");
      for (const what of ["lvm-thick", "lvm-thin", "zfs"]) expect(passed(what)).toBeGreaterThanOrEqual(11);
    },
    (limitSeconds + 120) * 1000,
  );
});
