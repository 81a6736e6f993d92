import { afterAll, expect, test } from "vitest";
import { createChainstate } from "../../simulator/chainstate.ts";
import { FakeHost, pruneConfig, snapshotConfig } from "./fake-host.ts";

const host = new FakeHost();
afterAll(() => host.remove());

test("prune removes a snapshot's volumes with the rights that `sudo` gives, and with no others", async () => {
  createChainstate(host.chainstateDir, { era: "nakamoto", height: 8 });
  for (const _ of ["one night", "another"]) {
    const { error } = await host.run(snapshotConfig(host, { method: "both" }));
    expect(error).toBeUndefined();
  }
  expect(host.volumes.snapshots.size).toBe(2);
  const dry = await host.run(pruneConfig({ sudo: "never", dryRun: true }));
  expect(JSON.parse(dry.report.record.outputs.get("plan") ?? "")).toMatchObject({
    removes: [expect.any(String)],
  });
  expect(dry.report.record.headline).toContain("1 snapshot would be removed");
  expect(host.volumes.snapshots.size).toBe(2);
  const { error, report } = await host.run(pruneConfig({ sudo: "never" }));
  expect(error).toBeUndefined();
  expect(JSON.parse(report.record.outputs.get("pruned") ?? "")).toHaveLength(1);
  expect(host.volumes.snapshots.size).toBe(1);
  // Asked for at least once, or nothing could have been removed.
  expect(new Set(host.sudoModes)).toEqual(new Set(["never"]));
}, 120_000);
