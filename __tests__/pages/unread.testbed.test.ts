/** Which pages need not be read: those that SQLite reads from the same blocks as it did in the clone, and no others. */
import { copyFileSync, constants, existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { digestPages } from "../../src/archive/workers/page-digests.ts";
import { batchesOf, openDatabase, type Database } from "../../src/pages/database.ts";
import { samePages, type ClonedDatabase, type SamePages } from "../../src/pages/unread.ts";
import {
  hasFormatter,
  isRoot,
  mountLoop,
  type LoopFileSystem,
  type LoopMount,
} from "../freeze/loop-mount.ts";

const { signal } = new AbortController();

for (const type of ["xfs", "btrfs"] satisfies LoopFileSystem[]) {
  describe.skipIf(!isRoot || !hasFormatter(type))(`on ${type}`, () => {
    let mount: LoopMount | undefined;
    let live: DatabaseSync;
    const at = (name: string): string => join(mount?.path ?? "", name);
    beforeAll(() => {
      mount = mountLoop(type, "1G");
    });
    afterAll(() => mount?.unmount());
    beforeEach(() => {
      for (const name of ["live", "last", "now"]) remove(at(name));
      live = new DatabaseSync(at("live"));
      live.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
      live.exec("CREATE TABLE rows (id INTEGER PRIMARY KEY, value TEXT); BEGIN");
      const insert = live.prepare("INSERT INTO rows (value) VALUES (?)");
      for (let row = 0; row < 5000; row += 1) insert.run("x".repeat(500));
      live.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    });
    afterEach(() => live.close());

    const rewrite = (from: number, value: string): void => {
      live
        .prepare("UPDATE rows SET value = ? WHERE id BETWEEN ? AND ?")
        .run(value.repeat(500), from, from + 50);
    };
    /** What is said to be the same of the states in `last` and `now`, once all of it has been found to be. */
    const found = async (): Promise<{ readonly same: SamePages; readonly different: number }> => {
      const [last, now] = [await opened(at("last")), await opened(at("now"))];
      const { pageSize, pages } = last;
      const same = await samePages(filesOf(at("last")), now, { pageSize, pages }, signal);
      if (typeof same === "string") throw new Error(same);
      const [before, after] = [digests(last), digests(now)];
      let different = 0;
      for (let page = 1; page <= Math.max(last.pages, now.pages); page += 1) {
        if (before[page - 1] === after[page - 1]) continue;
        different += 1;
        expect(same.has(page), `page ${page}`).toBe(false);
      }
      return { same, different };
    };

    test("all but the first where nothing changed", async () => {
      clone(at("live"), at("last"));
      clone(at("live"), at("now"));
      const { same, different } = await found();
      expect([different, same.count]).toEqual([0, (await opened(at("now"))).pages - 1]);
    });

    test("none that a WAL has now, and none that it had", async () => {
      rewrite(100, "y");
      clone(at("live"), at("last"));
      rewrite(3000, "z");
      clone(at("live"), at("now"));
      const { same, different } = await found();
      expect(different).toBeGreaterThan(5);
      expect(same.count).toBeGreaterThan(500);
      expect(same.pieces).toBeGreaterThan(0);
    });

    test("none of a WAL that was lost, although its pages in the file are on the same blocks", async () => {
      rewrite(100, "y");
      clone(at("live"), at("last"));
      clone(at("live"), at("now"));
      rmSync(at("now-wal"));
      const { different } = await found();
      expect(different).toBeGreaterThan(5);
    });

    test("none that was folded in, and none behind either end", async () => {
      clone(at("live"), at("last"));
      rewrite(100, "y");
      live.exec(
        "DELETE FROM rows WHERE id > 2500; PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)",
      );
      clone(at("live"), at("now"));
      expect((await found()).different).toBeGreaterThan(300);
    });

    test("nothing is said of a clone that is another database than the record's", async () => {
      clone(at("live"), at("last"));
      clone(at("live"), at("now"));
      const now = await opened(at("now"));
      const { pageSize, pages } = now;
      for (const record of [
        { pageSize, pages: pages + 1 },
        { pageSize: 2 * pageSize, pages },
      ])
        expect(await samePages(filesOf(at("last")), now, record, signal)).toMatch(/another state/);
    });
  });
}

async function opened(path: string): Promise<Database> {
  const { file, wal } = filesOf(path);
  const database = await openDatabase(file, wal, signal);
  if (database === undefined) throw new Error(`${path} is no database`);
  return database;
}

function filesOf(path: string): ClonedDatabase {
  const fileOf = (source: string): ClonedDatabase["file"] => ({ source, size: statSync(source).size });
  return { file: fileOf(path), wal: existsSync(`${path}-wal`) ? fileOf(`${path}-wal`) : undefined };
}

function digests(database: Database): readonly string[] {
  return [...batchesOf(database)].flatMap((batch) => {
    const { digests: found } = digestPages({ ...batch, last: undefined });
    return Array.from({ length: batch.count }, (_, page) =>
      Buffer.from(found.subarray(16 * page, 16 * page + 16)).toString("hex"),
    );
  });
}

function clone(from: string, to: string): void {
  for (const ending of ["", "-wal"])
    if (existsSync(from + ending)) copyFileSync(from + ending, to + ending, constants.COPYFILE_FICLONE_FORCE);
}

function remove(path: string): void {
  for (const ending of ["", "-wal", "-shm"]) rmSync(path + ending, { force: true });
}
