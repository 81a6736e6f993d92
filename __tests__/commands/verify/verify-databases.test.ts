import { readdirSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openDirectoryView } from "../../../src/archive/write/directory-view.ts";
import { writeArchive } from "../../../src/archive/write/writer.ts";
import { inspectChainstate, inspectFrozen } from "../../../src/chainstate/inspect.ts";
import type { Inspection } from "../../../src/chainstate/inspect.ts";
import { databaseOfBlobs, selectEntries } from "../../../src/chainstate/layout.ts";
import { chainstateRules } from "../../../src/chainstate/freeze-rules.ts";
import { verifyDatabases } from "../../../src/commands/verify/verify-databases.ts";
import type { VerifyArchiveOptions } from "../../../src/commands/verify/verify-databases.ts";
import { sqliteFreezer } from "../../../src/freeze/sqlite/sqlite.ts";
import type { View } from "../../../src/archive/view.ts";
import { ChainWriter, createChainstate } from "../../../simulator/chainstate.ts";
import { databasePaths } from "../../../simulator/schema.ts";
import { openLocalSink, openLocalSource } from "../../archive/local-archive.ts";

const { signal } = new AbortController();
const selection = selectEntries("backup");
const viewOf = (directory: string, selected = selection): Promise<View> =>
  openDirectoryView({ directory, selection: selected, followLink: databaseOfBlobs });

async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "proof-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Archives a view and proves the archive against what was found in the cut. */
async function archiveAndProve(
  base: string,
  view: View,
  cut: Inspection,
  depth: VerifyArchiveOptions["depth"],
) {
  const file = join(base, "a.tar.zst");
  const indexFile = join(base, "index.json.zst");
  const sink = await openLocalSink(file);
  await writeArchive({ view, rootName: "mainnet", sink, indexFile, level: 1, concurrency: 2, signal });
  await sink.close();
  const source = await openLocalSource(file);
  onTestFinished(() => source.close());
  const ifDifferent = "hint";
  return verifyDatabases({
    records: [],
    source,
    indexFile,
    scratchParent: base,
    depth,
    cut,
    ifDifferent,
    concurrency: 2,
    signal,
  });
}

test.for(["tips", "quick", "full"] as const)(
  "an archive of a stopped node holds its moment (%s)",
  async (depth) => {
    const base = await scratch();
    const dir = join(base, "mainnet");
    createChainstate(dir, { era: "nakamoto", height: 50 });
    const cut = await inspectChainstate({ dir, depth, signal });
    const proof = await archiveAndProve(base, await viewOf(dir), cut, depth);
    expect(proof).toMatchObject({
      made: true,
      inspection: { facts: { stacksHeight: 50, network: "mainnet" } },
    });
    expect(readdirSync(base).filter((name) => name.startsWith("proof-"))).toEqual([]);
  },
);

test("an archive of a held moment holds that one, whatever the node does meanwhile", async () => {
  const base = await scratch();
  const dir = join(base, "mainnet");
  createChainstate(dir, { era: "nakamoto", height: 50 });
  const chain = ChainWriter.open(dir);
  const freezer = sqliteFreezer({ viewOf, rules: chainstateRules, limits: { minFreeBytes: 1 } });
  const frozen = await freezer.freeze(
    { chainstateDir: dir, selection, runId: "proof", stateDir: join(base, "state"), signal },
    false,
  );
  try {
    if (frozen.ask === undefined) throw new Error("nothing can be asked");
    const cut = await inspectFrozen(frozen.ask, dir);
    for (let at = 0; at < 5; at += 1) chain.appendBlock();
    const proof = await archiveAndProve(base, frozen.view, cut, "full");
    expect(proof).toMatchObject({ made: true, inspection: { facts: { stacksHeight: 50 } } });
    await frozen.assertFrozen();
  } finally {
    await frozen.release();
    chain.close(true);
  }
});

test.for(["clarity", "index", "nakamoto", "sortition"] as const)(
  "an archive that lost the WAL of %s on the way is no proof of anything",
  async (key) => {
    const base = await scratch();
    const dir = join(base, "mainnet");
    createChainstate(dir, { era: "nakamoto", height: 50 });
    const cut = await inspectChainstate({ dir, depth: "tips", signal });
    rmSync(join(dir, `${databasePaths[key]}-wal`));
    await expect(archiveAndProve(base, await viewOf(dir), cut, "tips")).rejects.toMatchObject({
      code: "CHAINSTATE_INCONSISTENT",
    });
  },
);

test("an archive of another moment, consistent as it is, is told", async () => {
  const base = await scratch();
  const dir = join(base, "mainnet");
  createChainstate(dir, { era: "nakamoto", height: 50 });
  const cut = await inspectChainstate({ dir, depth: "tips", signal });
  const chain = ChainWriter.open(dir);
  chain.appendBlock();
  chain.close(true);
  await expect(archiveAndProve(base, await viewOf(dir), cut, "tips")).rejects.toMatchObject({
    code: "ARCHIVE_DIFFERS",
    message: expect.stringContaining("stacksHeight is 51, was 50") as string,
  });
});
