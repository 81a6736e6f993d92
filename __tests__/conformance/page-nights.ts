/**
 * Nights on one store of which each sends the pages that changed: databases with WALs in every state, some archived anew,
 * some shrunken, some gone, and earlier snapshots removed in any order. Each must come back by us, and by `tar` and SQLite
 * alone, by the one in Node and by the system's, to what a cold copy of that night is: every page of every database. With the cut "frozen" SQLite's readers hold the
 * databases ("live": of a node that was never stopped), a writer goes on in all of them with checkpoints of each kind, and the copy is
 * one of the view. "reflink" is a clone, with another one kept from night to night (`keep-clone`). `NIGHTS=60` is the long form.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { claimSnapshotId, publish } from "../../src/catalog/publish.ts";
import { foldWals } from "../../src/chainstate/fold.ts";
import { selectEntries } from "../../src/chainstate/layout.ts";
import { archiveView } from "../../src/commands/snapshot/archive.ts";
import { tryFindBase } from "../../src/commands/snapshot/base.ts";
import { openConfirming } from "../../src/commands/confirm.ts";
import { openKeptClone } from "../../src/commands/snapshot/kept-clone.ts";
import { openPages } from "../../src/commands/snapshot/pages.ts";
import type { SnapshotRun } from "../../src/commands/snapshot/plan.ts";
import type { SnapshotConfig } from "../../src/config/config.ts";
import type { DatabaseRecord, Manifest } from "../../src/domain/manifest.ts";
import { coldFreezer } from "../../src/freeze/cold.ts";
import { sweepKept } from "../../src/freeze/kept.ts";
import type { Freezer, FreezeRequest, FrozenView } from "../../src/freeze/port.ts";
import { reflinkFreezer } from "../../src/freeze/reflink.ts";
import { sqliteFreezer } from "../../src/freeze/sqlite/sqlite.ts";
import type { Clones } from "../../src/pages/carrier.ts";
import { differentPages } from "../../src/pages/verify-pages.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { sampleManifest } from "../catalog/samples.ts";
import { copyView, rules } from "../freeze/support.ts";
import { foldedTree, type Random } from "../pages/changing-databases.ts";
import { checkpoints, DatabaseHost } from "../pages/database-host.ts";
import { has, memoryDirectory } from "../tools.ts";
import {
  contextIn,
  forgetfulJournal,
  randomFrom,
  removeNight,
  unpackNight,
  untarNight,
  viewOf,
} from "./one-night.ts";

export interface PageNightsOptions {
  readonly name: string;
  /** A store with nothing in it. */
  readonly open: () => Promise<ObjectStore>;
  readonly cut: "cold" | "frozen" | "live" | "reflink";
  /** Where the chainstate is; in memory by default. */
  readonly place?: () => string;
}

const nights = Number(process.env["NIGHTS"] ?? 5);
const keptAtOnce = 4;
const hasSqlite = has("sqlite3");
const MiB = 1024 ** 2;
const { signal } = new AbortController();

export function describePageNights({ name, open, cut, place }: PageNightsOptions): void {
  const seed = Number(process.env["NIGHTS_SEED"] ?? Date.now() % 0x7fffffff);
  describe(`${nights} ${cut} nights of changed pages on ${name} (NIGHTS_SEED=${seed})`, () => {
    test.skipIf(!has("zstd"))(
      "each is, by us and by tar and SQLite alone, what a cold copy of it is",
      { timeout: nights * 120_000 },
      async () => {
        const scratch = mkdtempSync(join(place?.() ?? memoryDirectory(), "page-nights-"));
        const store = await open();
        const run = new PageNights(store, scratch, seed, cut);
        try {
          await run.all();
          // What was never carried proves nothing.
          expect(run.carried).toBeGreaterThanOrEqual(nights - 1);
          expect(run.written > 0).toBe(cut !== "cold");
          expect(run.unread > 0).toBe(cut === "reflink");
        } finally {
          console.log(`${name}: ${JSON.stringify(run.figures())}`);
          await run.close();
          for await (const { key } of store.list("", signal)) await store.delete(key, signal);
          await store.close();
          rmSync(scratch, { recursive: true, force: true });
        }
      },
    );
  });
}

type Tree = ReturnType<typeof foldedTree>;

class PageNights {
  readonly #store: ObjectStore;
  readonly #scratch: string;
  readonly #random: Random;
  readonly #root: string;
  readonly #databases: DatabaseHost;
  readonly #paths: string[] = [];
  readonly #standing: { readonly manifest: Manifest; readonly tree: Tree }[] = [];
  #sentBytes = 0;
  #archiveBytes = 0;
  readonly #cut: PageNightsOptions["cut"];
  carried = 0;
  /** Pages that were on the blocks of the night before. */
  unread = 0;
  #looked = 0;
  #anew = 0;

  constructor(store: ObjectStore, scratch: string, seed: number, cut: PageNightsOptions["cut"]) {
    this.#cut = cut;
    this.#databases = new DatabaseHost(seed);
    this.#store = store;
    this.#scratch = scratch;
    this.#random = randomFrom(seed);
    this.#root = join(scratch, "mainnet");
    mkdirSync(this.#root);
    writeFileSync(join(this.#root, "a.sqlite.blobs"), randomBytes(5 * MiB));
  }

  /** Transactions while views were read. */
  get written(): number {
    return this.#databases.written;
  }

  async #appear(name: string): Promise<void> {
    const pageSize = 2 ** (10 + this.#random(5));
    const rows = 19_000 + this.#random(4_000);
    const path = join(this.#root, name);
    this.#paths.push(path);
    await this.#databases.open(path, { rows, pageSize });
  }

  async all(): Promise<void> {
    // One that only gets rows, so that something is carried every night, and two to which everything happens.
    for (const name of ["a", "deep/b", "c"]) await this.#appear(`${name}.sqlite`);
    for (let night = 0; night < nights; night += 1) {
      if (night > 0) await this.#change();
      await this.#take(night);
      while (this.#standing.length > keptAtOnce) await this.#proveAndRemoveOne();
    }
    while (this.#standing.length > 0) await this.#proveAndRemoveOne();
  }

  figures(): unknown {
    return {
      archivesMiB: Math.round(this.#archiveBytes / MiB),
      sentMiB: Math.round(this.#sentBytes / MiB),
      carried: this.carried,
      anew: this.#anew,
      written: this.written,
      ...(this.#cut === "reflink" ? { unread: this.unread, looked: this.#looked } : {}),
    };
  }

  async close(): Promise<void> {
    await this.#databases.end();
  }

  async #change(): Promise<void> {
    appendFileSync(join(this.#root, "a.sqlite.blobs"), randomBytes(1 + this.#random(MiB)));
    const databases = this.#databases;
    for (const path of this.#paths) {
      await databases.call(path, "settle");
      await databases.call(
        path,
        "exec",
        `PRAGMA wal_autocheckpoint = ${[0, 10, 100, 1000][this.#random(4)]}`,
      );
      const rows = this.#random(4) === 0 ? 0 : 1 + this.#random(150);
      if (rows > 0) await databases.call(path, "add", rows);
      const how = checkpoints[this.#random(8)];
      if (how !== undefined) await databases.call(path, "exec", `PRAGMA wal_checkpoint(${how})`);
    }
    await this.#disturb();
    for (const path of this.#paths)
      if (this.#random(5) === 0) await databases.call(path, "leaveUnfinished", 200 + this.#random(500));
  }

  async #disturb(): Promise<void> {
    const [, path = "", other] = this.#paths;
    const databases = this.#databases;
    switch (this.#random(8)) {
      case 0:
        await databases.call(path, "shrink");
        break;
      case 1:
        await databases.call(path, "changePageSize", 2 ** (10 + this.#random(5)));
        break;
      case 2:
        // Whoever reads such a one keeps everybody from writing.
        if (this.#cut === "cold") await databases.call(path, "exec", "PRAGMA journal_mode = DELETE");
        break;
      case 3:
        if (other === undefined) break;
        await databases.call(other, "remove");
        this.#paths.pop();
        break;
      case 4:
        await databases.call(path, "add", 4_000);
        break;
      default:
        if (other === undefined) await this.#appear("c.sqlite");
        else await databases.call(other, "exec", "PRAGMA journal_mode = WAL");
    }
  }

  async #take(night: number): Promise<void> {
    const store = this.#store;
    const at = new Date(Date.UTC(2026, 0, 1 + night, 3));
    const ctx = await contextIn(this.#scratch, `run-${night}`);
    const config = {
      chainstateDir: this.#root,
      storage: { scheme: "file", url: "", directory: "" },
      compressionLevel: 1,
      concurrency: 2,
      rateLimits: {},
      // On a slow disk the writer goes on for longer.
      rebaseAbove: this.#cut === "reflink" ? 0.7 : 0.3,
      keepClone: this.#cut === "reflink",
    } as unknown as SnapshotConfig;
    const confirming = await openConfirming(ctx, {});
    const run: SnapshotRun = { config, ctx, journal: forgetfulJournal, store, confirming };
    const request = {
      chainstateDir: this.#root,
      selection: selectEntries("backup"),
      runId: ctx.host.runId,
      stateDir: this.#scratch,
      signal,
    };
    const { frozen, tree } = await this.#freeze(request);
    const sample = sampleManifest({ at, height: 1000 + night });
    const base = await tryFindBase(ctx, store, "mainnet");
    const claimed = await claimSnapshotId(store, sample.chain, at, "run", signal);
    const kept = await openKeptClone(run, base, frozen);
    const pages = await openPages(run, base, false, signal, kept && this.#counted(kept.clones));
    assert(pages !== undefined);
    const stored = await archiveView(run, {
      frozen: { ...frozen, view: pages.carried(frozen.view) },
      rootName: "mainnet",
      nodeVersion: "4.0.2",
      expected: { entries: 100, contentBytes: 200 * MiB },
      base,
      claimed,
      signal,
    });
    await pages.close();
    await this.#databases.rest();
    await frozen.release();
    await base?.withdraw();
    const archive = { ...stored.record, databases: [...pages.records] };
    await kept?.prove(archive.databases, signal);
    const manifest = await publish(store, { ...sample, id: claimed.id, archive }, signal);
    await pages.tryRemember();
    await kept?.tryRemember(manifest.id, archive);
    await sweepKept({ stateDir: ctx.host.stateDir, chainstateDir: this.#root }, Date.now());
    const left = readdirSync(this.#scratch).filter((each) => each.startsWith(".chainstate-snapshot-"));
    assert.equal(left.length, this.#cut === "reflink" ? 1 : 0);
    for (const { carried } of archive.databases) {
      if (carried === undefined) this.#anew += 1;
      else this.carried += 1;
    }
    this.#archiveBytes += archive.size;
    this.#sentBytes += archive.uploadedBytes;
    this.#standing.push({ manifest, tree });
  }

  #counted(clones: Clones): Clones {
    return {
      nights: clones.nights,
      exchange: async (path, database) => await clones.exchange(path, database),
      spared: async (path, database, same, different) => {
        this.unread += same.count;
        this.#looked += database.pages;
        await clones.spared(path, database, same, different);
      },
    };
  }

  /** With what a copy of the frozen state is, and the writer that goes on beside it. */
  async #freeze(request: FreezeRequest): Promise<{ frozen: FrozenView; tree: Tree }> {
    const fold = join(this.#scratch, "cold");
    if (this.#cut === "cold") {
      const frozen = await coldFreezer({ viewOf }).freeze(request, true);
      return { frozen, tree: foldedTree(this.#root, fold) };
    }
    const frozen = await this.#freezer().freeze(request, this.#cut !== "live");
    await this.#databases.write(join(this.#root, "a.sqlite.blobs"));
    const copy = join(this.#scratch, "copy");
    await copyView(frozen.view, copy);
    const tree = foldedTree(copy, fold);
    rmSync(copy, { recursive: true });
    return { frozen, tree };
  }

  #freezer(): Freezer {
    if (this.#cut === "reflink") return reflinkFreezer({ viewOf });
    // No chain is in them whose tips could agree.
    const agreeing = { ...rules, tipsAgree: async () => await Promise.resolve({ agree: true, detail: "" }) };
    return sqliteFreezer({ viewOf, rules: agreeing, limits: { minFreeBytes: 1 } });
  }

  async #proveAndRemoveOne(): Promise<void> {
    const choices = this.#standing.length > keptAtOnce ? this.#standing.length - 1 : this.#standing.length;
    const [chosen] = this.#standing.splice(this.#random(choices), 1);
    assert(chosen !== undefined);
    const { manifest, tree } = chosen;
    const target = join(this.#scratch, "restored");
    const fold = join(this.#scratch, "folded");
    const records = manifest.archive?.databases ?? [];
    assert.deepEqual(await this.#restored(manifest, records, target), [], `${manifest.id} by its digests`);
    assert.deepEqual(foldedTree(target, fold), tree, `${manifest.id} by us`);
    rmSync(target, { recursive: true, force: true });
    const plain = await untarNight({ store: this.#store, manifest }, target);
    assert.deepEqual(foldedTree(plain, fold), tree, `${manifest.id} by tar and this SQLite`);
    if (hasSqlite) {
      for (const { path } of records) foldByHand(join(plain, path));
      assert.deepEqual(foldedTree(plain, fold), tree, `${manifest.id} by tar and sqlite3`);
    }
    rmSync(target, { recursive: true, force: true });
    await removeNight({ store: this.#store, manifest });
  }

  /** As a restore does; returns the databases that are not what the manifest says. */
  async #restored(
    manifest: Manifest,
    records: readonly DatabaseRecord[],
    target: string,
  ): Promise<readonly string[]> {
    await unpackNight({ store: this.#store, manifest }, this.#scratch, target);
    await foldWals(
      target,
      records.map(({ path }) => path),
      signal,
    );
    return await differentPages({ directory: target, records, concurrency: 2, signal });
  }
}

/** The line of docs/incremental.md. */
function foldByHand(path: string): void {
  const { status, stderr } = spawnSync("sqlite3", [path, "PRAGMA wal_checkpoint(TRUNCATE)"], {
    cwd: dirname(path),
  });
  assert.equal(status, 0, String(stderr));
}
