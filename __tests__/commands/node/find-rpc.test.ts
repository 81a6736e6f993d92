import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import { defaultRpcUrl } from "../../../src/domain/options.ts";
import { info, startRpcServer } from "../../node/rpc-server.ts";
import { FakeHost, nodeOptions, restoreConfig, snapshotConfig } from "../fake-host.ts";

const hosts: FakeHost[] = [];
afterAll(() => {
  for (const host of hosts) host.remove();
});

function makeHost(): FakeHost {
  const host = new FakeHost();
  hosts.push(host);
  createChainstate(host.chainstateDir, { era: "nakamoto", height: 8 });
  host.node.needs = { ...host.node.needs, rpc: { url: "http://127.0.0.1:30443", by: "as it says" } };
  return host;
}

test.each([
  ["as by default", defaultRpcUrl, "at http://127.0.0.1:30443 "],
  ["another one", "http://127.0.0.1:20444", "at http://127.0.0.1:20444 "],
] as const)("where `rpc-url` is %s, the node is asked at the right address", async (_, rpcUrl, asked) => {
  const host = makeHost();
  const { error } = await host.run(snapshotConfig(host, { node: { ...nodeOptions, rpcUrl } }));
  // No node listens here.
  expect(error).toMatchObject({
    code: "RPC_NOT_ANSWERING",
    message: expect.stringContaining(asked) as string,
  });
});

test("without an RPC nobody looks for one", async () => {
  const host = makeHost();
  const looks = countLooks(host);
  const { error } = await host.run(snapshotConfig(host));
  expect(error).toBeUndefined();
  expect(looks()).toBe(0);
});

test("a directory that holds no chainstate is refused before anybody looks who works in it", async () => {
  const host = makeHost();
  const looks = countLooks(host);
  const chainstateDir = join(host.root, "other");
  mkdirSync(join(chainstateDir, "some"), { recursive: true });
  const config = { node: { ...nodeOptions, rpcUrl: defaultRpcUrl }, chainstateDir };
  expect((await host.run(snapshotConfig(host, config))).error).toMatchObject({
    code: "CHAINSTATE_NOT_FOUND",
  });
  expect((await host.run(snapshotConfig(host))).error).toBeUndefined();
  expect((await host.run(restoreConfig(host, config))).error).toMatchObject({ code: "TARGET_NO_CHAINSTATE" });
  expect(looks()).toBe(0);
  await host.run(snapshotConfig(host, { node: config.node }));
  expect(looks()).toBe(1);
});

/** How often the address is read of what is known of the node. */
function countLooks(host: FakeHost): () => number {
  let looks = 0;
  host.node.needs = {
    ...host.node.needs,
    get rpc(): undefined {
      looks += 1;
      return undefined;
    },
  };
  return () => looks;
}

test("a node that is too busy to answer at once is asked again", async () => {
  let asked = 0;
  const rpc = await startRpcServer({
    "/v2/info": (response) => {
      asked += 1;
      if (asked > 1) response.end(JSON.stringify(info(8, { network_id: 2147483648 })));
    },
  });
  const host = makeHost();
  const config = snapshotConfig(host, { dryRun: true, node: { ...nodeOptions, rpcUrl: rpc.url } });
  const { error, log } = await host.run(config);
  await rpc.close();
  expect(error).toBeUndefined();
  expect(log).toMatch(/takes the connection and does not answer: asked again/);
  expect(log).toMatch(/Before: Stacks height 8/);
});
