import { spawn } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";

const project = join(import.meta.dirname, "../..");
const directory = process.env["TESTBED_DIR"] ?? "/var/tmp/testbed";

/** True where `testbed/vm.sh build` has been, and there is time: TESTBED_VM=1, or =all for half an hour more. */
const wanted = process.env["TESTBED_VM"];
async function isWanted(): Promise<boolean> {
  if (wanted !== "1" && wanted !== "all") return false;
  try {
    const release = (await readFile(join(directory, "vm/version"), "utf8")).trim();
    await access(join(directory, `vm/zfs-${release}`));
    return process.geteuid?.() === 0;
  } catch {
    return false;
  }
}

// Emulated in software: minutes on an idle machine, more on a busy one.
const limitSeconds = 2700;

/** Every line that the machine has printed, those of cases as they come. */
async function runInVm(what: string): Promise<readonly string[]> {
  const lines: string[] = [];
  const script = join(project, "testbed/vm-volumes.sh");
  const child = spawn(join(project, "testbed/vm.sh"), ["run", script, what], {
    env: { ...process.env, VM_LIMIT: String(limitSeconds) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (/^(not )?ok |^# /.test(line)) console.log(line);
  }
  return lines;
}

function expectPassed(lines: readonly string[], atLeast: Readonly<Record<string, number>>): void {
  const failures = lines.filter((line) => line.startsWith("not ok"));
  expect(failures, lines.join("\n")).toEqual([]);
  for (const [what, count] of Object.entries(atLeast)) {
    const passed = lines.filter((line) => line.startsWith(`ok ${what}: `));
    expect(passed.length, what).toBeGreaterThanOrEqual(count);
  }
}

const options = { timeout: (limitSeconds + 120) * 1000 };

describe.skipIf(!(await isWanted()))("LVM and ZFS, for real, in a virtual machine (TESTBED_VM=1)", () => {
  it("LVM, thick and thin, and ZFS pass their cases", options, async () => {
    const lines = await runInVm(wanted === "all" ? "every" : "all");
    expectPassed(lines, { "lvm-thick": 14, "lvm-thin": 11, zfs: 15 });
    expect(lines.join("\n")).toContain("all of lvm passed");
    expect(lines.join("\n")).toContain("all of zfs passed");
  });

  it.skipIf(wanted !== "all")(
    "the action takes, archives from, restores and survives being killed on both",
    options,
    async () => {
      const lines = await runInVm("dist");
      expectPassed(lines, { "lvm through dist": 15, "zfs through dist": 14 });
      expect(lines.join("\n")).toContain("all of lvm through dist passed");
      expect(lines.join("\n")).toContain("all of zfs through dist passed");
    },
  );
});
