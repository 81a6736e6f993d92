import { mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/system/clock.ts";
import { readMounts } from "../../src/system/mounts.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { btrfsSnapshotter } from "../../src/volume/btrfs.ts";
import { hostOf } from "../../src/volume/host.ts";
import { volumeCases } from "../conformance/volume.ts";
import { loopFileSystem } from "./testbed.ts";

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
    make: (host) => btrfsSnapshotter(host),
    chainstateDir,
    stateDir: tmpdir(),
    removeTree: async (directory) => void (await host.ask(["btrfs", "subvolume", "delete", directory])),
    foreign: (record) => ({ ...record, snapshot: chainstateDir }),
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
    const probe = await btrfsSnapshotter(host).probe(request("plain", plain));
    expect(probe).toMatchObject({ usable: false });
    expect(probe.reason).toContain("plain directory");
    expect(probe.hint).toContain(`btrfs subvolume create ${plain}.subvolume`);

    const named = btrfsSnapshotter(host, [place ?? ""]);
    const records = await named.freeze(request("plain", plain));
    await writeFile(join(plain, "f"), "later");
    const staging = join(root, ".chainstate-snapshot-plain-new");
    const prepared = await named.restore(records, { ...request("plain", plain), staging });
    expect(await readFile(join(staging, "f"), "utf8")).toBe("moment");
    await prepared.discard();
    for (const record of records) await named.delete(record, signal);
    expect(await readdir(root)).not.toContain(".chainstate-snapshot-plain-new");
  });

  it("takes a .blobs that is a symlink into another subvolume at the same moment, and restores its bytes", async () => {
    const other = join(root, "other");
    await host.do(["btrfs", "subvolume", "create", other]);
    await writeFile(join(other, "marf.sqlite.blobs"), "blobs then");
    await symlink(join(other, "marf.sqlite.blobs"), join(chainstateDir, "marf.sqlite.blobs"));
    const snapshotter = btrfsSnapshotter(host);
    const records = await snapshotter.freeze(request("two"));
    expect(records).toHaveLength(2);
    await writeFile(join(other, "marf.sqlite.blobs"), "blobs now, longer");
    const open = await snapshotter.open(records, request("two"));
    const [, blobs] = open.parts;
    expect(blobs?.at).toBe("marf.sqlite.blobs");
    expect(await readFile(blobs?.path ?? "", "utf8")).toBe("blobs then");
    const staging = join(root, ".chainstate-snapshot-two-new");
    const prepared = await snapshotter.restore(records, { ...request("two"), staging });
    expect(await readFile(join(staging, "marf.sqlite.blobs"), "utf8")).toBe("blobs then");
    await prepared.discard();
    await snapshotter.cleanUp("two", request("two"));
    expect(await snapshotter.list(request("two"))).toEqual([]);
    await rm(join(chainstateDir, "marf.sqlite.blobs"));
  });
});

async function deleteSubvolumes(root: string): Promise<void> {
  const folder = join(root, ".chainstate-snapshot-volumes");
  for (const name of await readdir(folder).catch(() => []))
    await host.ask(["btrfs", "subvolume", "delete", join(folder, name)]);
  for (const name of await readdir(root)) await host.ask(["btrfs", "subvolume", "delete", join(root, name)]);
}
