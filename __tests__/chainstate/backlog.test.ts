/** What a running node has still to do, read from the databases that it is writing to. */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, expect, test } from "vitest";
import { readBacklog } from "../../src/chainstate/backlog.ts";
import { ChainWriter, createChainstate } from "../../simulator/chainstate.ts";
import { Scratch } from "./scratch.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());

test("Bitcoin blocks that are known and not evaluated, and events that nobody took", async () => {
  const dir = scratch.path();
  createChainstate(dir, { era: "nakamoto", height: 12, blocksInWal: 3 });
  const look = async (): Promise<unknown> => await readBacklog({ dir, signal: new AbortController().signal });
  const node = ChainWriter.open(dir);
  expect(await look()).toEqual({ burnBlocks: 0, oldestEventMs: undefined });

  const top = node
    .database("burnchain")
    .prepare("SELECT MAX(block_height) AS n FROM burnchain_db_block_headers")
    .get();
  for (const ahead of [1, 2, 3]) {
    node.insert("burnchain", "burnchain_db_block_headers", {
      block_height: Number(top?.["n"]) + ahead,
      block_hash: `${ahead}`.repeat(64),
      parent_block_hash: "0".repeat(64),
    });
  }
  const observers = new DatabaseSync(join(dir, "..", "event_observers.sqlite"));
  observers.exec("ALTER TABLE pending_payloads ADD COLUMN timestamp INTEGER");
  expect(await look()).toEqual({ burnBlocks: 3, oldestEventMs: "none" });
  observers.exec(
    "INSERT INTO pending_payloads (url, payload, timeout, timestamp) VALUES ('u', 'p', 1000, 1790000000), ('u', 'q', 1000, 1790000100)",
  );
  expect(await look()).toEqual({ burnBlocks: 3, oldestEventMs: 1_790_000_000_000 });
  observers.close();
  node.close(true);
});

test("headers are known before their blocks are fetched, a reward cycle at a time", async () => {
  const dir = scratch.path();
  createChainstate(dir, { era: "nakamoto", height: 12 });
  const headers = new DatabaseSync(join(dir, "headers.sqlite"));
  headers.exec(
    "INSERT INTO headers SELECT version, prev_blockhash, merkle_root, time, bits, nonce, height + 7, hash || 'a' FROM headers ORDER BY height DESC LIMIT 1",
  );
  const look = async (): Promise<unknown> => await readBacklog({ dir, signal: new AbortController().signal });
  expect(await look()).toMatchObject({ burnBlocks: 7 });
  headers.exec("DROP TABLE headers");
  headers.close();
  expect(await look(), "without headers the blocks count alone").toMatchObject({ burnBlocks: 0 });
});

test("what cannot be read is unknown, and no error; what is not there is none", async () => {
  const dir = scratch.path();
  createChainstate(dir, { era: "nakamoto", height: 5 });
  const look = async (): Promise<unknown> => await readBacklog({ dir, signal: new AbortController().signal });
  new DatabaseSync(join(dir, "burnchain/burnchain.sqlite")).exec("DROP TABLE burnchain_db_block_headers");
  const observers = join(dir, "..", "event_observers.sqlite");
  rmSync(observers);
  expect(await look()).toEqual({ burnBlocks: undefined, oldestEventMs: "none" });
  // A reader that opens it waits for a writer.
  execFileSync("mkfifo", [observers]);
  expect(await look()).toEqual({ burnBlocks: undefined, oldestEventMs: undefined });
});
