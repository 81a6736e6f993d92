import { execFile } from "node:child_process";
import { mkdir, open, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { VolumeRecord } from "../../src/catalog/manifest.ts";
import { openFileStore } from "../../src/store/file-store.ts";
import { uploadStream } from "../../src/store/upload-file.ts";
import { systemClock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { hostOf } from "../../src/volume/host.ts";
import { xfsSnapshotter, type DumpStore } from "../../src/volume/xfs.ts";
import { loopFileSystem } from "./testbed.ts";

const place = await loopFileSystem("xfs");
const host = hostOf(privilegeFor("auto"), systemClock);
const signal = new AbortController().signal;
const exec = promisify(execFile);

describe.skipIf(place === undefined)("XFS dumps, for real", () => {
  const root = join(place ?? "", `test-${process.pid}`);
  const chainstateDir = join(root, "mainnet");
  const storeDirectory = join(root, "store");
  const file = join(chainstateDir, "chainstate/marf.sqlite");
  let dumps: DumpStore;

  beforeAll(async () => {
    await mkdir(join(chainstateDir, "chainstate"), { recursive: true });
    await mkdir(storeDirectory);
    await mkdir(join(root, "elsewhere"));
    await writeFile(join(root, "elsewhere/secret"), "not part of the chainstate");
    const store = openFileStore(storeDirectory);
    dumps = {
      store,
      send: async (key, chunks, options) => (await uploadStream(store, key, chunks, options)).info.size,
    };
  });
  afterAll(async () => {
    await rm(root, { recursive: true, force: true });
  });

  const snapshotter = () => xfsSnapshotter(host, { dumps });
  const requestFor = (runId: string, previous: readonly VolumeRecord[] = []) => ({
    chainstateDir,
    stateDir: root,
    runId,
    signal,
    previous,
    facts: { snapshotId: `mainnet-${runId}`, network: "mainnet", stacksHeight: 57, burnHeight: 240 },
  });
  const staging = join(root, ".chainstate-snapshot-mainnet-r-new");
  // The dump's format has times to the second, and xfsrestore does not set those of symlinks.
  const listing = async (directory: string): Promise<string> => {
    const show = `find . ! -type d -printf '%p %y %m %U %s %n %l\\n' | sort; find . -type f -printf '%p %Ts\\n' | sort; find . -type f | sort | xargs sha256sum`;
    return (await exec("sh", ["-c", `cd "${directory}" && ${show}`])).stdout;
  };

  it("a level 0 and two incremental levels restore to the same tree", async () => {
    await writeFile(file, Buffer.alloc(40 << 20, "frames of sixteen mebibytes "));
    await writeFile(join(chainstateDir, "goes"), "goes");
    await symlink("goes", join(chainstateDir, "link"));
    await systemClock.sleep(1100);
    const first = await snapshotter().freeze(requestFor("one"));
    await systemClock.sleep(1100);

    await rm(join(chainstateDir, "goes"));
    const handle = await open(file, "r+");
    await handle.write(Buffer.from("changed"), 0, 7, 20 << 20);
    await handle.close();
    // xfsdump counts in seconds: what changed in the second of a dump is in the next one too.
    await systemClock.sleep(1100);
    const second = await snapshotter().freeze(requestFor("two", throughManifest(first)));
    await systemClock.sleep(1100);
    await writeFile(join(chainstateDir, "small"), "small");
    const third = await snapshotter().freeze(requestFor("three", throughManifest(second)));

    const [record] = third;
    expect(record?.["chain"]).toMatchObject([{ level: 0 }, { level: 1 }, { level: 2 }]);
    expect(record?.["requires"]).toEqual(["mainnet-one", "mainnet-two"]);
    // The third level holds one small file, not the big one.
    expect(chainOf(record)[2]?.dumpBytes).toBeLessThan(1 << 20);
    const expected = await listing(chainstateDir);

    await writeFile(join(chainstateDir, "later"), "later");
    const prepared = await snapshotter().restore(throughManifest(third), { ...requestFor("r"), staging });
    expect(prepared).toMatchObject({ kind: "directory", directory: staging });
    expect(await listing(staging)).toBe(expected);
    await prepared.discard();
    expect((await readdir(root)).toSorted()).toEqual(["elsewhere", "mainnet", "store"]);

    // By hand: the object is a plain zstd stream of a plain dump.
    const key = join(storeDirectory, first[0]?.snapshot ?? "");
    const { stdout } = await exec("sh", ["-c", `zstd -qdc "${key}" | sha256sum`]);
    expect(stdout.slice(0, 64)).toBe(chainOf(record)[0]?.sha256);
  });

  it("without the base in this host's inventory a dump is of level 0 again", async () => {
    const base = await snapshotter().freeze(requestFor("base"));
    const [record] = throughManifest(base);
    const chain = chainOf(record).map((dump) => ({
      ...dump,
      sessionId: "00000000-0000-0000-0000-000000000000",
    }));
    const next = await snapshotter().freeze(requestFor("next", [{ ...record, chain } as VolumeRecord]));
    expect(next[0]?.["chain"]).toHaveLength(1);
  });

  it.each([
    ["a flipped byte", async (path: string) => await flip(path, 5000)],
    ["a lost end", async (path: string) => await exec("truncate", ["-s", "-48", path])],
    [
      "another dump in its place",
      async (path: string) =>
        await exec("cp", [join(path, "../../mainnet-base/chainstate-snapshot-base.xfsdump.zst"), path]),
    ],
  ])("%s is seen, and nothing is left of the restore", async (_, damage) => {
    await snapshotter().freeze(requestFor("base"));
    await systemClock.sleep(1100);
    const records = await snapshotter().freeze(requestFor("damaged"));
    await damage(join(storeDirectory, records[0]?.snapshot ?? ""));
    await expect(snapshotter().restore(records, { ...requestFor("r"), staging })).rejects.toMatchObject({
      code: "DUMP_CORRUPT",
    });
    expect((await readdir(root)).toSorted()).toEqual(["elsewhere", "mainnet", "store"]);
    expect(await readFile(file)).toHaveLength(40 << 20);
  });

  it("a cancelled dump leaves no object behind", async () => {
    const cancelled = new AbortController();
    const dying = snapshotter().freeze({
      ...requestFor("dying"),
      signal: AbortSignal.any([cancelled.signal]),
    });
    cancelled.abort();
    await expect(dying).rejects.toMatchObject({ code: "CANCELLED" });
    expect((await snapshotter().list({ chainstateDir, signal })).map((each) => each.runId)).not.toContain(
      "dying",
    );
  });

  it("an xfsdump that fails becomes no snapshot", async () => {
    const failing = {
      ...host,
      privilege: {
        ...host.privilege,
        elevate: (argv: readonly string[]) =>
          argv[0] === "xfsdump" && argv[1] === "-l" ? ["sh", "-c", "head -c 100000 /dev/zero; exit 1"] : argv,
      },
    };
    await expect(xfsSnapshotter(failing, { dumps }).freeze(requestFor("failing"))).rejects.toMatchObject({
      code: "DUMP_FAILED",
    });
    expect((await snapshotter().list({ chainstateDir, signal })).map((each) => each.runId)).not.toContain(
      "failing",
    );
  });

  it("a chainstate that is not all on the file system is refused, and a dead run's objects go", async () => {
    await symlink("/etc/hostname", join(chainstateDir, "marf.sqlite.blobs"));
    expect(await snapshotter().probe(requestFor("spread"))).toMatchObject({ usable: false });
    await expect(snapshotter().freeze(requestFor("spread"))).rejects.toMatchObject({ code: "VOLUME_SPREAD" });
    await rm(join(chainstateDir, "marf.sqlite.blobs"));
    expect(await snapshotter().probe(requestFor("whole"))).toMatchObject({ usable: true });

    for (const runId of ["one", "two", "three", "base", "next", "damaged"])
      await snapshotter().cleanUp(runId, { chainstateDir, stateDir: root, signal });
    expect(await snapshotter().list({ chainstateDir, signal })).toEqual([]);
  });
});

function chainOf(
  record: VolumeRecord | undefined,
): readonly { readonly dumpBytes: number; readonly sha256: string }[] {
  return record?.["chain"] as { dumpBytes: number; sha256: string }[];
}

function throughManifest(records: readonly VolumeRecord[]): readonly VolumeRecord[] {
  return JSON.parse(JSON.stringify(records)) as VolumeRecord[];
}

async function flip(path: string, at: number): Promise<void> {
  const handle = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  await handle.write(Buffer.from([(byte[0] ?? 0) ^ 0x40]), 0, 1, at);
  await handle.close();
}
