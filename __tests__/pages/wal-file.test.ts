/** WALs as SQLite writes them, and as this program continues them: both are read as SQLite's own recovery reads them. */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { digestPages } from "../../src/archive/workers/page-digests.ts";
import { batchesOf, openDatabase } from "../../src/pages/database.ts";
import { newWal, parseHeader, readWal, walHeaderBytes, WalWriter } from "../../src/pages/wal-file.ts";
import { memoryDirectory } from "../tools.ts";

const directory = mkdtempSync(join(memoryDirectory(), "wal-file-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const { signal } = new AbortController();
const [live, base, folded] = ["live", "base", "folded"].map((name) => join(directory, name)) as [
  string,
  string,
  string,
];

type Step = "rows" | "restart" | "truncate" | "shrink" | "unfinished";
const steps = fc.array(fc.constantFrom<Step>("rows", "rows", "restart", "truncate", "shrink", "unfinished"), {
  minLength: 1,
  maxLength: 5,
});

test("any WAL is read as SQLite recovers it, and takes a later state of its database as one more transaction", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(512, 1024, 4096, 65_536),
      steps,
      steps,
      fc.boolean(),
      fc.constantFrom("whole", "cut", "flipped"),
      async (pageSize, before, after, isBigEndian, tail) => {
        for (const path of [live, base, folded]) remove(path);
        const connection = create(pageSize);
        try {
          work(connection, before);
          copy(live, base);
          if (isBigEndian) await turnOver(`${base}-wal`);
          damage(`${base}-wal`, tail);
          const known = await logicalPages(base);
          expect(known).toEqual(recovered(base));
          work(connection, after);
          await carry(known);
          expect(recovered(base)).toEqual(await logicalPages(live));
        } finally {
          connection.close();
        }
      },
    ),
    { numRuns: Number(process.env["WAL_RUNS"] ?? 30) },
  );
});

function create(pageSize: number): DatabaseSync {
  const connection = new DatabaseSync(live);
  for (const [name, value] of [
    ["page_size", pageSize],
    ["journal_mode", "WAL"],
    ["synchronous", "OFF"],
    ["wal_autocheckpoint", 0],
    ["cache_size", 10],
  ])
    connection.exec(`PRAGMA ${name} = ${value}`);
  connection.exec("CREATE TABLE data_table (key TEXT PRIMARY KEY, value TEXT)");
  return connection;
}

let rows = 0;

function work(connection: DatabaseSync, wanted: readonly Step[]): void {
  const insert = (count: number): void => {
    const statement = connection.prepare("REPLACE INTO data_table VALUES (?, ?)");
    for (const last = rows + count; rows < last; rows += 1)
      statement.run(sha(String(rows)), sha(`v${rows}`).repeat(4));
  };
  for (const step of wanted) {
    if (connection.isTransaction) connection.exec("ROLLBACK");
    if (step === "rows") insert(20);
    else if (step === "shrink") connection.exec("DELETE FROM data_table WHERE rowid % 2 = 0; VACUUM");
    else if (step === "unfinished") {
      connection.exec("BEGIN");
      insert(300);
    } else connection.exec(`PRAGMA wal_checkpoint(${step})`);
    if (step === "restart") insert(3);
  }
}

/** What `live` has and `known` has not, as one more transaction of `base`. */
async function carry(known: readonly string[]): Promise<void> {
  const now = await openDatabase({ source: live, size: statSync(live).size }, walOf(live), signal);
  if (now === undefined) throw new Error("no database");
  const wal = await readWal(`${base}-wal`, sizeOf(`${base}-wal`), 1e6, signal);
  if (wal === "too-large") throw new Error(wal);
  const fresh = newWal(now.pageSize);
  if (wal === "none") writeFileSync(`${base}-wal`, fresh.header);
  const file = await open(`${base}-wal`, "r+");
  const writer = new WalWriter(file, wal === "none" ? fresh.end : wal);
  const last = Buffer.from(known.join(""), "hex");
  if (now.pages !== known.length) last[0] = ~(last[0] ?? 0);
  let changed = 0;
  for (const batch of batchesOf(now)) {
    const part = Uint8Array.from(last.subarray(16 * (batch.firstPage - 1)));
    const found = digestPages({ ...batch, last: part });
    for (const [at, page] of found.changed.entries())
      await writer.add(page, Buffer.from(found.bytes.subarray(at * now.pageSize, (at + 1) * now.pageSize)));
    changed += found.changed.length;
  }
  if (changed > 0) {
    await writer.commit(now.pages);
    await file.truncate(writer.bytes);
  }
  await file.close();
}

async function logicalPages(path: string): Promise<readonly string[]> {
  const database = await openDatabase({ source: path, size: statSync(path).size }, walOf(path), signal);
  if (database === undefined) throw new Error(`${path} is no database`);
  const pages: string[] = [];
  for (const batch of batchesOf(database)) {
    const { digests } = digestPages({ ...batch, last: undefined });
    for (let at = 0; at < digests.length; at += 16)
      pages.push(Buffer.from(digests).toString("hex", at, at + 16));
  }
  return pages;
}

/** By SQLite, in a copy; the pages of the file then. */
function recovered(path: string): readonly string[] {
  remove(folded);
  copy(path, folded);
  const connection = new DatabaseSync(folded);
  connection.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  expect(connection.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
  connection.close();
  const bytes = readFileSync(folded);
  const pageSize = bytes.readUInt16BE(16) === 1 ? 65_536 : bytes.readUInt16BE(16);
  return Array.from({ length: bytes.length / pageSize }, (_, page) =>
    createHash("sha256")
      .update(bytes.subarray(page * pageSize, (page + 1) * pageSize))
      .digest("hex")
      .slice(0, 32),
  );
}

/** The same WAL as a big-endian machine would have written it. */
async function turnOver(path: string): Promise<void> {
  if (sizeOf(path) < walHeaderBytes) return;
  const bytes = readFileSync(path);
  const header = parseHeader(bytes);
  if (header === undefined) return;
  bytes.writeUInt32BE(0x377f0683, 0);
  let sums = sumBigEndian(bytes.subarray(0, 24), [0, 0]);
  bytes.writeUInt32BE(sums[0], 24);
  bytes.writeUInt32BE(sums[1], 28);
  const frameBytes = 24 + header.pageSize;
  for (let at = walHeaderBytes; at + frameBytes <= bytes.length; at += frameBytes) {
    // What is of an older salt stays as it is.
    if (!bytes.subarray(at + 8, at + 16).equals(header.salts)) break;
    sums = sumBigEndian(bytes.subarray(at, at + 8), sums);
    sums = sumBigEndian(bytes.subarray(at + 24, at + frameBytes), sums);
    bytes.writeUInt32BE(sums[0], at + 16);
    bytes.writeUInt32BE(sums[1], at + 20);
  }
  writeFileSync(path, bytes);
}

function sumBigEndian(bytes: Buffer, [one, two]: readonly [number, number]): [number, number] {
  for (let at = 0; at < bytes.length; at += 8) {
    one = (one + bytes.readUInt32BE(at) + two) >>> 0;
    two = (two + bytes.readUInt32BE(at + 4) + one) >>> 0;
  }
  return [one, two];
}

function damage(path: string, how: string): void {
  const size = sizeOf(path);
  if (how === "whole" || size < 100) return;
  const bytes = readFileSync(path);
  // Near the end, so that something may still be committed before.
  const at = size - 1 - ((size * 7) % Math.min(3000, size - walHeaderBytes));
  if (how === "cut") writeFileSync(path, bytes.subarray(0, at));
  else {
    bytes[at] = (bytes[at] ?? 0) ^ 0x40;
    writeFileSync(path, bytes);
  }
}

const sha = (text: string): string => createHash("sha256").update(text).digest("hex");
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

function walOf(path: string): { readonly source: string; readonly size: number } | undefined {
  return existsSync(`${path}-wal`) ? { source: `${path}-wal`, size: sizeOf(`${path}-wal`) } : undefined;
}

function copy(from: string, to: string): void {
  copyFileSync(from, to);
  if (existsSync(`${from}-wal`)) copyFileSync(`${from}-wal`, `${to}-wal`);
}

function remove(path: string): void {
  for (const ending of ["", "-wal", "-shm"]) rmSync(path + ending, { force: true });
}
