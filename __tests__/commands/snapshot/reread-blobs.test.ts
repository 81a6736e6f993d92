/** `reread-blobs`: what the last snapshot has of `.blobs` is not read but for a sample, and the sample has to be as it was. */
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ChainWriter, createChainstate } from "../../../simulator/chainstate.ts";
import { readManifest } from "../../../src/catalog/manifest-text.ts";
import { databases } from "../../../src/chainstate/layout.ts";
import type { Manifest } from "../../../src/domain/manifest.ts";
import { openStore } from "../../store/open-store.ts";
import { FakeHost, snapshotConfig, type Ended } from "../fake-host.ts";

const host = new FakeHost();
let storeDirectory = "";
const chain = { era: "nakamoto", height: 20, blocksInWal: 0, extraBytes: 900_000 } as const;
const blobs = join(host.chainstateDir, `${databases.clarity}.blobs`);

beforeAll(() => {
  storeDirectory = join(host.root, "store");
  const directory = storeDirectory;
  host.otherStore = async () => await openStore({ scheme: "file", url: `file://${directory}`, directory });
  mkdirSync(storeDirectory);
  createChainstate(host.chainstateDir, chain);
});
afterAll(() => host.remove());

async function night(rereadBlobs: number): Promise<Ended & { readonly manifest: Manifest }> {
  const ended = await host.run(snapshotConfig(host, { cut: "cold", check: "none", rereadBlobs }));
  if (ended.error !== undefined) throw ended.error;
  const id = ended.report.record.outputs.get("snapshot-id") ?? "";
  const bytes = readFileSync(join(storeDirectory, "snapshots", id, "manifest.json"));
  return { ...ended, manifest: readManifest(bytes, id, id) };
}

const spares = "as in the last snapshot";

test("old bytes are not read, and are in the archive all the same", async () => {
  expect((await night(0.01)).log).not.toContain(spares);
  const writer = ChainWriter.open(host.chainstateDir, { extraBytes: 900_000 });
  writer.appendBlock();
  writer.close(false);
  const spared = await night(0.01);
  expect(spared.log).toContain(spares);
  const whole = await night(1);
  expect(whole.log).not.toContain(spares);
  expect(spared.manifest.archive?.treeSha256).toBe(whole.manifest.archive?.treeSha256);
});

test("a file that was replaced is read whole", async () => {
  await night(0.5);
  copyFileSync(blobs, `${blobs}.new`);
  renameSync(`${blobs}.new`, blobs);
  expect((await night(0.5)).log).not.toContain(spares);
  expect((await night(0.5)).log).toContain(spares);
});

test("an old byte that changed is an error as soon as its turn comes", async () => {
  const file = openSync(blobs, "r+");
  writeSync(file, Buffer.from([0x55, 0xaa]), 0, 2, 6 * 1024 ** 2);
  closeSync(file);
  let error: unknown;
  // With half of it read each night it takes two at most.
  for (let count = 0; count < 2 && error === undefined; count += 1)
    error = await night(0.5).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(error).toMatchObject({ code: "OLD_BYTES_CHANGED" });
});
