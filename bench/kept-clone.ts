/**
 * What a night reads, sends and takes on a file system that shares blocks: by segments, by pages (`rebase-above`), and with a clone
 * kept from the night before (`keep-clone`), in turns on the same nights.
 *
 *   npm run node24 -- bench/kept-clone.ts --place DIR [--rows 7000000] [--blobs 2e9] [--share 0.001] [--nights 2]
 *
 * DIR is on XFS or btrfs, and empty. A night adds a share of rows under hash keys, a tenth of which replace old ones, and as large a share of
 * `.blobs`. Each way has a store of its own there, which copies by itself. From the freeze to what is remembered for the next night; what the databases are
 * read back for (`check`) is not in it. Before each the caches are dropped (as root), and bytes read are the kernel's count.
 */
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { openDirectoryView } from "../src/archive/write/directory-view.ts";
import { claimSnapshotId, publish } from "../src/catalog/publish.ts";
import { databaseOfBlobs, selectEntries } from "../src/chainstate/layout.ts";
import { archiveView } from "../src/commands/snapshot/archive.ts";
import { tryFindBase } from "../src/commands/snapshot/base.ts";
import { openBlobs } from "../src/commands/snapshot/blobs.ts";
import { openKeptClone } from "../src/commands/snapshot/kept-clone.ts";
import { openPages } from "../src/commands/snapshot/pages.ts";
import type { SnapshotRun } from "../src/commands/snapshot/plan.ts";
import { sweepKept } from "../src/freeze/kept.ts";
import type { ViewOf } from "../src/freeze/port.ts";
import { reflinkFreezer } from "../src/freeze/reflink.ts";
import { openReport } from "../src/report/run-report.ts";
import { openStore } from "../src/store/registry.ts";
import { systemClock } from "../src/system/clock.ts";
import { sampleManifest } from "../__tests__/catalog/samples.ts";
import { HashKeyed } from "./hash-keyed.ts";
import { selfCopying, type Archives } from "./self-copying-store.ts";

const { values } = parseArgs({
  options: {
    place: { type: "string" },
    rows: { type: "string", default: "7000000" },
    blobs: { type: "string", default: "2e9" },
    share: { type: "string", default: "0.001" },
    nights: { type: "string", default: "2" },
  },
});
const { place } = values;
if (place === undefined) throw new Error("--place is missing.");
const [rows, blobsBytes, share, nights] = [values.rows, values.blobs, values.share, values.nights].map(
  Number,
) as [number, number, number, number];
const { signal } = new AbortController();
const chainstateDir = join(place, "mainnet");
const clarity = join(chainstateDir, "chainstate/vm/clarity/marf.sqlite");
const blobs = `${clarity}.blobs`;
const data = new HashKeyed(clarity);
const archivesOf = new Map<string, Archives>();
const viewOf: ViewOf = (directory, selection) =>
  openDirectoryView({ directory, selection, followLink: databaseOfBlobs });

const ways = [
  { name: "segments", rebaseAbove: 0, keepClone: false, rereadBlobs: 1 },
  { name: "pages", rebaseAbove: 0.2, keepClone: false, rereadBlobs: 0.01 },
  { name: "clone", rebaseAbove: 0.2, keepClone: true, rereadBlobs: 0.01 },
] as const;

/** The end that the database records, as `reread-blobs` asks for it. */
function growBlobs(bytes: number): void {
  const piece = randomBytes(4 * 1024 * 1024);
  // Of content that compresses as tries do.
  piece.fill("trie", 0, 2_600_000);
  for (let left = bytes; left > 0; left -= piece.length) {
    piece.writeDoubleBE(Math.random(), piece.length - 8);
    appendFileSync(blobs, piece.subarray(0, Math.min(left, piece.length)));
  }
  const database = new DatabaseSync(clarity);
  database.exec(
    "CREATE TABLE IF NOT EXISTS marf_data (block_id INTEGER PRIMARY KEY, block_hash TEXT UNIQUE NOT NULL, data BLOB NOT NULL, unconfirmed INTEGER NOT NULL, external_offset INTEGER DEFAULT 0 NOT NULL, external_length INTEGER DEFAULT 0 NOT NULL)",
  );
  const { size } = statSync(blobs);
  database
    .prepare(
      "INSERT INTO marf_data (block_hash, data, unconfirmed, external_offset, external_length) VALUES (?, '', 0, ?, ?)",
    )
    .run(randomBytes(32).toString("hex"), size - 100, 100);
  database.close();
}

function bytesRead(): number {
  return Number(/^read_bytes: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
}

interface Figures {
  readonly seconds: number;
  /** Of it, those in which a node would be down. */
  readonly freezeSeconds: number;
  readonly read: number;
  readonly sent: number;
  readonly changedPages: number | undefined;
  readonly facts: readonly string[];
}

async function night(way: (typeof ways)[number], number: number): Promise<Figures> {
  const directory = join(place ?? "", `store-${way.name}`);
  mkdirSync(directory, { recursive: true });
  const storage = { scheme: "file", url: `file://${directory}`, directory } as const;
  const opened = await openStore(storage, { environment: {} });
  const archives = archivesOf.get(way.name) ?? new Map<never, never>();
  archivesOf.set(way.name, archives);
  const store = selfCopying(opened, directory, archives);
  const report = await openReport({
    step: "main",
    environment: {},
    toolVersion: "bench",
    write: () => undefined,
  });
  const runId = `${way.name}-${number}`;
  const [tempDir, stateDir] = [join(place ?? "", "temp"), join(place ?? "", `state-${way.name}`)];
  mkdirSync(tempDir, { recursive: true });
  const config = { chainstateDir, storage, compressionLevel: 3, concurrency: 2, rateLimits: {}, ...way };
  const host = { runId, hostName: "bench", tempDir, stateDir, tool: { name: "bench", version: "0" } };
  // What archiving does not ask for is not there.
  const run = {
    config,
    ctx: { host, report, clock: systemClock, signal },
    store,
    journal: { update: async () => undefined },
  } as unknown as SnapshotRun;
  execFileSync("sync");
  writeFileSync("/proc/sys/vm/drop_caches", "3");
  const [begun, readBefore] = [performance.now(), bytesRead()];
  const selection = selectEntries("backup", []);
  const request = { chainstateDir, selection, runId, stateDir, signal };
  mkdirSync(stateDir, { recursive: true });
  const base = await tryFindBase(run.ctx, store, "mainnet");
  const freezeBegun = performance.now();
  const frozen = await reflinkFreezer({ viewOf }).freeze(request, true);
  const freezeSeconds = (performance.now() - freezeBegun) / 1000;
  const at = new Date(Date.UTC(2026, 0, 1 + number, 3));
  const sample = sampleManifest({ at, height: 1000 + number });
  const claimed = await claimSnapshotId(store, sample.chain, at, "run", signal);
  const kept = await openKeptClone(run, base, frozen);
  const pages = await openPages(run, base, false, signal, kept?.clones);
  const blobFiles = await openBlobs(run, base, frozen, signal);
  const view = blobFiles?.spared(frozen.view) ?? frozen.view;
  const { record } = await archiveView(run, {
    frozen: { ...frozen, view: pages?.carried(view) ?? view },
    rootName: "mainnet",
    nodeVersion: "4.0.2",
    expected: { entries: 10, contentBytes: 2 * (statSync(clarity).size + statSync(blobs).size) },
    base,
    claimed,
    signal,
  });
  await pages?.close();
  await frozen.release();
  await base?.withdraw();
  const archive = pages === undefined ? record : { ...record, databases: [...pages.records] };
  await publish(store, { ...sample, id: claimed.id, archive }, signal);
  await pages?.tryRemember();
  await blobFiles?.tryRemember(claimed.id, archive);
  await kept?.tryRemember(claimed.id, archive);
  const seconds = (performance.now() - begun) / 1000;
  const read = bytesRead() - readBefore;
  if (way.keepClone) await sweepKept({ stateDir, chainstateDir }, Date.now());
  await store.close();
  const facts = report.record.facts.map(({ label, value }) => `${label}: ${value}`);
  const changedPages = archive.databases?.[0]?.carried?.changedPages;
  return { seconds, freezeSeconds, read, sent: archive.uploadedBytes, changedPages, facts };
}

const MB = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

mkdirSync(join(chainstateDir, "chainstate/vm/clarity"), { recursive: true });
data.addRows(rows, 0);
growBlobs(blobsBytes);
const sizes = [clarity, blobs].map((path) => MB(statSync(path).size)).join(" and ");
console.log(`${rows} rows, ${sizes} of .blobs; ${share * 100} % new a night`);
const first = new Map<string, number>();
for (let number = 0; number <= nights; number += 1) {
  if (number > 0) {
    data.addRows(Math.ceil(rows * share), 0.1);
    growBlobs(Math.ceil(blobsBytes * share));
  }
  for (const way of ways) {
    const { seconds, freezeSeconds, read, sent, changedPages, facts } = await night(way, number);
    if (number === 0) first.set(way.name, seconds);
    const ratio = (seconds / (first.get(way.name) ?? seconds)).toFixed(3);
    const changed = (changedPages ?? 0) * 4096 + blobsBytes * share;
    const of =
      changedPages === undefined
        ? ""
        : `; changed: ${changedPages} pages and .blobs, ${MB(changed)}: read ${(read / changed).toFixed(2)} times that`;
    console.log(
      `night ${number}, ${way.name}: ${seconds.toFixed(2)} s (${ratio} of the first), ${freezeSeconds.toFixed(2)} s to freeze, ${MB(read)} read, ${MB(sent)} sent${of}`,
    );
    for (const fact of facts) if (/Not read|Kept/.test(fact)) console.log(`  ${fact}`);
  }
}
