import { mkdir, mkdtemp, readdir, rename, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { openDirectoryView } from "../../src/archive/write/directory-view.ts";
import type { ViewEntry } from "../../src/archive/view.ts";
import { databaseOfBlobs, selectEntries } from "../../src/chainstate/layout.ts";
import type { ViewOf } from "../../src/freeze/port.ts";
import { systemClock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { hostOf } from "../../src/volume/host.ts";
import { volumeFreezers } from "../../src/volume/registry.ts";
import { describeFreezer } from "../conformance/freezer.ts";
import { loopFileSystem } from "./testbed.ts";

const place = await loopFileSystem("btrfs");
const privilege = privilegeFor("auto");
const host = hostOf(privilege, systemClock);
const viewOf: ViewOf = async (directory, selection) =>
  await openDirectoryView({ directory, selection, followLink: databaseOfBlobs });
const freezers = volumeFreezers({ privilege, clock: systemClock, environment: {}, viewOf });
const btrfs = () => freezers.find((freezer) => freezer.name === "btrfs")!;
const signal = new AbortController().signal;
const bases: string[] = [];

async function freshPlace(): Promise<string> {
  const base = await mkdtemp(join(place ?? "", "freezer-"));
  bases.push(base);
  await host.do(["btrfs", "subvolume", "create", join(base, "mainnet")]);
  return base;
}

describe.skipIf(place === undefined)("btrfs snapshots as a freezer", () => {
  const remove = async (base: string): Promise<void> => {
    for (const name of await readdir(join(base, ".chainstate-snapshot-volumes")).catch(() => [])) {
      await host.ask(["btrfs", "subvolume", "delete", join(base, ".chainstate-snapshot-volumes", name)]);
    }
    for (const name of await readdir(base))
      await host.ask(["btrfs", "subvolume", "delete", join(base, name)]);
    await rm(base, { recursive: true, force: true });
  };
  afterEach(async () => {
    for (const base of bases.splice(0)) await remove(base);
  });
  afterAll(async () => {
    for (const base of bases) await remove(base);
  });

  if (place !== undefined)
    describeFreezer({ name: "btrfs", freezer: btrfs, place: freshPlace, nodeRunsOn: true });

  const requestFor = (base: string, runId: string) => ({
    chainstateDir: join(base, "mainnet"),
    selection: selectEntries("backup", []),
    runId,
    stateDir: base,
    signal,
  });

  it("reads a .blobs on another subvolume, and a subvolume inside, from their snapshots, in the archive's order", async () => {
    const base = await freshPlace();
    const dir = join(base, "mainnet");
    await host.do(["btrfs", "subvolume", "create", join(base, "blobs")]);
    await writeFile(join(base, "blobs/b"), "blobs then");
    await mkdir(join(dir, "vm"));
    await writeFile(join(dir, "vm/a"), "a then");
    await writeFile(join(dir, "vm/marf.sqlite"), "rows");
    await writeFile(join(dir, "vm/marf.sqlite-shm"), "shared memory");
    await symlink(join(base, "blobs/b"), join(dir, "vm/marf.sqlite.blobs"));
    const frozen = await btrfs().freeze(requestFor(base, "parts"), true);
    await truncate(join(base, "blobs/b"), 0);
    await rename(join(dir, "vm"), join(dir, "moved"));
    const entries: ViewEntry[] = [];
    for await (const entry of frozen.view.entries(signal)) entries.push(entry);
    expect(entries.map(({ path, type, size }) => [path, type, size])).toEqual([
      ["vm", "directory", 0],
      ["vm/a", "file", 6],
      ["vm/marf.sqlite", "file", 4],
      ["vm/marf.sqlite.blobs", "file", 10],
    ]);
    await frozen.release();
    await frozen.release();
    expect((await readdir(base)).toSorted()).toEqual(["blobs", "mainnet"]);
  });

  it("a snapshot that is removed breaks the view", async () => {
    const base = await freshPlace();
    const frozen = await btrfs().freeze(requestFor(base, "gone"), true);
    await host.do(["btrfs", "subvolume", "delete", frozen.directory ?? ""]);
    await expect(frozen.assertFrozen()).rejects.toMatchObject({ code: "SNAPSHOT_VOID" });
    await expect(frozen.broken).rejects.toMatchObject({ code: "SNAPSHOT_VOID" });
    await frozen.release();
  });

  it("the freeze takes a moment, whatever the size", async () => {
    const base = await freshPlace();
    const took: number[] = [];
    for (const mebibytes of [1, 256]) {
      await writeFile(join(base, "mainnet/data"), Buffer.alloc(mebibytes << 20, "x"));
      await host.do(["sync", "-f", base]);
      const start = performance.now();
      const frozen = await btrfs().freeze(requestFor(base, `timed-${mebibytes}`), true);
      took.push(performance.now() - start);
      await frozen.release();
    }
    console.log(`# btrfs freeze: ${took.map((ms) => ms.toFixed(0)).join(" and ")} ms at 1 and 256 MiB`);
    expect(Math.max(...took)).toBeLessThan(2_000);
    expect((await stat(base)).isDirectory()).toBe(true);
  });
});
