import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { parseLocks, readMarkOf } from "../../../src/freeze/sqlite/lock-table.ts";
import { journalModeOf } from "../../../src/freeze/journal-mode.ts";
import { assertLastFrame, readWalIndex, walBytes } from "../../../src/freeze/sqlite/wal.ts";
import { scratch } from "../support.ts";

function makeDatabase(path: string, pageSize: number): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec(
    `PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)`,
  );
  return database;
}

test.for([512, 4096, 65_536])(
  "the wal-index names the last commit, with pages of %i bytes",
  async (pageSize) => {
    const path = join(await scratch(), "a.sqlite");
    const database = makeDatabase(path, pageSize);
    try {
      for (let at = 0; at < 20; at += 1) database.exec("INSERT INTO t VALUES (randomblob(1000))");
      const index = readWalIndex(`${path}-shm`);
      expect(index.pageSize).toBe(pageSize);
      expect(walBytes(index.frames, pageSize)).toBe(statSync(`${path}-wal`).size);
      expect(() => assertLastFrame(`${path}-wal`, index)).not.toThrow();
      // A transaction that is not committed spills into the WAL, and is no part of it.
      database.exec("PRAGMA cache_size = 2; BEGIN");
      for (let at = 0; at < 50; at += 1) database.exec("INSERT INTO t VALUES (randomblob(5000))");
      expect(statSync(`${path}-wal`).size).toBeGreaterThan(walBytes(index.frames, pageSize));
      expect(readWalIndex(`${path}-shm`).identity).toBe(index.identity);
      database.exec("ROLLBACK; INSERT INTO t VALUES (1)");
      expect(readWalIndex(`${path}-shm`).identity).not.toBe(index.identity);
    } finally {
      database.close();
    }
  },
);

test("a WAL that was restarted, cut or altered is told", async () => {
  const path = join(await scratch(), "a.sqlite");
  const database = makeDatabase(path, 4096);
  try {
    for (let at = 0; at < 5; at += 1) database.exec("INSERT INTO t VALUES (randomblob(3000))");
    const index = readWalIndex(`${path}-shm`);
    const good = readFileSync(`${path}-wal`);
    const copy = `${path}-copy`;
    writeFileSync(copy, good);
    expect(() => assertLastFrame(copy, index)).not.toThrow();
    truncateSync(copy, good.length - 4096 - 24);
    expect(() => assertLastFrame(copy, index)).toThrow(/is not the commit/);
    writeFileSync(copy, good);
    const altered = Buffer.from(good);
    const lastFrame = walBytes(index.frames - 1, 4096);
    altered.writeUInt8((altered[lastFrame + 20] ?? 0) ^ 1, lastFrame + 20);
    writeFileSync(copy, altered);
    expect(() => assertLastFrame(copy, index)).toThrow(/is not the commit/);
    database.exec("PRAGMA wal_checkpoint(RESTART); INSERT INTO t VALUES (1)");
    expect(() => assertLastFrame(`${path}-wal`, index)).toThrow(/is not the commit/);
  } finally {
    database.close();
  }
});

test("databases are told by their first bytes", async () => {
  const dir = await scratch();
  const wal = join(dir, "wal");
  makeDatabase(wal, 4096).close();
  const rollback = join(dir, "rollback");
  const database = new DatabaseSync(rollback);
  database.exec("CREATE TABLE t (x)");
  database.close();
  const text = join(dir, "text");
  writeFileSync(text, "SQLite format 3\0");
  appendFileSync(text, Buffer.alloc(496));
  const mode = (path: string): string => journalModeOf(path, statSync(path).size);
  expect([wal, rollback, text].map(mode)).toEqual(["wal", "rollback", "rollback"]);
  writeFileSync(text, Buffer.alloc(4096));
  expect(mode(text)).toBe("none");
  expect(journalModeOf(join(dir, "absent"), 4096)).toBe("none");
});

const table = `1: POSIX  ADVISORY  READ 4711 fe:00:131 123 124
2: FLOCK  ADVISORY  WRITE 4711 fe:00:132 0 EOF
3: POSIX  ADVISORY  READ 4711 fe:00:131 128 128
3: -> POSIX  ADVISORY  WRITE 4711 fe:00:133 123 123
4: POSIX  ADVISORY  READ 4712 fe:00:134 127 128
5: POSIX  ADVISORY  READ 4711 00:1f:9007199254740993 127 128
6: POSIX  ADVISORY  WRITE 4711 fe:00:135 0 EOF
`;

test("a reader's mark is the byte it holds, and none without the byte that says the file is in use", () => {
  const locks = parseLocks(table, 4711);
  expect(readMarkOf(locks, 131n)).toBe(0);
  expect(readMarkOf(locks, 9007199254740993n)).toBe(4);
  // Another kind of lock, a request that waits, another process.
  expect([132n, 133n, 134n].map((inode) => readMarkOf(locks, inode))).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(readMarkOf(parseLocks(table, 4712), 134n)).toBe(4);
  expect(readMarkOf(parseLocks("1: POSIX ADVISORY READ 1 fe:00:7 124 124", 1), 7n)).toBeUndefined();
});
