/** Databases that were made to take the memory of whoever asks them. */
import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, expect, test } from "vitest";
import { openReader } from "../../src/chainstate/read-only-database.ts";
import { Scratch } from "./scratch.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());

const growing =
  "WITH RECURSIVE c(n, s) AS (SELECT 1, hex(randomblob(1024)) UNION ALL SELECT n + 1, s || s FROM c WHERE n < 19)";
const endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)";

test.each([
  ["a value that doubles", `CREATE VIEW headers AS ${growing} SELECT n, s FROM c ORDER BY n DESC LIMIT 1`],
  [
    "rows without end",
    `CREATE VIEW headers AS ${endless} SELECT n, hex(zeroblob(100000)) AS s FROM c LIMIT 3000`,
  ],
])("a view with %s ends in an error, and the process stays small", async (_, view) => {
  const dir = scratch.path();
  mkdirSync(dirname(dir), { recursive: true });
  const database = new DatabaseSync(`${dir}.sqlite`);
  database.exec(view);
  database.close();
  const reader = await openReader({
    dir: dir.slice(0, dir.lastIndexOf("/")),
    signal: new AbortController().signal,
  });
  try {
    const name = `${dir.slice(dir.lastIndexOf("/") + 1)}.sqlite`;
    await expect(reader.ask(name, "SELECT * FROM headers")).rejects.toMatchObject({
      code: "DATABASE_UNREADABLE",
    });
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${reader.pid}/status`, "utf8"))?.[1];
    expect(Number(peak)).toBeLessThan(900 * 1024);
  } finally {
    await reader.end();
  }
});
