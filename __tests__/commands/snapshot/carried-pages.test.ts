/** `rebase-above`: what changed in a database travels in its WAL, through the whole of snapshot, verify and restore. */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import { readManifest, writeManifest } from "../../../src/catalog/manifest-text.ts";
import { databases } from "../../../src/chainstate/layout.ts";
import type { SnapshotConfig } from "../../../src/config/config.ts";
import type { ErrorCode } from "../../../src/domain/error-codes.ts";
import type { Manifest } from "../../../src/domain/manifest.ts";
import type { ObjectStore } from "../../../src/store/port.ts";
import { openStore } from "../../store/open-store.ts";
import { Faults, killsOf } from "../faults.ts";
import { FakeHost, restoreConfig, snapshotConfig, verifyConfig, type Ended } from "../fake-host.ts";

let host: FakeHost;
let storeDirectory = "";
beforeEach(() => {
  host = new FakeHost();
  storeDirectory = join(host.root, "store");
  const directory = storeDirectory;
  host.otherStore = async () => {
    const { faults } = host;
    const store = await openStore({ scheme: "file", url: `file://${directory}`, directory });
    return faults.wrap("store", withUploads(store, faults), ["put", "delete"]);
  };
  mkdirSync(storeDirectory);
  createChainstate(host.chainstateDir, { era: "nakamoto", height: 10, blocksInWal: 0 });
  addRows(0, 30_000);
});
afterEach(() => host.remove());

const { clarity } = databases;

function addRows(from: number, count: number): void {
  const database = new DatabaseSync(join(host.chainstateDir, clarity));
  database.exec("CREATE TABLE IF NOT EXISTS more (key TEXT PRIMARY KEY, value TEXT)");
  database.exec("BEGIN");
  const insert = database.prepare("INSERT INTO more VALUES (?, ?)");
  for (let row = from; row < from + count; row += 1) {
    const key = createHash("sha256").update(String(row)).digest("hex");
    insert.run(key, key.repeat(2));
  }
  database.exec("COMMIT");
  database.close();
}

/** Other values of the same length: as many pages as before, so that nothing but what they hold tells. */
function changeRows(text: string): void {
  const database = new DatabaseSync(join(host.chainstateDir, clarity));
  const value = createHash("sha256").update(text).digest("hex").repeat(2);
  // Those of the one night are on other pages than those of the other.
  const from = text === "one" ? 1_000 : 20_000;
  database.prepare("UPDATE more SET value = ? WHERE rowid BETWEEN ? AND ?").run(value, from, from + 30);
  database.close();
}

async function night(given: Partial<SnapshotConfig> = {}): Promise<Ended & { readonly manifest: Manifest }> {
  const ended = await host.run(snapshotConfig(host, { cut: "cold", rebaseAbove: 0.2, ...given }));
  if (ended.error !== undefined) throw ended.error;
  const id = ended.report.record.outputs.get("snapshot-id") ?? "";
  return { ...ended, manifest: readManifest(readFileSync(manifestOf(id)), id, id) };
}

function manifestOf(id: string): string {
  return join(storeDirectory, "snapshots", id, "manifest.json");
}

/** The only file of digests that this host keeps. */
function digestsFile(): string {
  const [directory = ""] = readdirSync(host.stateDir).filter((name) => name.startsWith("pages-"));
  const [file = ""] = readdirSync(join(host.stateDir, directory));
  return join(host.stateDir, directory, file);
}

const recordOf = ({
  archive,
}: Manifest): NonNullable<NonNullable<typeof archive>["databases"]>[number] | undefined =>
  archive?.databases?.find(({ path }) => path === clarity);

const codeOf = (error: unknown): ErrorCode | undefined => (error as { code?: ErrorCode } | undefined)?.code;

test("pages that changed are sent alone, are verified, and come back in the database itself", async () => {
  const first = await night();
  expect(recordOf(first.manifest)).toMatchObject({ walBytes: 0 });
  expect(recordOf(first.manifest)?.carried).toBeUndefined();
  addRows(30_000, 30);
  const second = await night();
  expect(recordOf(second.manifest)).toMatchObject({ carried: { since: first.manifest.id, nights: 1 } });
  expect(second.manifest.verified).toBe("database");
  addRows(30_030, 30);
  const third = await night();
  expect(recordOf(third.manifest)).toMatchObject({ carried: { since: first.manifest.id, nights: 2 } });
  const [whole = 0, sent = 0] = [first, third].map(({ manifest }) => manifest.archive?.uploadedBytes);
  expect(sent).toBeLessThan(whole / 4);
  expect((await host.run(verifyConfig({ check: "tips", scope: "archive" }))).error).toBeUndefined();
  expect((await host.run(verifyConfig({ check: "full", scope: "databases" }))).error).toBeUndefined();
  const live = readFileSync(join(host.chainstateDir, clarity));
  rmSync(host.chainstateDir, { recursive: true });
  const { error } = await host.run(restoreConfig(host, { check: "quick" }));
  expect(error).toBeUndefined();
  expect(readFileSync(join(host.chainstateDir, clarity)).equals(live)).toBe(true);
  expect(existsSync(join(host.chainstateDir, `${clarity}-wal`))).toBe(false);
});

test("what does not fit means that a database is archived anew", async () => {
  await night();
  const older = join(host.root, "older");
  cpSync(digestsFile(), older);
  let rows = 30_000;
  const anew = async (why: RegExp, newRows: number): Promise<void> => {
    addRows(rows, newRows);
    rows += newRows;
    const { manifest, log } = await night({ check: "none" });
    expect(recordOf(manifest)).toBeDefined();
    expect(recordOf(manifest)?.carried).toBeUndefined();
    expect(log).toMatch(why);
  };
  await anew(/is archived anew: its changed pages are more than/, 3_000);
  rmSync(digestsFile());
  await anew(/no digests of its pages/, 30);
  writeFileSync(digestsFile(), readFileSync(digestsFile()).subarray(0, 1000));
  await anew(/no digests of its pages/, 30);
  writeFileSync(digestsFile(), flipped(readFileSync(digestsFile())));
  await anew(/the digests of its pages are not those of/, 30);
  const { length } = readFileSync(digestsFile());
  // Of as many pages, so that it is found out by what it says.
  writeFileSync(
    digestsFile(),
    Buffer.concat([readFileSync(older), Buffer.alloc(length)]).subarray(0, length),
  );
  await anew(/is archived anew: /, 30);
  const { manifest } = await night({ rebaseAbove: 0, check: "none" });
  expect(manifest.archive?.databases).toBeUndefined();
  expect(readdirSync(host.stateDir).filter((name) => name.startsWith("pages-"))).toEqual([]);
});

test("a digest that hides a change is shown by the archive, and nothing is published", async () => {
  const { manifest } = await night();
  const digests = readFileSync(digestsFile());
  addRows(30_000, 30);
  const live = readFileSync(join(host.chainstateDir, clarity));
  const digestOf = (page: number): Buffer =>
    createHash("sha256")
      .update(live.subarray(page * 4096, (page + 1) * 4096))
      .digest()
      .subarray(0, 16);
  // Not the first, which holds the counters, but one of the index.
  const pages = Array.from({ length: digests.length / 16 }, (_, page) => page);
  const changed = pages.findLast(
    (page) => !digestOf(page).equals(digests.subarray(16 * page, 16 * page + 16)),
  );
  if (changed === undefined) throw new Error("no page changed");
  digestOf(changed).copy(digests, 16 * changed);
  writeFileSync(digestsFile(), digests);
  const { archive } = manifest;
  const lying = (archive?.databases ?? []).map((each) => ({
    ...each,
    sha256: createHash("sha256").update(digests).digest("hex"),
  }));
  if (archive === undefined || lying.length !== 1) throw new Error("not one database");
  const forged = writeManifest({ ...manifest, archive: { ...archive, databases: lying } });
  writeFileSync(manifestOf(manifest.id), forged.bytes);
  const { error } = await host.run(snapshotConfig(host, { cut: "cold", rebaseAbove: 0.2 }));
  expect(codeOf(error)).toBe("ARCHIVE_DIFFERS");
});

test("a night that is killed at any step of publishing leaves the next one right", async () => {
  await night();
  const start = join(host.root, "start");
  const state = ["node", "state", "store"].map((name) => join(host.root, name));
  for (const path of state) cpSync(path, join(start, basename(path)), { recursive: true });
  changeRows("one");
  host.faults = new Faults();
  await night({ check: "none" });
  const steps = killsOf(host.faults.calls).filter(({ name }) => /^(?:upload|store)\./.test(name));
  const kills = steps.slice(steps.findIndex(({ name }) => name.startsWith("upload.complete")));
  expect(kills.length).toBeGreaterThan(5);
  for (const fault of kills) {
    for (const path of state) {
      rmSync(path, { recursive: true });
      cpSync(join(start, basename(path)), path, { recursive: true });
    }
    changeRows("one");
    host.faults = new Faults();
    host.faults.fault = fault;
    await host.run(snapshotConfig(host, { cut: "cold", rebaseAbove: 0.2, check: "none" }));
    expect(host.faults.isDead, fault.name).toBe(true);
    await host.post();
    changeRows("two");
    // Read back page by page.
    const { manifest } = await night({ check: "tips" });
    expect({ at: fault.name, verified: manifest.verified }).toEqual({ at: fault.name, verified: "database" });
  }
});

function withUploads(store: ObjectStore, faults: Faults): ObjectStore {
  const openUpload: ObjectStore["openUpload"] = async (key, options) =>
    faults.wrap("upload", await store.openUpload(key, options), ["complete"]);
  return new Proxy(store, {
    get(target, name) {
      if (name === "openUpload") return openUpload;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function flipped(bytes: Buffer): Buffer {
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  return bytes;
}
