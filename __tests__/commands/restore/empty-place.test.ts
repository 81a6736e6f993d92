/** A restore that dies when it has made its place beside the chainstate and put nothing into it: whoever comes next removes that. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { replay } from "../../../src/recovery/replay.ts";
import { privilegeFor } from "../../../src/system/privilege.ts";
import { FakeHost, publishNewer, restoreConfig, snapshotConfig } from "../fake-host.ts";
import { Faults } from "../faults.ts";

const model = new FakeHost();
const hosts: FakeHost[] = [model];
const old = join(model.root, "old", "mainnet");
beforeAll(async () => await publishNewer(model, old));
afterAll(() => {
  for (const host of hosts) host.remove();
});

async function killedWithEmptyPlace(): Promise<FakeHost> {
  const host = FakeHost.like(model, old);
  hosts.push(host);
  let isMade = false;
  host.faults.onCall = (name) => {
    if (isMade) host.faults.killAt = /./;
    isMade ||= name.startsWith("files.makeDirectory");
  };
  await host.run(restoreConfig(host));
  host.faults = new Faults();
  expect(host.besides()).toEqual([expect.stringMatching(/-new$/u)]);
  return host;
}

test.each([
  ["the post step", async (host: FakeHost) => void (await host.post())],
  ["a snapshot", async (host: FakeHost) => void (await host.run(snapshotConfig(host)))],
  [
    "a restore's dry run",
    async (host: FakeHost) => void (await host.run(restoreConfig(host, { dryRun: true }))),
  ],
  [
    "the hook at the end of a job",
    async (host: FakeHost) =>
      void (await replay({
        stateDirectory: host.stateDir,
        privilege: privilegeFor,
        clock: host.clock,
        signal: new AbortController().signal,
        nodes: host.node.starter(),
        volumes: { undo: async () => await Promise.resolve([]) },
      })),
  ],
])("is removed by %s", async (_, come) => {
  const host = await killedWithEmptyPlace();
  await come(host);
  expect(host.besides()).toEqual([]);
});

test("and what is in it by then stays", async () => {
  const host = FakeHost.like(model, old);
  hosts.push(host);
  host.faults.killAt = /^node\.stop/u;
  await host.run(restoreConfig(host));
  await host.post();
  expect(host.journal()).toBeUndefined();
  expect(host.besides()).toEqual([expect.stringMatching(/-new$/u)]);
  host.faults = new Faults();
  const { error, report } = await host.run(restoreConfig(host));
  expect(error).toBeUndefined();
  expect(report.record.outputs.get("fetched-bytes")).toBe("0");
});
