import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canBeOthers } from "../other-user.ts";
import {
  assertConsistent,
  ChainstateInconsistentError,
  inspectChainstate,
} from "../../src/chainstate/inspect.ts";
import type { Inspection, InspectOptions } from "../../src/chainstate/inspect.ts";
import { hasCode } from "../../src/domain/errors.ts";
import { ChainWriter, createChainstate, type Tip } from "../../simulator/chainstate.ts";
import type { SimulatedSigner } from "../../simulator/signers.ts";
import * as damage from "../../simulator/damage.ts";
import { databasePaths } from "../../simulator/schema.ts";
import { digestTree, hasFixture, Scratch } from "./scratch.ts";

const isRoot = process.getuid?.() === 0;
const scratch = new Scratch();
const base = scratch.path();
let tip: Tip;

beforeAll(() => {
  const set = (): readonly SimulatedSigner[] => [{ name: "signer", weight: 1 }];
  const signers = { cycleLength: 10, prepareLength: 3, set };
  tip = createChainstate(base, { era: "nakamoto", height: 57, blocksInWal: 29, signers });
});

afterAll(() => scratch.remove());

function inspect(
  dir: string,
  depth: InspectOptions["depth"] = "tips",
  more: Partial<InspectOptions> = {},
): Promise<Inspection> {
  return inspectChainstate({ dir, depth, signal: new AbortController().signal, ...more });
}

const hashKeyed = [
  ["clarity", "data_table"],
  ["clarity", "metadata_table"],
  ["index", "__fork_storage"],
  ["sortition", "__fork_storage"],
  ["nakamoto", "nakamoto_staging_blocks"],
] as const;

function largestRowid(dir: string, path: string, table: string): number | null {
  // In a copy: whoever closes a database folds its WAL.
  const database = new DatabaseSync(join(scratch.copy(dir), path));
  const row = database.prepare(`SELECT rowid AS id FROM ${table} ORDER BY rowid DESC LIMIT 1`).get();
  database.close();
  return row === undefined ? null : Number(row["id"]);
}

/** Ids of the checks that failed. */
function failed(inspection: Inspection): string[] {
  return inspection.checks.filter((check) => check.result === "failed").map((check) => check.id);
}

async function failures(dir: string, depth: InspectOptions["depth"] = "tips"): Promise<string[]> {
  return failed(await inspect(dir, depth));
}

function result(inspection: Inspection, id: string): string | undefined {
  return inspection.checks.find((check) => check.id === id)?.result;
}

describe("a sound chainstate", () => {
  it("is accepted at every depth, and its tip is the one of its databases", async () => {
    const inspection = await inspect(base, "full");
    expect(inspection.checks.map((check) => `${check.id} ${check.result}`)).toEqual(
      ["files", "A", "B", "C", "D", "E", "F", "G", "H", "integrity", "proof", "signers"].map(
        (id) => `${id} passed`,
      ),
    );
    expect(inspection.facts).toEqual({
      network: "mainnet",
      mainnet: false,
      chainId: 2147483648,
      stacksHeight: 57,
      stacksTip: tip.indexBlockHash,
      consensusHash: tip.consensusHash,
      burnHeight: tip.burnHeight,
      epochEra: "nakamoto",
      schemas: { index: 14, sortition: 11, burnchain: 3, nakamoto: 5, marf: 3, headers: 3 },
      pruned: false,
      largestRowids: Object.fromEntries(
        hashKeyed.map(([key, table]) => [`${key}.${table}`, largestRowid(base, databasePaths[key], table)]),
      ),
    });
    expect(inspection.facts.largestRowids?.["nakamoto.nakamoto_staging_blocks"]).toBeGreaterThan(0);
    expect(inspection.databases).toHaveLength(14);
    expect(() => assertConsistent(inspection)).not.toThrow();
  });

  it("is accepted before Nakamoto", async () => {
    const dir = scratch.path("xenon");
    createChainstate(dir, { era: "epoch2", height: 12 });
    const inspection = await inspect(dir, "full");
    expect(inspection.checks.filter((check) => check.result !== "passed").map((check) => check.id)).toEqual([
      "D",
      "signers",
    ]);
    expect(result(inspection, "D")).toBe("not-made");
    expect(inspection.facts).toMatchObject({ network: "xenon", stacksHeight: 12, epochEra: "epoch2" });
  });

  it("is accepted in the oldest schema, where checks without their tables are not made", async () => {
    const dir = scratch.path();
    createChainstate(dir, {
      era: "epoch2",
      height: 12,
      generation: "epoch2",
      network: { mainnet: true, chainId: 1 },
    });
    const inspection = await inspect(dir, "full");
    expect(() => assertConsistent(inspection)).not.toThrow();
    expect(inspection.checks.filter((check) => check.result === "not-made").map((check) => check.id)).toEqual(
      ["D", "F", "signers"],
    );
    expect(inspection.facts).toMatchObject({
      mainnet: true,
      chainId: 1,
      schemas: { index: 2, sortition: 4, burnchain: 2, nakamoto: null, marf: 1, headers: 3 },
    });
  });

  it("is accepted in the schema before `stacks_chain_tips_by_burn_view`", async () => {
    const dir = scratch.path();
    createChainstate(dir, { era: "nakamoto", height: 40, generation: "previous" });
    const inspection = await inspect(dir);
    expect(inspection.checks.every((check) => check.result === "passed")).toBe(true);
  });

  it("is accepted where the state stands at one of two tips of the same height", async () => {
    const dir = scratch.copy(base);
    const chain = ChainWriter.open(dir);
    const parent = chain.tip.indexBlockHash;
    chain.appendBlock();
    chain.appendBlock({ parent, salt: "fork" });
    chain.close(true);
    expect(await failures(dir)).toEqual([]);
  });

  it("is accepted with WALs that hold nothing, without `-shm`, and with longer blobs", async () => {
    const dir = scratch.copy(base);
    for (const path of Object.values(databasePaths)) rmSync(join(dir, `${path}-shm`), { force: true });
    writeFileSync(join(dir, `${databasePaths.clarity}.blobs`), Buffer.alloc(500), { flag: "a" });
    expect(await failures(dir)).toEqual([]);
  });

  it("is accepted beside a lost+found full of debris", async () => {
    const dir = scratch.copy(base);
    mkdirSync(join(dir, "lost+found"), { mode: 0o700 });
    writeFileSync(join(dir, "lost+found", "x.sqlite"), "no database");
    expect(await failures(dir)).toEqual([]);
  });

  it("has blobs on another disk, behind a symlink", async () => {
    const dir = scratch.copy(base);
    const elsewhere = join(scratch.root, "other-disk.blobs");
    renameSync(join(dir, `${databasePaths.clarity}.blobs`), elsewhere);
    symlinkSync(elsewhere, join(dir, `${databasePaths.clarity}.blobs`));
    expect(await failures(dir)).toEqual([]);
  });

  it("is a snapshot whose link leads to the blobs of a running node: those that were snapshotted are read", async () => {
    const dir = scratch.copy(base);
    const blobs = `${databasePaths.clarity}.blobs`;
    const snapshotted = join(scratch.root, "snapshotted.blobs");
    renameSync(join(dir, blobs), snapshotted);
    writeFileSync(join(scratch.root, "live.blobs"), "another chain's");
    symlinkSync(join(scratch.root, "live.blobs"), join(dir, blobs));
    expect(await failures(dir)).toEqual(["F"]);
    const elsewhere = new Map([[blobs, snapshotted]]);
    expect(failed(await inspect(dir, "full", { elsewhere }))).toEqual([]);
  });

  it("tells the largest rowid, which a row that replaces an equal one raises, and none where a table has none", async () => {
    const dir = scratch.copy(base);
    const clarity = new DatabaseSync(join(dir, databasePaths.clarity));
    for (let times = 0; times < 3; times += 1)
      clarity.exec("REPLACE INTO data_table VALUES ('one more', 'the same')");
    clarity.exec("DROP TABLE metadata_table");
    clarity.close();
    const index = new DatabaseSync(join(dir, databasePaths.index));
    index.exec("DROP TABLE __fork_storage");
    index.exec("CREATE TABLE __fork_storage (value_hash TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID");
    index.exec("INSERT INTO __fork_storage VALUES ('a', 'b')");
    index.close();
    const before = largestRowid(base, databasePaths.clarity, "data_table") ?? 0;
    expect((await inspect(dir, "none")).facts.largestRowids).toMatchObject({
      "clarity.data_table": before + 3,
      "clarity.metadata_table": null,
      "index.__fork_storage": null,
    });
  });

  it("is known as pruned by its table or its manifest", async () => {
    const byTable = scratch.copy(base);
    const database = new DatabaseSync(join(byTable, databasePaths.clarity));
    database.exec("CREATE TABLE marf_squash_info (height INTEGER); INSERT INTO marf_squash_info VALUES (5)");
    database.close();
    expect((await inspect(byTable, "none")).facts.pruned).toBe(true);
    const byManifest = scratch.copy(base);
    writeFileSync(join(byManifest, "PCS_manifest.toml"), "");
    expect((await inspect(byManifest, "none")).facts.pruned).toBe(true);
  });
});

describe.each([
  { what: "generated", make: () => scratch.copy(base), lost: [] as string[] },
  ...(hasFixture ? [{ what: "real", make: () => scratch.unpackFixture(), lost: [] as string[] }] : []),
])("the $what chainstate with a WAL deleted", ({ make }) => {
  it.each([
    { keys: ["clarity", "index", "nakamoto", "sortition"], fails: ["B"], blames: [] },
    { keys: ["clarity"], fails: ["B"], blames: ["clarity"] },
    { keys: ["index"], fails: ["B", "D"], blames: ["index"] },
    { keys: ["nakamoto"], fails: ["D"], blames: ["nakamoto"] },
    { keys: ["sortition"], fails: ["E"], blames: ["sortition"] },
  ] as const)("of $keys is refused by $fails", async ({ keys, fails, blames }) => {
    const dir = make();
    damage.deleteWal(dir, ...keys);
    const inspection = await inspect(dir, "quick");
    expect(failed(inspection)).toEqual(expect.arrayContaining([...fails]));
    // Each database by itself is sound: that is why integrity alone proves nothing.
    expect(result(inspection, "integrity")).toBe("passed");
    expect(() => assertConsistent(inspection)).toThrow(ChainstateInconsistentError);
    expect(inspection.blamed).toEqual(expect.arrayContaining(blames.map((key) => databasePaths[key])));
  });
});

describe.runIf(hasFixture)("the real chainstate", () => {
  it("is accepted at height 57", async () => {
    const inspection = await inspect(scratch.unpackFixture(), "full");
    expect(inspection.checks.filter((check) => check.result !== "passed")).toEqual([]);
    expect(inspection.facts).toMatchObject({
      stacksHeight: 57,
      stacksTip: "121f8d1691cd4e23d1b0f0640a21d81fd96ee9821873fa230e92780c4084b237",
      burnHeight: 238,
      consensusHash: "3e5e294df74008c28d7ebaa4de7f44ff8ceeccca",
      epochEra: "nakamoto",
      schemas: { index: 13, sortition: 11, burnchain: 3, nakamoto: 5, marf: 2, headers: 3 },
    });
  });

  it.each(["headers", "stackerDb"] as const)("loses nothing with the WAL of %s", async (key) => {
    const dir = scratch.unpackFixture();
    damage.deleteWal(dir, key);
    expect(await failures(dir)).toEqual([]);
  });
});

describe("damage that shows at `tips`", () => {
  const other = scratch.path();
  const older = scratch.path();

  beforeAll(() => {
    createChainstate(other, { era: "nakamoto", height: 57, seed: "another network", blocksInWal: 0 });
    createChainstate(older, { era: "nakamoto", height: 45, blocksInWal: 0 });
  });

  it.each<[string, (dir: string) => void, string[]]>([
    ["a kill after the commit of Clarity", (dir) => damage.tearCommit(dir, "clarity"), ["B"]],
    ["a kill after the commit of index", (dir) => damage.tearCommit(dir, "index"), ["D"]],
    ["a kill before the commit of sortition", (dir) => damage.tearCommit(dir, "nakamoto"), ["E"]],
    ["an older clarity", (dir) => damage.replaceDatabase(dir, older, "clarity"), ["B"]],
    ["an older index", (dir) => damage.replaceDatabase(dir, older, "index"), ["B", "D", "E"]],
    ["an older nakamoto", (dir) => damage.replaceDatabase(dir, older, "nakamoto"), ["D"]],
    ["an older sortition", (dir) => damage.replaceDatabase(dir, older, "sortition"), ["E"]],
    ["an older burnchain", (dir) => damage.replaceDatabase(dir, older, "burnchain"), ["H"]],
    ["an older headers", (dir) => damage.replaceDatabase(dir, older, "headers"), ["G"]],
    ["clarity of another network", (dir) => damage.replaceDatabase(dir, other, "clarity"), ["B"]],
    ["index of another network", (dir) => damage.replaceDatabase(dir, other, "index"), ["B"]],
    ["nakamoto of another network", (dir) => damage.replaceDatabase(dir, other, "nakamoto"), ["D"]],
    ["sortition of another network", (dir) => damage.replaceDatabase(dir, other, "sortition"), ["E"]],
    ["burnchain of another network", (dir) => damage.replaceDatabase(dir, other, "burnchain"), ["H"]],
    ["headers of another network", (dir) => damage.replaceDatabase(dir, other, "headers"), ["G"]],
    ["swapped blobs", (dir) => damage.swapBlobs(dir), ["F"]],
    ["clarity blobs missing", (dir) => damage.removeBlobs(dir, "clarity"), ["F"]],
    ["index blobs one byte short", (dir) => damage.cutBlobs(dir, "index", 1), ["F"]],
    ["blobs that end in zeros", (dir) => damage.zeroEndOfBlobs(dir, "clarity", 3000), ["F"]],
    ["a zeroed first page", (dir) => damage.zeroPage(dir, "index", 1), ["files"]],
    ["a text in place of a database", (dir) => damage.replaceByText(dir, "burnchain"), ["files"]],
    [
      "a text in place of a database that is no part of consensus",
      (dir) => damage.replaceByText(dir, "atlas"),
      ["files"],
    ],
    ["a database cut short", (dir) => damage.cutDatabase(dir, "miner", 4096), ["files"]],
    ["a hot rollback journal", (dir) => damage.leaveHotJournal(dir, "sortition"), ["files"]],
    ["a missing database", (dir) => rmSync(join(dir, databasePaths.sortition)), ["files"]],
    ["a missing nakamoto", (dir) => rmSync(join(dir, databasePaths.nakamoto)), ["D"]],
    [
      "another program's database",
      (dir) => {
        damage.deleteWal(dir, "index");
        execFileSync("cp", [join(dir, databasePaths.atlas), join(dir, databasePaths.index)]);
      },
      ["B", "C"],
    ],
    [
      "a WAL whose second frame is damaged",
      (dir) => damage.flipByte(dir, "clarity", "-wal", 32 + 4120 + 30),
      ["B"],
    ],
    [
      "a directory that is a symlink",
      (dir) => {
        renameSync(join(dir, "burnchain"), join(scratch.root, "burnchain-elsewhere"));
        symlinkSync(join(scratch.root, "burnchain-elsewhere"), join(dir, "burnchain"));
      },
      ["files"],
    ],
  ])("%s", async (_name, harm, ids) => {
    const dir = scratch.copy(base);
    harm(dir);
    const inspection = await inspect(dir);
    expect(failed(inspection)).toEqual(expect.arrayContaining(ids));
    expect(() => assertConsistent(inspection)).toThrow(ChainstateInconsistentError);
    expect(inspection.blamed.length).toBeGreaterThan(0);
  });

  it("is told in one sentence that names the database, and what to do", async () => {
    const dir = scratch.copy(base);
    damage.deleteWal(dir, "sortition");
    const inspection = await inspect(dir);
    let thrown: unknown;
    try {
      assertConsistent(inspection);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ChainstateInconsistentError);
    const error = thrown as ChainstateInconsistentError;
    expect(error.code).toBe("CHAINSTATE_INCONSISTENT");
    expect(error.message).toContain("burnchain/sortition/marf.sqlite");
    expect(error.databases).toEqual([databasePaths.sortition]);
    expect(error.hint).toContain("gracefully");
  });
});

describe("damage that shows deeper only", () => {
  /** The last page of a table's or index's own, away from what the tips look at. */
  function lastPage(dir: string, key: "clarity"): number {
    const database = new DatabaseSync(join(dir, databasePaths[key]), { readOnly: true });
    const row = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'data_table'").get();
    database.close();
    return Number(row?.["rootpage"]);
  }

  const checkpointed = scratch.path();
  beforeAll(() => {
    createChainstate(checkpointed, { era: "nakamoto", height: 57, blocksInWal: 0 });
  });

  it.each<[string, (dir: string) => void, "quick" | "full", string]>([
    [
      "a zeroed page of Clarity's values",
      (dir) => damage.zeroPage(dir, "clarity", lastPage(dir, "clarity")),
      "quick",
      "integrity",
    ],
    ["a zeroed page of stacker_db", (dir) => damage.zeroPage(dir, "stackerDb", 2), "quick", "integrity"],
    [
      "a byte in the middle of the blobs",
      (dir) => damage.flipByte(dir, "index", ".blobs", 268 * 9 + 40),
      "full",
      "proof",
    ],
    [
      "a value that nothing else repeats",
      (dir) => damage.flipByte(dir, "clarity", ".blobs", 200),
      "full",
      "proof",
    ],
  ])("%s", async (_name, harm, depth, id) => {
    const dir = scratch.copy(checkpointed);
    harm(dir);
    expect(await failures(dir, "tips")).toEqual([]);
    expect(await failures(dir, depth)).toEqual([id]);
  });

  it("an index that disagrees with its table: `full` alone", async () => {
    const dir = scratch.copy(checkpointed);
    const changeSchema = (work: (database: DatabaseSync) => void): void => {
      const database = new DatabaseSync(join(dir, databasePaths.clarity));
      database.enableDefensive(false);
      database.exec("PRAGMA writable_schema = ON");
      work(database);
      database.close();
    };
    const name = "md_blockhashes";
    let row: Record<string, SQLOutputValue> = {};
    changeSchema((database) => {
      database.exec("INSERT INTO metadata_table VALUES ('a', 'b', 'c')");
      row = database.prepare("SELECT * FROM sqlite_schema WHERE name = ?").get(name) ?? {};
      database.prepare("DELETE FROM sqlite_schema WHERE name = ?").run(name);
    });
    changeSchema((database) => {
      database.exec("UPDATE metadata_table SET blockhash = 'x'");
      database.prepare("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)").run(...Object.values(row));
    });
    expect(await failures(dir, "quick")).toEqual([]);
    expect(await failures(dir, "full")).toEqual(["integrity"]);
  });
});

describe("looking changes nothing", () => {
  it.each(["none", "tips", "quick", "full"] as const)(
    "at depth %s, in no file, -shm included",
    async (depth) => {
      const dir = hasFixture ? scratch.unpackFixture() : scratch.copy(base);
      // An empty WAL is what SQLite deletes first.
      writeFileSync(join(dir, "miner.sqlite-wal"), "");
      rmSync(join(dir, "miner.sqlite-shm"), { force: true });
      const before = digestTree(dir);
      await inspect(dir, depth);
      expect(digestTree(dir)).toEqual(before);
    },
  );

  it.each([
    ["a WAL of zeros", "atlas.sqlite-wal", 4096],
    ["a WAL that is a header of zeros", "atlas.sqlite-wal", 32],
    ["a cold journal", "atlas.sqlite-journal", 512],
    ["an empty journal", "atlas.sqlite-journal", 0],
  ])("with %s", async (_what, name, length) => {
    const dir = scratch.copy(base);
    writeFileSync(join(dir, name), Buffer.alloc(length));
    const before = digestTree(dir);
    expect(await failures(dir, "full")).toEqual([]);
    expect(digestTree(dir)).toEqual(before);
  });

  it("with a hot journal, which SQLite would roll back", async () => {
    const dir = scratch.copy(base);
    damage.leaveHotJournal(dir, "sortition");
    damage.leaveHotJournal(dir, "atlas");
    const before = digestTree(dir);
    expect(await failures(dir, "full")).toContain("files");
    expect(digestTree(dir)).toEqual(before);
  });

  it.each([0, 50, 150, 300, 600])("when it is cancelled after %i ms", async (ms) => {
    const dir = scratch.copy(base);
    const before = digestTree(dir);
    const cancel = new AbortController();
    const looking = inspect(dir, "full", { signal: cancel.signal }).then(
      () => "done",
      (error: unknown) => (hasCode(error, "CANCELLED") ? "cancelled" : error),
    );
    setTimeout(() => cancel.abort(), ms);
    expect(["done", "cancelled"]).toContain(await looking);
    expect(digestTree(dir)).toEqual(before);
  });

  it("when the reader is killed, which is an error and no verdict on the chainstate", async () => {
    const dir = scratch.copy(base);
    const before = digestTree(dir);
    const looking = inspect(dir, "tips", { elevate: () => ["sh", "-c", "read -r line; kill -9 $$"] });
    await expect(looking).rejects.toMatchObject({ code: "READER_GONE" });
    expect(digestTree(dir)).toEqual(before);
  });

  it.runIf(isRoot)("on a read-only mount, where nothing could be changed", async () => {
    const dir = scratch.copy(base);
    rmSync(join(dir, `${databasePaths.index}-shm`), { force: true });
    const mounted = scratch.path("mounted");
    mkdirSync(mounted, { recursive: true });
    execFileSync("mount", ["--bind", dir, mounted]);
    try {
      execFileSync("mount", ["-o", "remount,bind,ro", mounted]);
      expect(() => writeFileSync(join(mounted, "x"), "")).toThrow(/EROFS/);
      expect(await failures(mounted, "full")).toEqual([]);
    } finally {
      execFileSync("umount", [mounted]);
    }
    expect(existsSync(join(dir, `${databasePaths.index}-shm`))).toBe(false);
  });

  it.runIf(canBeOthers)("as a user that may only read", async () => {
    const dir = scratch.copy(base);
    execFileSync("chmod", ["-R", "a+rX", scratch.root]);
    const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const before = digestTree(dir);
    const inspection = await inspect(dir, "full", { elevate: (argv) => [...nobody, ...argv] });
    expect(inspection.checks.filter((check) => check.result !== "passed")).toEqual([]);
    expect(digestTree(dir)).toEqual(before);
  });
});

describe("progress and odd places", () => {
  it("says how far it is, never backwards past the end", async () => {
    const seen: { doneBytes: number; totalBytes: number }[] = [];
    await inspect(base, "full", { onProgress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(0);
    for (const { doneBytes, totalBytes } of seen) expect(doneBytes).toBeLessThanOrEqual(totalBytes);
    expect(seen.at(-1)?.doneBytes).toBe(seen.at(-1)?.totalBytes);
  });

  it("reads a directory whose name is hard for URLs", async () => {
    const dir = scratch.copy(base, "a b%20?c#d&e=ü");
    expect(await failures(dir)).toEqual([]);
  });

  it("takes sizes of blobs alone, for a snapshot that is not unpacked", async () => {
    const dir = scratch.copy(base);
    const sizes = new Map(
      (["clarity", "index"] as const).map((key) => {
        const path = `${databasePaths[key]}.blobs`;
        const { size } = statSync(join(dir, path));
        rmSync(join(dir, path));
        return [path, size];
      }),
    );
    const blobs = { sizeOf: (path: string) => Promise.resolve(sizes.get(path)) };
    expect(result(await inspect(dir, "tips", { blobs }), "F")).toBe("passed");
    sizes.set(`${databasePaths.index}.blobs`, 10);
    expect(result(await inspect(dir, "tips", { blobs }), "F")).toBe("failed");
  });

  it("says that there is no directory", async () => {
    await expect(inspect(join(scratch.root, "nowhere"))).rejects.toMatchObject({
      code: "CHAINSTATE_NOT_FOUND",
    });
    const empty = scratch.path();
    mkdirSync(empty, { recursive: true });
    expect(await failures(empty)).toEqual(["files"]);
  });
});
