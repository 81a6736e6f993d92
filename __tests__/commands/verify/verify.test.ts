/** A snapshot that is published already: what is told of it is of that, and not of a run that makes one. */
import { expect, onTestFinished, test } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import { manifestKey } from "../../../src/catalog/ids.ts";
import { writeManifest } from "../../../src/catalog/manifest-text.ts";
import { loadManifest } from "../../../src/catalog/read.ts";
import { FakeHost, location, snapshotConfig } from "../fake-host.ts";

const { signal } = new AbortController();

test("an archive that is not the one of its manifest is told as one not to be restored", async () => {
  const host = new FakeHost();
  onTestFinished(() => host.remove());
  createChainstate(host.chainstateDir, { era: "nakamoto", height: 20 });
  const made = await host.run(snapshotConfig(host));
  expect(made.error).toBeUndefined();
  const id = made.report.record.outputs.get("snapshot-id") ?? "";
  const { chain, ...manifest } = await loadManifest(host.store, id, signal);
  const changed = { ...manifest, chain: { ...chain, stacksHeight: chain.stacksHeight + 1 } };
  await host.store.put(manifestKey(id), writeManifest(changed).bytes, { signal });

  const { error } = await host.run({
    command: "verify",
    concurrency: 1,
    storage: location,
    s3: { storageClass: "STANDARD" },
    snapshot: { kind: "id", id },
    scope: "archive",
    check: "tips",
    sudo: "never",
  });

  expect(error).toMatchObject({
    code: "ARCHIVE_DIFFERS",
    hint: expect.stringContaining("Do not restore this snapshot") as string,
  });
  expect(error).toMatchObject({ hint: expect.not.stringContaining("Nothing was published") as string });
});
