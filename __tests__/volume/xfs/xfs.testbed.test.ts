import { execFile } from "node:child_process";
import { mkdir, mkdtemp, open, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { VolumeRecord } from "../../../src/domain/manifest.ts";
import { openFileStore } from "../../../src/store/file/file-store.ts";
import { uploadStream } from "../../../src/store/upload/upload-file.ts";
import { systemClock } from "../../../src/system/clock.ts";
import { privilegeFor } from "../../../src/system/privilege.ts";
import { hostOf } from "../../../src/volume/host.ts";
import type { DumpStore } from "../../../src/volume/xfs/dump.ts";
import { XfsSnapshotter } from "../../../src/volume/xfs/xfs.ts";
import { loopFileSystem } from "../testbed.ts";

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
      send: async (key, chunks, options) => (await uploadStream(store, key, chunks, options)).size,
    };
  });
  afterAll(async () => {
    await rm(root, { recursive: true, force: true });
  });

  const snapshotter = () => new XfsSnapshotter(host, { dumps });
  const requestFor = (runId: string, previous: readonly VolumeRecord[] = []) => ({
    chainstateDir,
    stateDir: root,
    runId,
    signal,
    previous,
    facts: { snapshotId: `mainnet-${runId}`, network: "mainnet", stacksHeight: 57, burnHeight: 240 },
    driverIsNamed: false,
  });
  const dumpsOf = async (runId: string): Promise<readonly string[]> =>
    (await readdir(join(storeDirectory, "snapshots"), { recursive: true })).filter((name) =>
      name.endsWith(`${runId}.xfsdump.zst`),
    );
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

  describe("a hostile dump or record", () => {
    const secret = join(root, "root-only");
    const hostile = join(root, "hostile");
    const request = (runId: string) => ({ ...requestFor(runId), chainstateDir: hostile });
    const freeze = async (): Promise<VolumeRecord> => {
      const [record] = throughManifest(await snapshotter().freeze(request("hostile")));
      if (record === undefined) throw new Error("no record");
      return record;
    };
    const restore = async (record: VolumeRecord) =>
      await snapshotter().restore([record], { ...request("r"), staging: `${hostile}-new` });

    beforeEach(async () => {
      // Directories of block files are not looked into by the freeze.
      await mkdir(join(hostile, "chainstate/blocks/0000"), { recursive: true });
      await writeFile(join(hostile, "chainstate/marf.sqlite"), "a chainstate");
      await mkdir(secret, { mode: 0o700 });
      await writeFile(join(secret, "key"), "only root reads this");
    });
    afterEach(async () => {
      await snapshotter().cleanUp("hostile", request("hostile"));
      for (const each of [secret, hostile, `${hostile}-new`])
        await rm(each, { recursive: true, force: true });
    });

    it("whose part leads through a link of the dump takes and deletes nothing", async () => {
      await symlink(root, join(hostile, "chainstate/blocks/0000/way-out"));
      const record = await freeze();
      const [part] = record["parts"] as { at: string; within: string }[];
      const within = `${part?.within}/chainstate/blocks/0000/way-out/root-only`;
      await expect(restore({ ...record, parts: [{ at: "", within }] })).rejects.toMatchObject({
        code: "VOLUME_RECORD_INVALID",
      });
      expect(await readFile(join(secret, "key"), "utf8")).toBe("only root reads this");
      expect(await readdir(root)).not.toContain("hostile-new");
    });

    it.each([
      ["a device", async () => void (await exec("mknod", [join(hostile, "disk"), "b", "7", "0"]))],
      [
        "a link out of the tree",
        async () => await symlink("/etc/shadow", join(hostile, "chainstate/blocks/0000/x.blobs")),
      ],
      [
        "a link that climbs",
        async () => await symlink("../../../../root-only/key", join(hostile, "chainstate/blocks/0000/x")),
      ],
    ])("with %s is refused, and nothing of it stays", async (_, plant) => {
      await plant();
      await expect(restore(await freeze())).rejects.toMatchObject({ code: "DUMP_UNSAFE" });
      expect((await readdir(root)).toSorted()).toEqual([
        "elsewhere",
        "hostile",
        "mainnet",
        "root-only",
        "store",
      ]);
    });

    it("loses set-uid bits, file capabilities and pipes", async () => {
      const program = join(hostile, "program");
      await writeFile(program, "#!/bin/sh\n");
      await exec("chmod", ["6755", program]);
      await exec("setcap", ["cap_setuid+ep", program]);
      await exec("mkfifo", [join(hostile, "pipe")]);
      const prepared = await restore(await freeze());
      expect((await stat(`${hostile}-new/program`)).mode & 0o7777).toBe(0o755);
      expect((await exec("getcap", [`${hostile}-new/program`])).stdout).toBe("");
      expect((await readdir(`${hostile}-new`)).toSorted()).toEqual(["chainstate", "program"]);
      await prepared.discard();
      expect(await readdir(root)).not.toContain("hostile-new");
    });

    it("is not taken for a directory on another file system unless the input names the driver", async () => {
      const record = await freeze();
      const elsewhere = await mkdtemp(join(tmpdir(), "no-xfs-"));
      const unnamed = {
        ...request("r"),
        chainstateDir: join(elsewhere, "mainnet"),
        staging: join(elsewhere, "new"),
      };
      await expect(
        snapshotter().restore([record], { ...unnamed, driverIsNamed: false }),
      ).rejects.toMatchObject({
        code: "VOLUME_MISMATCH",
      });
      expect(await readdir(elsewhere)).toEqual([]);
      const prepared = await snapshotter().restore([record], { ...unnamed, driverIsNamed: true });
      await prepared.discard();
      await rm(elsewhere, { recursive: true });
    });
  });

  it("a cancelled dump leaves no object behind", async () => {
    const cancelled = new AbortController();
    const dying = snapshotter().freeze({
      ...requestFor("dying"),
      signal: AbortSignal.any([cancelled.signal]),
    });
    cancelled.abort();
    await expect(dying).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await dumpsOf("dying")).toEqual([]);
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
    await expect(new XfsSnapshotter(failing, { dumps }).freeze(requestFor("failing"))).rejects.toMatchObject({
      code: "DUMP_FAILED",
    });
    expect(await dumpsOf("failing")).toEqual([]);
  });

  it("a chainstate that is not all on the file system is refused, and a dead run's objects go", async () => {
    await symlink("/etc/hostname", join(chainstateDir, "marf.sqlite.blobs"));
    expect(await snapshotter().probe(requestFor("spread"))).toMatchObject({ usable: false });
    await expect(snapshotter().freeze(requestFor("spread"))).rejects.toMatchObject({ code: "VOLUME_SPREAD" });
    await rm(join(chainstateDir, "marf.sqlite.blobs"));
    expect(await snapshotter().probe(requestFor("whole"))).toMatchObject({ usable: true });

    for (const runId of ["one", "two", "three", "base", "next", "damaged"])
      await snapshotter().cleanUp(runId, { chainstateDir, stateDir: root, signal });
    expect(await dumpsOf("")).toEqual([]);
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
