/**
 * Thirty nights on one store: a chainstate that grows and changes, a snapshot of each night made from the one before, and
 * earlier ones removed in any order meanwhile. Each must come back byte for byte, by plain tar and by us, when whatever it
 * was made from is long gone. Through the program's own order of things: base, archive, publishing, reading.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { beginsSegment } from "../../src/archive/format/segments.ts";
import type { Manifest } from "../../src/domain/manifest.ts";
import { claimSnapshotId, publish } from "../../src/catalog/publish.ts";
import { selectEntries } from "../../src/chainstate/layout.ts";
import { surveyTree } from "../../src/freeze/survey.ts";
import { archiveView } from "../../src/commands/snapshot/archive.ts";
import { tryFindBase } from "../../src/commands/snapshot/base.ts";
import { coldFreezer } from "../../src/freeze/cold.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { sampleManifest } from "../catalog/samples.ts";
import { has } from "../tools.ts";
import {
  contextIn,
  forgetfulJournal,
  randomFrom,
  removeNight,
  unpackNight,
  untarNight,
  viewOf,
} from "./one-night.ts";

export interface NightsOptions {
  readonly name: string;
  /** A store with nothing in it. */
  readonly open: () => Promise<ObjectStore>;
}

const hasZstd = has("zstd");
const nights = Number(process.env["NIGHTS"] ?? 30);
/** Snapshots that stand at once, at most. */
const keptAtOnce = 5;
const KiB = 1024;
const MiB = 1024 * KiB;
const { signal } = new AbortController();

export function describeNights({ name, open }: NightsOptions): void {
  const seed = Number(process.env["NIGHTS_SEED"] ?? Date.now() % 0x7fffffff);
  describe(`${nights} nights on ${name} (NIGHTS_SEED=${seed})`, () => {
    test(
      `each comes back whole, by us ${hasZstd ? "and by tar" : "(no zstd here: not by tar)"}, whatever of the others was removed, in any order`,
      { timeout: nights * 120_000 },
      async () => {
        const scratch = mkdtempSync(join(tmpdir(), "nights-"));
        const store = await open();
        try {
          const run = new Nights(store, scratch, randomFrom(seed));
          await run.all();
          // A night that took nothing from the one before would prove nothing. How much it can take is the store's limits' affair.
          expect(run.leastReused).toBeGreaterThan(0);
          console.log(`${name}: ${JSON.stringify(run.figures())}`);
        } finally {
          await removeAll(store);
          await store.close();
          rmSync(scratch, { recursive: true, force: true });
        }
      },
    );
  });
}

class Nights {
  readonly #store: ObjectStore;
  readonly #scratch: string;
  readonly #random: (below: number) => number;
  readonly #chainstate: Chainstate;
  readonly #standing: { readonly manifest: Manifest; readonly tree: Tree }[] = [];
  readonly #startedAt = performance.now();
  #sentBytes = 0;
  #archiveBytes = 0;
  #reusedFrames = 0;
  #leastReused = Infinity;
  #frames = 0;

  constructor(store: ObjectStore, scratch: string, random: (below: number) => number) {
    this.#store = store;
    this.#scratch = scratch;
    this.#random = random;
    this.#chainstate = new Chainstate(join(scratch, "mainnet"), random);
  }

  async all(): Promise<void> {
    for (let night = 0; night < nights; night += 1) {
      if (night > 0) this.#chainstate.change();
      await this.#take(night);
      while (this.#standing.length > keptAtOnce) await this.#proveAndRemoveOne();
    }
    while (this.#standing.length > 0) await this.#proveAndRemoveOne();
  }

  /** Frames taken from the night before, in the night with the fewest; the first has none before it. */
  get leastReused(): number {
    return this.#leastReused;
  }

  figures(): unknown {
    return {
      seconds: Math.round((performance.now() - this.#startedAt) / 100) / 10,
      archivesMiB: Math.round(this.#archiveBytes / MiB),
      sentMiB: Math.round(this.#sentBytes / MiB),
      frames: this.#frames,
      reusedFrames: this.#reusedFrames,
    };
  }

  async #take(night: number): Promise<void> {
    const store = this.#store;
    const at = new Date(Date.UTC(2026, 0, 1 + night, 3));
    const chainstateDir = this.#chainstate.directory;
    const ctx = await contextIn(this.#scratch);
    const selection = selectEntries("backup");
    const request = { chainstateDir, selection, runId: "run", stateDir: this.#scratch, signal };
    const frozen = await coldFreezer({ viewOf }).freeze(request, true);
    const { chain } = sampleManifest({ at, height: 1000 + night });
    const base = await tryFindBase(ctx, store, "mainnet");
    assert.equal(base?.id, this.#standing.at(-1)?.manifest.id);
    const claimed = await claimSnapshotId(store, chain, at, "run", signal);
    const stored = await archiveView(
      {
        config: {
          storage: { scheme: "file", url: "", directory: "" },
          compressionLevel: 1,
          concurrency: 1,
          rateLimits: {},
        },
        ctx,
        journal: forgetfulJournal,
        store,
      },
      {
        frozen,
        rootName: "mainnet",
        nodeVersion: "4.0.2",
        expected: await surveyTree(ctx.viewOf, request),
        base,
        claimed,
        signal,
      },
    );
    await base?.withdraw();
    const sample = sampleManifest({ at, height: 1000 + night });
    const manifest = await publish(store, { ...sample, id: claimed.id, archive: stored.record }, signal);
    this.#archiveBytes += stored.record.size;
    this.#sentBytes += stored.record.uploadedBytes;
    this.#frames += stored.record.frames;
    const reused = stored.record.reused?.frames ?? 0;
    this.#reusedFrames += reused;
    if (night > 0) this.#leastReused = Math.min(this.#leastReused, reused);
    this.#standing.push({ manifest, tree: treeOf(chainstateDir) });
  }

  /** Any but the newest while nights go on, so that the next one has its base; and then that one too. */
  async #proveAndRemoveOne(): Promise<void> {
    const choices = this.#standing.length > keptAtOnce ? this.#standing.length - 1 : this.#standing.length;
    const [chosen] = this.#standing.splice(this.#random(choices), 1);
    if (chosen === undefined) throw new RangeError("nothing stands");
    const { manifest, tree } = chosen;
    assert.deepEqual(await this.#restored(manifest), tree, `${manifest.id} by us`);
    if (hasZstd) assert.deepEqual(await this.#untarred(manifest), tree, `${manifest.id} by tar`);
    await removeNight({ store: this.#store, manifest });
  }

  async #restored(manifest: Manifest): Promise<Tree> {
    return await this.#into("by-us", async (target) => {
      await unpackNight({ store: this.#store, manifest }, this.#scratch, target);
      return target;
    });
  }

  async #untarred(manifest: Manifest): Promise<Tree> {
    return await this.#into("by-tar", (target) => untarNight({ store: this.#store, manifest }, target));
  }

  async #into(name: string, restore: (target: string) => Promise<string>): Promise<Tree> {
    const target = join(this.#scratch, name);
    try {
      return treeOf(await restore(target));
    } finally {
      rmSync(target, { recursive: true, force: true });
    }
  }
}

/**
 * Blobs that grow, tables whose pages change, files that come and go. Incompressible, so that what is sent is what
 * changed; about 60 MB, most of it in frames below the 5 MiB that S3 wants of a part.
 */
class Chainstate {
  readonly directory: string;
  readonly #random: (below: number) => number;
  readonly #tables: string[];
  #files = 0;

  constructor(directory: string, random: (below: number) => number) {
    this.directory = directory;
    this.#random = random;
    mkdirSync(directory);
    writeFileSync(join(directory, "marf.sqlite.blobs"), randomBytes(33 * MiB));
    this.#tables = namesThatBegin("table", 20);
    for (const name of this.#tables)
      writeFileSync(join(directory, name), randomBytes((512 + random(1536)) * KiB));
    this.#addFiles();
  }

  change(): void {
    appendFileSync(join(this.directory, "marf.sqlite.blobs"), randomBytes(1 + this.#random(600 * KiB)));
    for (let changed = this.#random(3); changed >= 0; changed -= 1) this.#changePage();
    this.#addFiles();
    const [first] = readdirSync(join(this.directory, "blocks"));
    if (this.#random(3) === 0 && first !== undefined) rmSync(join(this.directory, "blocks", first));
  }

  #changePage(): void {
    const name = this.#tables[this.#random(this.#tables.length)] ?? "";
    const descriptor = openSync(join(this.directory, name), "r+");
    writeSync(descriptor, randomBytes(4 * KiB), 0, 4 * KiB, this.#random(100) * 4 * KiB);
    closeSync(descriptor);
  }

  #addFiles(): void {
    mkdirSync(join(this.directory, "blocks"), { recursive: true });
    for (let count = 1 + this.#random(20); count > 0; count -= 1) {
      this.#files += 1;
      writeFileSync(join(this.directory, "blocks", `block-${this.#files}`), randomBytes(this.#random(3000)));
    }
  }
}

/** Names of entries that begin a segment each, so that the archive has many frames of their sizes. */
function namesThatBegin(prefix: string, count: number): string[] {
  const names: string[] = [];
  for (let at = 0; names.length < count; at += 1)
    if (beginsSegment(`${prefix}-${at}`)) names.push(`${prefix}-${at}`);
  return names;
}

/** Path to digest, or "directory". */
type Tree = Readonly<Record<string, string>>;

function treeOf(root: string): Tree {
  const tree: Record<string, string> = {};
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    tree[path.slice(root.length + 1)] = entry.isDirectory()
      ? "directory"
      : createHash("sha256").update(readFileSync(path)).digest("hex");
  }
  return tree;
}

async function removeAll(store: ObjectStore): Promise<void> {
  for await (const { key } of store.list("", signal)) await store.delete(key, signal);
}
