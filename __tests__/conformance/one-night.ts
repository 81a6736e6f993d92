/** What the tests of many nights do with one: bring it back by us and by plain tar, and take it off the store. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { openDirectoryView } from "../../src/archive/write/directory-view.ts";
import { unpackArchive } from "../../src/archive/read/reader.ts";
import { snapshotFolder } from "../../src/catalog/ids.ts";
import { reconcile } from "../../src/catalog/publish.ts";
import type { RunContext } from "../../src/commands/context.ts";
import { openArchive } from "../../src/commands/open-snapshot.ts";
import type { Manifest } from "../../src/domain/manifest.ts";
import type { ViewOf } from "../../src/freeze/port.ts";
import type { Journal } from "../../src/recovery/journal.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { openReport } from "../../src/report/run-report.ts";
import { systemClock } from "../../src/system/clock.ts";

const signal = new AbortController().signal;

export const viewOf: ViewOf = (directory, selection) => openDirectoryView({ directory, selection });

export interface Night {
  readonly store: ObjectStore;
  readonly manifest: Manifest;
}

export async function unpackNight(night: Night, scratch: string, target: string): Promise<void> {
  const { source, indexFile, record } = await openArchive(night, scratch, signal);
  await unpackArchive({
    source,
    indexFile,
    indexDigest: record.index,
    target,
    owner: "mine",
    concurrency: 1,
    durable: false,
    signal,
  });
}

/** Returns the mode directory below `target`. */
export async function untarNight({ store, manifest }: Night, target: string): Promise<string> {
  mkdirSync(target);
  const tar = spawn("tar", ["--zstd", "-x", "-C", target], { stdio: ["pipe", "ignore", "inherit"] });
  const ended = once(tar, "close");
  const { chunks } = await store.stream(manifest.archive?.key ?? "", { signal });
  await pipeline(Readable.from(chunks), tar.stdin);
  assert.equal((await ended)[0], 0);
  return join(target, "mainnet");
}

export async function removeNight({ store, manifest }: Night): Promise<void> {
  for await (const { key } of store.list(`${snapshotFolder(manifest.id)}/`, signal))
    await store.delete(key, signal);
  await reconcile(store, systemClock, signal);
}

/** What archiving asks of its context; nothing else may be used. */
export async function contextIn(tempDir: string, runId = "run"): Promise<RunContext> {
  const report = await openReport({
    step: "main",
    environment: {},
    toolVersion: "test",
    write: (text) => {
      if (process.env["NIGHTS_LOG"] !== undefined) process.stderr.write(text);
    },
  });
  const ctx: Pick<RunContext, "host" | "report" | "clock" | "signal" | "viewOf"> = {
    host: {
      runId,
      hostName: "host-a",
      tempDir,
      stateDir: join(tempDir, "state"),
      tool: { name: "test", version: "0" },
    },
    report,
    clock: systemClock,
    signal,
    viewOf,
  };
  return ctx as RunContext;
}

export const forgetfulJournal = { update: async () => undefined } as unknown as Journal;

/** mulberry32: numbers from 0 to below `below`, the same for the same seed. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
