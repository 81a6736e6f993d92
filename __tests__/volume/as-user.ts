/**
 * The program that `sudoers.testbed.test.ts` runs as a user who is not root: `as-user.ts btrfs|xfs DIRECTORY`. Everything privileged
 * goes through the real `sudo -n`. Without a test runner, whose worker processes would be root's.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openFileStore } from "../../src/store/file/file-store.ts";
import { uploadStream } from "../../src/store/upload/upload-file.ts";
import { systemClock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { BtrfsSnapshotter } from "../../src/volume/btrfs/btrfs.ts";
import { hostOf } from "../../src/volume/host.ts";
import { XfsSnapshotter } from "../../src/volume/xfs/xfs.ts";
import { volumeCases } from "../conformance/volume.ts";

const [, , driver, root = ""] = process.argv;
assert.notEqual(process.geteuid?.(), 0);
const host = hostOf(privilegeFor("auto"), systemClock);
const chainstateDir = join(root, "mainnet");

async function btrfs(): Promise<void> {
  const folder = ".chainstate-snapshot-volumes";
  const cases = volumeCases({
    host,
    make: (host) => new BtrfsSnapshotter(host),
    chainstateDir,
    stateDir: root,
    removeTree: async (directory) => void (await host.ask(["btrfs", "subvolume", "delete", directory])),
    external: (record) => ({ ...record, snapshot: chainstateDir }),
    leavings: async () => [
      ...(await readdir(root)).filter((name) => name !== folder),
      ...(await readdir(join(root, folder)).catch(() => [])),
    ],
  });
  for (const { title, run } of cases) {
    await run();
    console.log(`ok ${title}`);
  }
}

async function xfs(): Promise<void> {
  const signal = new AbortController().signal;
  await mkdir(join(root, "store"));
  const store = openFileStore(join(root, "store"));
  const snapshotter = new XfsSnapshotter(host, {
    dumps: {
      store,
      send: async (key, chunks, options) => (await uploadStream(store, key, chunks, options)).size,
    },
  });
  const facts = { snapshotId: "mainnet-1", network: "mainnet", stacksHeight: 1, burnHeight: null };
  const request = { chainstateDir, stateDir: root, runId: "user", signal, facts, driverIsNamed: false };
  await writeFile(join(chainstateDir, "file"), "then");
  const probe = await snapshotter.probe(request);
  assert.equal(probe.usable, true, probe.reason);
  const records = await snapshotter.freeze(request);
  await writeFile(join(chainstateDir, "file"), "now");
  const staging = join(root, ".chainstate-snapshot-mainnet-user-new");
  const prepared = await snapshotter.restore(records, { ...request, staging });
  assert.equal(await readFile(join(prepared.directory, "file"), "utf8"), "then");
  await prepared.discard();
  for (const record of records) await snapshotter.delete(record, signal);
  assert.deepEqual((await readdir(root)).toSorted(), ["mainnet", "store"]);
  console.log("ok dumped and restored");
}

await (driver === "btrfs" ? btrfs() : xfs());
