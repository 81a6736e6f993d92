/** A snapshot whose databases could not be read back does not say that they were. */
import { afterAll, expect, test, vi } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import { readManifest } from "../../../src/catalog/manifest-text.ts";
import { FakeHost, snapshotConfig } from "../fake-host.ts";

const space = vi.hoisted(() => ({ freeBytes: 0 }));
vi.mock(import("../../../src/system/space.ts"), async (original) => ({
  ...(await original()),
  spaceAt: async () => await Promise.resolve({ ...space, totalBytes: 2 ** 40 }),
}));

const host = new FakeHost();
createChainstate(host.chainstateDir, { era: "nakamoto", height: 10 });
afterAll(() => host.remove());

test.each([
  [2 ** 39, "database"],
  [2 ** 20, "checksum"],
] as const)("with %i bytes free it is verified by %s", async (freeBytes, verified) => {
  space.freeBytes = freeBytes;
  const { error, report, log } = await host.run(snapshotConfig(host));
  expect(error).toBeUndefined();
  const id = report.record.outputs.get("snapshot-id") ?? "";
  const { bytes } = host.store.objects.get(`snapshots/${id}/manifest.json`) ?? { bytes: Buffer.alloc(0) };
  expect(readManifest(bytes, id, "the store")).toMatchObject({ verified });
  expect(log.includes("were not read back from the archive")).toBe(verified === "checksum");
});
