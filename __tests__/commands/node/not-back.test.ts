/** A node that does not come up takes neither the snapshot nor the restored chainstate with it. */

import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { info, startRpcServer, type RpcServer } from "../../node/rpc-server.ts";
import { FakeHost, publishNewer, nodeOptions, restoreConfig, snapshotConfig } from "../fake-host.ts";

const model = new FakeHost();
const hosts: FakeHost[] = [model];
const old = join(model.root, "old", "mainnet");
let rpc: RpcServer;

beforeAll(async () => {
  await publishNewer(model, old);
  rpc = await startRpcServer({});
});
afterAll(async () => {
  for (const host of hosts) host.remove();
  await rpc.close();
});

/** Whose RPC answers until the node was stopped, and never again. */
function makeHost(chainstate: string, height: number): FakeHost {
  const host = FakeHost.like(model, chainstate);
  hosts.push(host);
  const silent = (response: { writeHead(status: number): { end(): void } }): void =>
    response.writeHead(503).end();
  Object.defineProperty(rpc, "answers", {
    get: () => ({ "/v2/info": host.node.stops === 0 ? info(height, { network_id: 2147483648 }) : silent }),
    configurable: true,
  });
  return host;
}

test("the snapshot of a node that does not start again is published and in the outputs; the run fails", async () => {
  const host = makeHost(model.chainstateDir, 25);
  host.node.broken = true;
  const { error, log, report } = await host.run(snapshotConfig(host));
  expect(error).toMatchObject({ code: "NODE_NOT_BROUGHT_BACK" });
  expect(log).toContain("stacks-node is not back yet, and the run goes on");
  expect(host.published()).toContain(report.record.outputs.get("snapshot-id"));
  expect(host.journal()).not.toBeUndefined();
  expect(report.record.node).toBe("down");
  expect(report.record.outputs.get("node-running")).toBe("false");
});

test("a restored node that cannot be started, nor on the old chainstate: all of it is said, by the post step too", async () => {
  const host = makeHost(old, 20);
  const digest = host.digest();
  host.node.broken = true;
  const main = await host.run(restoreConfig(host));
  expect(main.error).toMatchObject({ code: "NODE_NOT_BROUGHT_BACK" });
  expect(host.digest()).toBe(digest);
  expect(main.report.record.outputs.get("node-running")).toBe("false");
  for (const { log, report } of [main, await host.post()]) {
    expect(log).toContain("The node is NOT running.");
    expect(log).toContain("The old chainstate is in place: the restore was taken back.");
    expect(report.record).toMatchObject({ node: "down", chainstate: "old" });
  }
  host.node.broken = false;
  const { log } = await host.post();
  expect(log).toContain("The node is running.");
  expect(log).toContain("The old chainstate is in place");
});

test("a node that lives and is silent is not said to be back, and its snapshot is published", async () => {
  const host = makeHost(model.chainstateDir, 25);
  const node = { ...nodeOptions, rpcUrl: rpc.url, startTimeoutMs: 2_000 };
  const { error, log } = await host.run(snapshotConfig(host, { node }));
  expect(error).toMatchObject({ code: "NODE_ANSWERS_ERRORS" });
  expect(host.published()).toHaveLength(2);
  expect(log).not.toContain("is back, after");
  expect(log).toMatch(/^notice: stacks-node runs and has not answered, [\d.]+ s after the stop\.$/m);
});

test("a restored chainstate whose node lives and is silent stays in place, and the old one beside it", async () => {
  const host = makeHost(old, 20);
  const digest = host.digest(model.chainstateDir);
  // A node that is silent altogether takes no connection.
  const config = restoreConfig(host, { node: { ...nodeOptions, rpcUrl: rpc.url, startTimeoutMs: 2_000 } });
  Object.defineProperty(rpc, "answers", {
    get: () => ({
      "/v2/info":
        host.node.stops === 0
          ? info(20, { network_id: 2147483648 })
          : (response: { destroy(): void }) => response.destroy(),
    }),
    configurable: true,
  });
  const { error, report } = await host.run(config);
  expect(error).toMatchObject({ code: "RESTORE_NOT_CONFIRMED" });
  expect({ digest: host.digest(), stops: host.node.stops, running: host.node.running }).toEqual({
    digest,
    stops: 1,
    running: true,
  });
  expect(report.record.warnings.join()).toMatch(/not confirmed yet.*go on looking/s);
  expect(report.record.chainstate).toBe("new");
  // The place is what the new one goes back to on evidence.
  expect(host.besides().toSorted()).toEqual([expect.stringMatching(/-new$/), expect.stringMatching(/-old$/)]);
  // Settled later, by whoever comes; see `restore/confirm.test.ts`.
  expect(host.journal()?.swap?.step).toBe("swapped");
  expect(host.watchdogs).toBe(1);
});
