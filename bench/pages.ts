/**
 * What a night costs where few new rows land in pages all over a database, as on mainnet: bytes sent with `rebase-above` and
 * without, beside the pages that changed, compressed each by itself.
 *
 *   npm run node24 -- bench/pages.ts [ROWS] [SHARE OF NEW ROWS] [NIGHTS]
 *
 * The table is the node's `data_table`, its keys are hashes, a tenth of a night's rows replace old ones. 2,000,000 rows are 560 MB.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDirectoryView } from "../src/archive/write/directory-view.ts";
import { claimSnapshotId, publish } from "../src/catalog/publish.ts";
import { archiveView } from "../src/commands/snapshot/archive.ts";
import { tryFindBase } from "../src/commands/snapshot/base.ts";
import { openPages } from "../src/commands/snapshot/pages.ts";
import type { SnapshotRun } from "../src/commands/snapshot/plan.ts";
import type { ArchiveRecord } from "../src/domain/manifest.ts";
import { openReport } from "../src/report/run-report.ts";
import { openStore } from "../src/store/registry.ts";
import { systemClock } from "../src/system/clock.ts";
import { sampleManifest } from "../__tests__/catalog/samples.ts";
import { HashKeyed } from "./hash-keyed.ts";

const [rows = 2_000_000, share = 0.0005, nights = 3] = process.argv.slice(2).map(Number);
const { signal } = new AbortController();
const root = mkdtempSync(join(tmpdir(), "bench-pages-"));
const chainstateDir = join(root, "mainnet");
const database = join(chainstateDir, "marf.sqlite");

const rowsOf = new HashKeyed(database);

async function night(name: string, number: number, rebaseAbove: number): Promise<ArchiveRecord> {
  const directory = join(root, name);
  mkdirSync(directory, { recursive: true });
  const storage = { scheme: "file", url: `file://${directory}`, directory } as const;
  const store = await openStore(storage, { environment: {} });
  const report = await openReport({
    step: "main",
    environment: {},
    toolVersion: "bench",
    write: () => undefined,
  });
  const host = { runId: "run", hostName: "bench", tempDir: root, stateDir: join(root, `${name}-state`) };
  const config = { chainstateDir, storage, compressionLevel: 3, concurrency: 2, rateLimits: {}, rebaseAbove };
  const ctx = {
    host: { ...host, tool: { name: "bench", version: "0" } },
    report,
    clock: systemClock,
    signal,
  };
  // What archiving does not ask for is not there.
  const run = { config, ctx, store, journal: { update: async () => undefined } } as unknown as SnapshotRun;
  const at = new Date(Date.UTC(2026, 0, 1 + number, 3));
  const sample = sampleManifest({ at, height: 1000 + number });
  const base = await tryFindBase(run.ctx, store, "mainnet");
  const claimed = await claimSnapshotId(store, sample.chain, at, "run", signal);
  const view = await openDirectoryView({ directory: chainstateDir });
  const pages = await openPages(run, base, false, signal);
  const { record } = await archiveView(run, {
    frozen: {
      view: pages?.carried(view) ?? view,
      method: "cold",
      at,
      broken: Promise.withResolvers<never>().promise,
      assertFrozen: async () => undefined,
      release: async () => undefined,
    },
    rootName: "mainnet",
    nodeVersion: "4.0.2",
    expected: { entries: 10, contentBytes: 2 * statSync(database).size },
    base,
    claimed,
    signal,
  });
  await pages?.close();
  await base?.withdraw();
  const archive = pages === undefined ? record : { ...record, databases: [...pages.records] };
  await publish(store, { ...sample, id: claimed.id, archive }, signal);
  await pages?.tryRemember();
  await store.close();
  return archive;
}

const MB = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

try {
  mkdirSync(chainstateDir);
  rowsOf.addRows(rows, 0);
  console.log(`${rows} rows, ${MB(statSync(database).size)}; ${share * 100} % new rows a night`);
  for (let number = 0; number <= nights; number += 1) {
    if (number > 0) rowsOf.addRows(Math.ceil(rows * share), 0.1);
    for (const [name, rebaseAbove] of [
      ["segments", 0],
      ["pages", 0.2],
    ] as const) {
      const begun = performance.now();
      const { uploadedBytes, databases = [] } = await night(name, number, rebaseAbove);
      const seconds = ((performance.now() - begun) / 1000).toFixed(1);
      const changed = databases[0]?.carried?.changedPages;
      const of = changed === undefined ? "" : `, ${changed} changed pages of ${databases[0]?.pages}`;
      console.log(`night ${number}, ${name}: ${MB(uploadedBytes)} sent in ${seconds} s${of}`);
    }
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
