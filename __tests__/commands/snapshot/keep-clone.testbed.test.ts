/**
 * `keep-clone`, through the whole of snapshot and restore, on file systems that share blocks: what was kept is found, is used
 * for the very snapshot that it is of, goes when it is of no use, and makes a night bigger or refused where it lies, never wrong.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import { readManifest } from "../../../src/catalog/manifest-text.ts";
import { databases } from "../../../src/chainstate/layout.ts";
import type { SnapshotConfig } from "../../../src/config/config.ts";
import type { Manifest } from "../../../src/domain/manifest.ts";
import type { Freezer, ViewOf } from "../../../src/freeze/port.ts";
import { reflinkFreezer } from "../../../src/freeze/reflink.ts";
import { systemClock } from "../../../src/system/clock.ts";
import { privilegeFor } from "../../../src/system/privilege.ts";
import { volumeFreezers } from "../../../src/volume/registry.ts";
import {
  hasFormatter,
  isRoot,
  mountLoop,
  type LoopFileSystem,
  type LoopMount,
} from "../../freeze/loop-mount.ts";
import { openStore } from "../../store/open-store.ts";
import { FakeHost, restoreConfig, snapshotConfig, type Ended } from "../fake-host.ts";

const { clarity } = databases;
const day = 24 * 3600_000;

const grounds: readonly (readonly [LoopFileSystem, "reflink" | "btrfs"])[] = [
  ["xfs", "reflink"],
  ["btrfs", "reflink"],
  ["btrfs", "btrfs"],
];

for (const [type, freezer] of grounds) {
  describe.skipIf(!isRoot || !hasFormatter(type))(`on ${type}, frozen by ${freezer}`, () => {
    let mount: LoopMount | undefined;
    let host: FakeHost;
    let store = "";
    beforeAll(() => {
      mount = mountLoop(type, "4G");
    });
    afterAll(() => mount?.unmount());
    beforeEach(() => {
      host = new FakeHost(mount?.path);
      store = join(host.root, "store");
      const directory = store;
      host.otherStore = async () =>
        await openStore({ scheme: "file", url: `file://${directory}`, directory });
      host.freezer = (viewOf) => freezerOf(freezer, viewOf);
      mkdirSync(store);
      mkdirSync(dirname(host.chainstateDir));
      if (freezer === "btrfs")
        execFileSync("btrfs", ["subvolume", "create", host.chainstateDir], { stdio: "ignore" });
      createChainstate(host.chainstateDir, { era: "nakamoto", height: 10, blocksInWal: 0 });
      change((database) => {
        database.exec("CREATE TABLE more (key TEXT PRIMARY KEY, value TEXT); BEGIN");
        const insert = database.prepare("INSERT INTO more VALUES (?, ?)");
        for (let row = 0; row < 60_000; row += 1) insert.run(sha(`${row}`), sha(`${row}`).repeat(2));
        database.exec("COMMIT");
      });
    });
    afterEach(() => host.remove());

    const sha = (text: string): string => createHash("sha256").update(text).digest("hex");
    const live = (): string => join(host.chainstateDir, clarity);
    const change = (work: (database: DatabaseSync) => void): void => {
      const database = new DatabaseSync(live());
      work(database);
      database.close();
    };
    /** As many pages as before, some of which hold something else. */
    const rewrite = (value: string, from: number): void =>
      change((database) => {
        database
          .prepare("UPDATE more SET value = ? WHERE rowid BETWEEN ? AND ?")
          .run(sha(value).repeat(2), from, from + 30);
      });
    const run = async (given: Partial<SnapshotConfig> = {}): Promise<Ended> =>
      await host.run(snapshotConfig(host, { cut: "auto", rebaseAbove: 0.2, keepClone: true, ...given }));
    const night = async (
      given: Partial<SnapshotConfig> = {},
    ): Promise<Ended & { readonly manifest: Manifest }> => {
      const ended = await run(given);
      if (ended.error !== undefined) throw ended.error;
      const id = ended.report.record.outputs.get("snapshot-id") ?? "";
      const bytes = readFileSync(join(store, "snapshots", id, "manifest.json"));
      return { ...ended, manifest: readManifest(bytes, id, id) };
    };
    const unread = ({ report }: Ended): string | undefined =>
      report.record.facts.find(({ label }) => label === "Not read of databases")?.value;
    const kept = (): readonly string[] => host.besides().filter((name) => name.includes("-kept-"));
    const keptFile = (): string => {
      const [name = ""] = kept();
      return join(dirname(host.chainstateDir), name, clarity);
    };
    const recordFile = (): string => {
      const [name = ""] = readdirSync(host.stateDir).filter((each) => each.startsWith("kept-"));
      return join(host.stateDir, name);
    };
    /** The record, made to say that the kept clone is as it was. */
    const forge = (nights?: number): void => {
      const record = JSON.parse(readFileSync(recordFile(), "utf8")) as {
        nights: number;
        files: { path: string; size: number; inode: string; mtimeNs: string; ctimeNs: string }[];
      };
      record.nights = nights ?? record.nights;
      const found = statSync(keptFile(), { bigint: true });
      for (const file of record.files) {
        if (file.path !== clarity) continue;
        file.size = Number(found.size);
        for (const [name, value] of [
          ["inode", found.ino],
          ["mtimeNs", found.mtimeNs],
          ["ctimeNs", found.ctimeNs],
        ] as const)
          file[name] = String(value);
      }
      writeFileSync(recordFile(), JSON.stringify(record));
    };
    /** By the checks' own reading of what comes back. */
    const requireRestored = async (): Promise<void> => {
      const wanted = readFileSync(live());
      const aside = join(host.root, "aside");
      cpSync(host.chainstateDir, aside, { recursive: true });
      rmSync(host.chainstateDir, { recursive: true });
      const { error } = await host.run(restoreConfig(host, { check: "quick" }));
      expect(error).toBeUndefined();
      expect(readFileSync(live()).equals(wanted)).toBe(true);
    };

    test("pages on the blocks of last night are not read, and come back all the same", async () => {
      const first = await night();
      expect(unread(first)).toBeUndefined();
      expect(kept()).toHaveLength(1);
      const [was] = kept();
      rewrite("one", 1_000);
      const second = await night();
      expect(unread(second)).toMatch(/^\d+(\.\d+)? MiB, on the blocks of/);
      expect(second.manifest.verified).toBe("database");
      expect(second.manifest.archive?.databases?.find(({ path }) => path === clarity)?.carried).toMatchObject(
        {
          since: first.manifest.id,
        },
      );
      expect(kept()).toHaveLength(1);
      expect(kept()).not.toEqual([was]);
      change((database) => database.exec("DELETE FROM more WHERE rowid % 50 = 0; VACUUM"));
      await night();
      rewrite("two", 20_000);
      expect(unread(await night())).toBeDefined();
      await requireRestored();
      // What it was made of was replaced.
      expect(kept()).toEqual([]);
    });

    test("it goes when it is of no use", async () => {
      await night();
      expect(existsSync(keptFile())).toBe(true);
      await night({ keepClone: false });
      expect([kept(), readdirSync(host.stateDir).filter((each) => each.startsWith("kept-"))]).toEqual([
        [],
        [],
      ]);
      await night();
      // Of another snapshot.
      await night({ check: "none", rebaseAbove: 0.2 });
      const record = readFileSync(recordFile(), "utf8");
      writeFileSync(recordFile(), record.replace(/"indexSha256":"./, '"indexSha256":"x'));
      const other = await night();
      expect(unread(other)).toBeUndefined();
      expect(other.log).toMatch(/of no use any more/);
      expect(kept()).toHaveLength(1);
      // What a run left that died, and what is another chainstate's.
      const [name = ""] = kept();
      const beside = dirname(host.chainstateDir);
      mkdirSync(join(beside, `${name}-dead`));
      mkdirSync(join(beside, ".chainstate-snapshot-kept-0123456789abcdef-run"));
      expect(unread(await night())).toBeDefined();
      expect(kept().filter((each) => !each.includes("0123456789abcdef"))).toHaveLength(1);
      expect(kept()).toHaveLength(2);
      host.clock.advance(8 * day);
      const old = await night();
      expect(unread(old)).toBeUndefined();
      const frozenOtherwise = await night({ cut: "cold" });
      expect(frozenOtherwise.log).toMatch(/No clone is kept/);
      expect(kept().filter((each) => !each.includes("0123456789abcdef"))).toEqual([]);
    });

    test("a clone that was touched, or whose record is torn, is none", async () => {
      await night();
      rewrite("one", 1_000);
      execFileSync(
        "dd",
        [`of=${keptFile()}`, "bs=4096", "seek=100", "count=1", "conv=notrunc", "if=/dev/zero"],
        { stdio: "ignore" },
      );
      const touched = await night();
      expect(unread(touched)).toBeUndefined();
      expect(touched.log).toMatch(/its kept clone is not as it was/);
      writeFileSync(recordFile(), readFileSync(recordFile()).subarray(0, 100));
      rewrite("two", 20_000);
      expect(unread(await night())).toBeUndefined();
      rewrite("three", 30_000);
      const [file = ""] = readdirSync(join(host.stateDir, pagesDirectory(host)));
      const digests = join(host.stateDir, pagesDirectory(host), file);
      const lying = readFileSync(digests);
      lying.fill(0, 16 * 50, 16 * 51);
      writeFileSync(digests, lying);
      const { manifest, log } = await night();
      expect(log).toMatch(/the digests of its pages are not those of/);
      expect(manifest.verified).toBe("database");
      await requireRestored();
    });

    test("a record that lies is found out by what is read back, nothing is published, and the next night is whole", async () => {
      await night();
      rewrite("one", 1_000);
      // The clone holds tonight's bytes and not those of the snapshot that it is said to be of.
      execFileSync("cp", ["--reflink=always", live(), keptFile()]);
      forge();
      const { error, log } = await run();
      expect(error, log).toMatchObject({ code: "KEPT_CLONE_DIFFERS" });
      expect(kept()).toEqual([]);
      const { manifest } = await night();
      expect(manifest.verified).toBe("database");
      await requireRestored();
    });

    test("the sample finds out a lie where nothing is read back", async () => {
      await night();
      rewrite("one", 1_000);
      execFileSync("cp", ["--reflink=always", live(), keptFile()]);
      // The first of the batches is read in that night; the row is in one of the first pages of the table.
      const offset = changedBatch(host, live());
      forge(100 - offset);
      const { error } = await run({ check: "none" });
      expect(error).toMatchObject({ code: "KEPT_CLONE_DIFFERS" });
      expect(kept()).toEqual([]);
      await night();
      await requireRestored();
    });
  });
}

function freezerOf(name: "reflink" | "btrfs", viewOf: ViewOf): Freezer {
  if (name === "reflink") return reflinkFreezer({ viewOf });
  const options = { privilege: privilegeFor("auto"), clock: systemClock, environment: {}, viewOf };
  const freezer = volumeFreezers(options).find((each) => each.name === name);
  if (freezer === undefined) throw new Error(`nothing freezes by ${name}`);
  return freezer;
}

function pagesDirectory(host: FakeHost): string {
  const [directory = ""] = readdirSync(host.stateDir).filter((name) => name.startsWith("pages-"));
  return directory;
}

/** The number of the first batch of pages (of 4 MiB) with one, but for the first page, that is not what the digests say. */
function changedBatch(host: FakeHost, database: string): number {
  const directory = join(host.stateDir, pagesDirectory(host));
  const [file = ""] = readdirSync(directory);
  const digests = readFileSync(join(directory, file));
  const bytes = readFileSync(database);
  for (let page = 1; (page + 1) * 4096 <= bytes.length; page += 1) {
    const digest = createHash("sha256")
      .update(bytes.subarray(page * 4096, (page + 1) * 4096))
      .digest();
    if (!digest.subarray(0, 16).equals(digests.subarray(16 * page, 16 * page + 16)))
      return Math.floor(page / 1024) + 1;
  }
  throw new Error("nothing changed");
}
