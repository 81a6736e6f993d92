import { mkdir, readFile, readdir, rm, rmdir, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/system/clock.ts";
import { readMounts } from "../../../src/system/mounts.ts";
import { privilegeFor } from "../../../src/system/privilege.ts";
import { BtrfsSnapshotter } from "../../../src/volume/btrfs/btrfs.ts";
import { hostOf } from "../../../src/volume/host.ts";
import { volumeCases } from "../../conformance/volume.ts";
import { loopFileSystem } from "../testbed.ts";

const place = await loopFileSystem("btrfs");
const host = hostOf(privilegeFor("auto"), systemClock);
const signal = new AbortController().signal;

describe.skipIf(place === undefined)("btrfs, for real", () => {
  const root = join(place ?? "", `test-${process.pid}`);
  const chainstateDir = join(root, "mainnet");
  const request = (runId: string, directory = chainstateDir) => ({
    chainstateDir: directory,
    stateDir: tmpdir(),
    runId,
    signal,
    driverIsNamed: false,
  });

  beforeAll(async () => {
    await mkdir(root);
    await host.do(["btrfs", "subvolume", "create", chainstateDir]);
  });
  afterAll(async () => {
    await deleteSubvolumes(root);
    await rm(root, { recursive: true, force: true });
  });

  const cases = volumeCases({
    host,
    make: (host) => new BtrfsSnapshotter(host),
    chainstateDir,
    stateDir: tmpdir(),
    removeTree: async (directory) => void (await host.ask(["btrfs", "subvolume", "delete", directory])),
    external: (record) => ({ ...record, snapshot: chainstateDir }),
    async leavings() {
      const names = await readdir(root, { recursive: false });
      const kept = await readdir(join(root, ".chainstate-snapshot-volumes")).catch(() => []);
      const mounts = (await readMounts())
        .map((mount) => mount.mountPoint)
        .filter((point) => point.startsWith(root));
      return [
        ...names.filter((name) => name !== ".chainstate-snapshot-volumes"),
        ...kept,
        ...mounts,
      ].toSorted();
    },
  });
  it.each(cases)("$title", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });

  it("names a plain directory as such and says what to do; taken when its subvolume is named", async () => {
    const plain = join(root, "plain");
    await mkdir(plain);
    await writeFile(join(plain, "f"), "moment");
    const probe = await new BtrfsSnapshotter(host).probe(request("plain", plain));
    expect(probe).toMatchObject({ usable: false });
    expect(probe.reason).toContain("plain directory");
    expect(probe.hint).toContain(`btrfs subvolume create ${plain}.subvolume`);

    const named = new BtrfsSnapshotter(host, [place ?? ""]);
    const records = await named.freeze(request("plain", plain));
    await writeFile(join(plain, "f"), "later");
    const staging = join(root, ".chainstate-snapshot-plain-new");
    const prepared = await named.restore(records, { ...request("plain", plain), staging });
    expect(await readFile(join(staging, "f"), "utf8")).toBe("moment");
    await prepared.discard();
    for (const record of records) await named.delete(record);
    expect(await readdir(root)).not.toContain(".chainstate-snapshot-plain-new");
  });

  it("takes a .blobs that is a symlink into another subvolume at the same moment, and restores its bytes", async () => {
    const other = join(root, "other");
    await host.do(["btrfs", "subvolume", "create", other]);
    await writeFile(join(other, "marf.sqlite.blobs"), "blobs then");
    await symlink(join(other, "marf.sqlite.blobs"), join(chainstateDir, "marf.sqlite.blobs"));
    const snapshotter = new BtrfsSnapshotter(host);
    const records = await snapshotter.freeze(request("two"));
    expect(records).toHaveLength(2);
    await writeFile(join(other, "marf.sqlite.blobs"), "blobs now, longer");
    const open = await snapshotter.open(records);
    const [, blobs] = open.parts;
    expect(blobs?.at).toBe("marf.sqlite.blobs");
    expect(await readFile(blobs?.path ?? "", "utf8")).toBe("blobs then");
    const staging = join(root, ".chainstate-snapshot-mainnet~two-new", "tree");
    await mkdir(dirname(staging));
    const prepared = await snapshotter.restore(records, { ...request("two"), staging });
    expect(await readFile(join(staging, "marf.sqlite.blobs"), "utf8")).toBe("blobs then");
    await prepared.discard();
    await snapshotter.cleanUp("two", request("two"));
    expect(await readdir(join(root, ".chainstate-snapshot-volumes")).catch(() => [])).toEqual([]);
    await rm(join(chainstateDir, "marf.sqlite.blobs"));
  });

  describe("a hostile record", () => {
    const secret = join(root, "root-only");
    const staging = join(root, ".chainstate-snapshot-mainnet~hostile-new", "tree");
    beforeEach(async () => {
      await mkdir(dirname(staging));
      await mkdir(join(secret, "inner"), { recursive: true });
      await writeFile(join(secret, "inner/key"), "only root reads this");
      // Directories of hashes are not looked into by the freeze.
      await mkdir(join(chainstateDir, "chainstate/blocks/0000"), { recursive: true });
      await symlink(secret, join(chainstateDir, "chainstate/blocks/0000/way-out"));
    });
    afterEach(async () => {
      await rm(join(chainstateDir, "chainstate/blocks/0000"), { recursive: true });
      await rm(secret, { recursive: true, force: true });
      await rmdir(dirname(staging));
      await new BtrfsSnapshotter(host).cleanUp("hostile", request("hostile"));
    });

    it.each([
      ["leads out of the snapshot", [{ at: "", within: "chainstate/blocks/0000/way-out/inner" }]],
      ["is a link out of the snapshot", [{ at: "", within: "chainstate/blocks/0000/way-out" }]],
      [
        "is to stand where a link of the snapshot leads",
        [
          { at: "", within: "" },
          { at: "chainstate/blocks/0000/way-out/inner", within: "chainstate" },
        ],
      ],
      [
        "leads out of the snapshot beside the main one",
        [
          { at: "", within: "" },
          { at: "x", within: "chainstate/blocks/0000/way-out/inner" },
        ],
      ],
    ])("whose part %s is refused, and nothing is read or removed there", async (_, parts) => {
      const snapshotter = new BtrfsSnapshotter(host);
      const [record] = await snapshotter.freeze(request("hostile"));
      if (record === undefined) throw new Error("no record");
      const hostile = [{ ...record, parts }];
      await expect(snapshotter.restore(hostile, { ...request("hostile"), staging })).rejects.toMatchObject({
        code: "VOLUME_RECORD_INVALID",
      });
      expect(await readFile(join(secret, "inner/key"), "utf8")).toBe("only root reads this");
      expect(await readdir(dirname(staging))).toEqual([]);
    });

    it("cannot be opened through a link either, nor name a snapshot of another place", async () => {
      const snapshotter = new BtrfsSnapshotter(host);
      const [record] = await snapshotter.freeze(request("hostile"));
      if (record === undefined) throw new Error("no record");
      const through = { ...record, parts: [{ at: "", within: "chainstate/blocks/0000/way-out/inner" }] };
      await expect(snapshotter.open([through])).rejects.toMatchObject({
        code: "VOLUME_RECORD_INVALID",
      });
      await symlink(root, join(root, "linked"));
      const linked = { ...record, snapshot: record.snapshot.replace(root, join(root, "linked")) };
      for (const use of [
        async () => await snapshotter.open([linked]),
        async () => await snapshotter.restore([linked], { ...request("hostile"), staging }),
        async () => await snapshotter.delete(linked),
      ])
        await expect(use()).rejects.toMatchObject({ code: "NOT_OURS" });
      await rm(join(root, "linked"));
    });
  });
});

async function deleteSubvolumes(root: string): Promise<void> {
  const folder = join(root, ".chainstate-snapshot-volumes");
  for (const name of await readdir(folder).catch(() => []))
    await host.ask(["btrfs", "subvolume", "delete", join(folder, name)]);
  for (const name of await readdir(root)) await host.ask(["btrfs", "subvolume", "delete", join(root, name)]);
}
