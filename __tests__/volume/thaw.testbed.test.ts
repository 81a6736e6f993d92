import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { hostOf, type Host } from "../../src/volume/host.ts";
import { freezeFileSystem, thawFileSystem } from "../../src/volume/mounts/mounting.ts";
import { hasFormatter, isRoot, mountLoop, type LoopMount } from "../freeze/loop-mount.ts";

const host = hostOf(privilegeFor("auto"), systemClock);
/** One on which `fsfreeze` cannot be run. */
const without: Host = {
  ...host,
  ask: async (argv, timeoutMs) => await host.ask(argv[0] === "fsfreeze" ? ["false"] : argv, timeoutMs),
};

describe.skipIf(!isRoot || !hasFormatter("ext4"))("a file system that is really frozen", () => {
  let mount: LoopMount;
  beforeAll(() => {
    mount = mountLoop("ext4", "32M");
  });
  afterAll(() => {
    mount.unmount();
  });

  it("that cannot be thawed is said to be frozen still, however long a write to it hangs", async () => {
    await freezeFileSystem(mount.path, host);
    try {
      await expect(thawFileSystem(mount.path, without)).rejects.toMatchObject({
        code: "THAW_FAILED",
        hint: expect.stringContaining(`fsfreeze --unfreeze ${mount.path}`) as string,
      });
    } finally {
      execFileSync("fsfreeze", ["--unfreeze", mount.path]);
    }
  });

  it("is thawed, and again without an error", async () => {
    await freezeFileSystem(mount.path, host);
    await thawFileSystem(mount.path, host);
    await thawFileSystem(mount.path, host);
    writeFileSync(join(mount.path, "written"), "yes");
    expect(readFileSync(join(mount.path, "written"), "utf8")).toBe("yes");
  });
});
