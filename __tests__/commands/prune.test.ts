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
});

/** Two snapshots with a volume each, the older one pinned. */
async function twoNights(own: FakeHost): Promise<readonly [string, string]> {
  createChainstate(own.chainstateDir, { era: "nakamoto", height: 8 });
  const take = async (pin: boolean): Promise<string> => {
    const { error, report } = await own.run(snapshotConfig(own, { method: "both", pin }));
    expect(error).toBeUndefined();
    return report.record.outputs.get("snapshot-id") ?? "";
  };
  return [await take(true), await take(false)];
}

test("prune removes the one snapshot that `delete` names, its volume too, and says what would go", async () => {
  const own = new FakeHost();
  try {
    const [pinned, newest] = await twoNights(own);
    const names = { retention: {}, delete: [pinned] };
    const refused = await own.run(pruneConfig(names));
    expect(refused.error).toMatchObject({ code: "SNAPSHOT_PINNED" });
    const dry = await own.run(pruneConfig({ ...names, unpin: [pinned], dryRun: true }));
    expect(JSON.parse(dry.report.record.outputs.get("plan") ?? "")).toMatchObject({
      removes: [pinned],
      unpins: [pinned],
    });
    expect(own.volumes.snapshots.size).toBe(2);
    const { error, report } = await own.run(pruneConfig({ ...names, unpin: [pinned], sudo: "always" }));
    expect(error).toBeUndefined();
    expect(JSON.parse(report.record.outputs.get("pruned") ?? "")).toEqual([pinned]);
    expect(report.record.facts).toContainEqual({ label: pinned, value: "is no longer pinned" });
    expect(report.record.headline).toContain("1 snapshot was removed");
    expect(own.volumes.snapshots.size).toBe(1);
    expect(own.sudoModes.at(-1)).toBe("always");
    const restored = await own.run(pruneConfig({ retention: {}, delete: ["mainnet-1-x"] }));
    expect(restored.error).toMatchObject({ code: "SNAPSHOT_NOT_FOUND", hint: `There are: ${newest}.` });
  } finally {
    own.remove();
  }
});
