/**
 * What a run does for others or for later, and can be done without: announcements, pages, removals, what is given back. Whatever
 * of it fails each time, the job is done, its outcome says so, and what is owed is said or stays in the journal.
 */
import { chmodSync, mkdirSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createChainstate } from "../../simulator/chainstate.ts";
import type { Config } from "../../src/config/config.ts";
import { FakeHost, pruneConfig, restoreConfig, snapshotConfig } from "./fake-host.ts";
import { Faults } from "./faults.ts";

const hosts: FakeHost[] = [];
const model = new FakeHost();
hosts.push(model);
beforeAll(async () => {
  createChainstate(model.chainstateDir, { era: "nakamoto", height: 10 });
  for (const _ of [1, 2]) {
    const { error } = await model.run(snapshotConfig(model));
    if (error !== undefined) throw error;
  }
}, 600_000);
afterAll(() => {
  for (const host of hosts) host.remove();
});

function makeHost(): FakeHost {
  const host = FakeHost.like(model);
  hosts.push(host);
  return host;
}

const snapshot = (host: FakeHost): Config => snapshotConfig(host, { retention: { keepLast: 1 } });
const restore = (host: FakeHost): Config => restoreConfig(host);
const prune = (): Config => pruneConfig();

test.each([
  ["the page", snapshot, /^store\.put index\.html/],
  ["the page", prune, /^store\.put index\.html/],
  ["the claim's removal", snapshot, /^store\.delete claim/],
  ["the store's clock", snapshot, /^store\.(?:put|head|delete) time\.json/],
  ["retention", snapshot, /^store\.(?:put deleted|delete (?:manifest|index|mainnet))/],
  ["the frozen view's release", snapshot, /^frozen\.release/],
  ["closing the store", snapshot, /^store\.close/],
  ["the announcement", restore, /^store\.put run-/],
  ["the announcement's removal", restore, /^store\.delete run-/],
  ["the old one's removal", restore, /^files\.(?:removeTree|syncFileSystem)/],
  ["closing the store", restore, /^store\.close/],
] as const)("%s", { timeout: 600_000 }, async (_what, configOf, fails) => {
  const host = makeHost();
  host.faults.fails = fails;
  const { error, log, report } = await host.run(configOf(host));
  const failed = host.faults.calls.some((call) => fails.test(call));
  expect(failed, host.faults.calls.join("\n")).toBe(true);
  expect(error).toBeUndefined();
  expect(log).toContain("✅");
  expect(host.node.running).toBe(true);
  const journal = host.journal();
  const isSaid = report.record.warnings.length > 0 || log.includes("cannot be told") || journal !== undefined;
  expect(isSaid, log).toBe(true);
  host.faults = new Faults();
  const post = await host.post();
  expect(post.error).toBeUndefined();
  expect(host.journal()).toBeUndefined();
});

test("metrics and a directory for them that is not there", { timeout: 600_000 }, async () => {
  const host = makeHost();
  mkdirSync(host.metricsFile);
  chmodSync(host.metricsFile, 0o500);
  const { error, log } = await host.run(snapshot(host));
  expect(error).toBeUndefined();
  expect(log).toContain("✅");
  expect(log).toContain("Cannot write the metrics file");
  expect(host.published()).not.toEqual(model.published());
});
