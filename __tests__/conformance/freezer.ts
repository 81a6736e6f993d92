/**
 * What every freezer promises, run against the real file system: the view is the state at the cut, byte for byte for
 * plain files and row for row for databases, while a writer goes on; and nothing is left after the release.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
  appendFileSync,
  readdirSync,
} from "node:fs";
import { cp } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { hasCode } from "../../src/domain/errors.ts";
import type { FreezeRequest, Freezer } from "../../src/freeze/port.ts";
import { createChainstate } from "../../simulator/chainstate.ts";
import type { Writer } from "../freeze/support.ts";
import {
  copyView,
  examineCopy,
  keepersOf,
  requestFor,
  startWriter,
  whyNodeWouldPanic,
} from "../freeze/support.ts";

export interface FreezerSuite {
  readonly name: string;
  readonly freezer: () => Freezer;
  /** A fresh directory on the file system in question; removed by the caller. */
  readonly place: () => Promise<string>;
  /** False for `cold`: the node stays down. */
  readonly nodeRunsOn: boolean;
}

export function describeFreezer({ name, freezer, place, nodeRunsOn }: FreezerSuite): void {
  describe(`freezer ${name}`, () => {
    test("holds the state of the cut while the node goes on, and leaves nothing", async () => {
      const base = await place();
      const dir = join(base, "mainnet");
      createChainstate(dir, { era: "nakamoto", height: 60 });
      addPlainFiles(dir);
      // A first life of the writer, so that WALs with many generations of pages are left behind.
      const first = await startWriter(dir, 100);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await first.stop();
      const reference = await coldCopy(dir, join(base, "reference"));
      const request = requestFor(dir, join(base, "state"));
      const before = readdirSync(base).sort();

      expect(await freezer().probe(request)).toMatchObject({ usable: true });
      const frozen = await freezer().freeze(request, true);
      try {
        const writer = nodeRunsOn ? await startWriter(dir, 200) : undefined;
        try {
          if (nodeRunsOn) disturbPlainFiles(dir);
          await new Promise((resolve) => setTimeout(resolve, nodeRunsOn ? 400 : 0));
          const paths = await copyView(frozen.view, join(base, "copy"), 1);
          const names = paths.map((path) => (isDirectory(join(base, "copy", path)) ? `${path}/` : path));
          expect(names).toEqual(names.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y))));
          const sharedMemory = paths.some((path) => path.endsWith("-shm"));
          expect(sharedMemory).toBe(!nodeRunsOn);
          await frozen.assertFrozen();
          if (writer !== undefined) {
            await growsBy(writer, 10);
          }
        } finally {
          await writer?.stop();
        }
      } finally {
        await frozen.release();
        await frozen.release();
      }
      expect(await examineCopy(join(base, "copy"))).toEqual(reference.digests);
      expect(whyNodeWouldPanic(join(base, "copy"))).toBeUndefined();
      for (const [path, bytes] of reference.plainFiles) {
        expect(readFileSync(join(base, "copy", path))).toEqual(bytes);
      }
      for (const path of ["later.txt", laterBlock, dirname(laterBlock)]) {
        expect(existsSync(join(base, "copy", path))).toBe(false);
      }
      expectNothingLeft(base, before, request);
      // The node's own databases are as good as they were, and at another state.
      const own = await examineCopy(dir);
      expect(Object.values(own).every((digest) => /^[0-9a-f]{64}$/.test(digest))).toBe(true);
    });

    test("a view whose directory opens shows the same databases there", async () => {
      const base = await place();
      const dir = join(base, "mainnet");
      createChainstate(dir, { era: "nakamoto", height: 40 });
      addPlainFiles(dir);
      const reference = await coldCopy(dir, join(base, "reference"));
      const frozen = await freezer().freeze(requestFor(dir, join(base, "state")), true);
      try {
        if (frozen.directory === undefined || frozen.directory === dir) return;
        expect(await examineCopy(frozen.directory)).toEqual(reference.digests);
      } finally {
        await frozen.release();
      }
    });

    test("a dead run's leavings are removed, and nobody else's", async () => {
      const base = await place();
      const dir = join(base, "mainnet");
      createChainstate(dir, { era: "nakamoto", height: 20, blocksInWal: 2 });
      const dead = requestFor(dir, join(base, "state"));
      const alive = requestFor(dir, join(base, "state"));
      await freezer().probe(dead);
      const left = await freezer().freeze(dead, true);
      const other = await freezer().freeze(alive, true);
      try {
        await freezer().cleanUp(dead.runId, dead);
        await copyView(other.view, join(base, "copy"));
        await other.assertFrozen();
      } finally {
        await left.release();
        await other.release();
      }
      expect(existsSync(dead.stateDir) ? readdirSync(dead.stateDir) : []).toEqual([]);
    });

    test("an abort while it freezes leaves nothing", async () => {
      const base = await place();
      const dir = join(base, "mainnet");
      createChainstate(dir, { era: "nakamoto", height: 20, blocksInWal: 2 });
      const before = readdirSync(base).sort();
      for (const delayMs of [0, 5, 30, 80]) {
        const stop = new AbortController();
        const request = { ...requestFor(dir, join(base, "state")), signal: stop.signal };
        setTimeout(() => stop.abort(), delayMs);
        const outcome = await freezer()
          .freeze(request, true)
          .then(
            (frozen) => frozen.release(),
            (error: unknown) => error,
          );
        expect(outcome === undefined || hasCode(outcome, "CANCELLED")).toBe(true);
        expectNothingLeft(base, before, request);
      }
    });

    test.skipIf(name === "sqlite")("refuses a running node", async () => {
      const base = await place();
      const dir = join(base, "mainnet");
      mkdirSync(dir, { recursive: true });
      await expect(freezer().freeze(requestFor(dir, join(base, "state")), false)).rejects.toMatchObject({
        code: "FREEZE_UNSUPPORTED",
      });
    });
  });
}

function isDirectory(path: string): boolean {
  return lstatSync(path).isDirectory();
}

/** Fails when the writer does not get on: nothing a freezer does may stop a node. */
async function growsBy(writer: Writer, blocks: number): Promise<void> {
  const { height } = await writer.progress();
  await expect.poll(async () => (await writer.progress()).height).toBeGreaterThan(height + blocks);
}

interface ColdCopy {
  readonly digests: Record<string, string>;
  readonly plainFiles: ReadonlyMap<string, Buffer>;
}

async function coldCopy(dir: string, target: string): Promise<ColdCopy> {
  await cp(dir, target, { recursive: true, filter: (path) => !path.endsWith("-shm") });
  const plainFiles = new Map<string, Buffer>();
  for (const path of plainPaths) plainFiles.set(path, readFileSync(join(target, path)));
  return { digests: await examineCopy(target), plainFiles };
}

const writeOnce = `chainstate/blocks/abcd/ef01/${"abcdef01".repeat(8)}`;
const laterBlock = `chainstate/blocks/abcd/ef02/${"abcdef02".repeat(8)}`;
const besideBlocks = "chainstate/blocks/abcd-notes";
const plainPaths: string[] = [besideBlocks, "notes.txt", writeOnce, "ünï cödé/empty", "rollback.sqlite"];

function addPlainFiles(dir: string): void {
  for (const path of plainPaths) mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, "notes.txt"), "height = 1\n");
  writeFileSync(join(dir, writeOnce), Buffer.alloc(10_000, 7));
  // Sorts between a directory of blocks and what is in it.
  writeFileSync(join(dir, besideBlocks), "no block");
  writeFileSync(join(dir, "ünï cödé/empty"), "");
  const database = new DatabaseSync(join(dir, "rollback.sqlite"));
  database.exec("PRAGMA journal_mode = delete; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
  database.close();
}

function disturbPlainFiles(dir: string): void {
  writeFileSync(join(dir, "notes.txt"), "height = 2, and more than before\n");
  appendFileSync(join(dir, "ünï cödé/empty"), "no longer");
  writeFileSync(join(dir, "later.txt"), "not part of the cut");
  mkdirSync(dirname(join(dir, laterBlock)));
  writeFileSync(join(dir, laterBlock), Buffer.alloc(5000, 8));
  const database = new DatabaseSync(join(dir, "rollback.sqlite"));
  database.exec("INSERT INTO t VALUES (2)");
  database.close();
}

function expectNothingLeft(base: string, before: readonly string[], request: FreezeRequest): void {
  expect(keepersOf()).toEqual([]);
  const after = readdirSync(base).filter((name) => !["copy", "reference", "state"].includes(name));
  expect(after.sort()).toEqual(before.filter((name) => name !== "reference"));
  expect(existsSync(request.stateDir) ? readdirSync(request.stateDir) : []).toEqual([]);
  expect(
    readdirSync(request.chainstateDir).filter((name) => name.startsWith(".chainstate-snapshot")),
  ).toEqual([]);
}
