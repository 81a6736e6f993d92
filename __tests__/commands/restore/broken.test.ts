/** A restore of a node that is ill: what would keep a snapshot from being taken is said, and the restore goes on. */
import { cpSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ActionError } from "../../../src/domain/errors.ts";
import { nodeConfigOf } from "../../../src/node/node-config.ts";
import type { Neighbour, NodeNeeds } from "../../../src/node/neighbours.ts";
import { info, startRpcServer, type RpcServer } from "../../node/rpc-server.ts";
import { FakeHost, publishNewer, nodeOptions, restoreConfig, snapshotConfig } from "../fake-host.ts";
import { Faults } from "../faults.ts";

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

/** Its RPC is silent until it has been stopped (or killed) once. */
function makeHost(isSilent = true): FakeHost {
  const host = new FakeHost();
  hosts.push(host);
  cpSync(join(old, ".."), join(host.chainstateDir, ".."), { recursive: true });
  for (const [key, object] of model.store.objects) host.store.objects.set(key, object);
  const wasDown = (): boolean => host.node.stops + host.node.kills > 0;
  const answer = (): unknown =>
    !host.node.running || (isSilent && !wasDown())
      ? (response: { destroy(): void }) => response.destroy()
      : info(wasDown() ? 25 : 20, { network_id: 2147483648 });
  Object.defineProperty(rpc, "answers", { get: () => ({ "/v2/info": answer() }), configurable: true });
  return host;
}

const config = (host: FakeHost, given: Parameters<typeof restoreConfig>[1] = {}) =>
  restoreConfig(host, { node: { ...nodeOptions, startNode: "always", rpcUrl: rpc.url }, ...given });

const digests = (host: FakeHost) => ({ is: host.digest(), restored: model.digest() });

const stopTimeout = (): ActionError => new ActionError("NODE_STOP_TIMEOUT", "It had not stopped after 60 s.");

test("an RPC that does not answer is a notice", async () => {
  const host = makeHost();
  const { error, log } = await host.run(config(host));
  expect(error).toBeUndefined();
  expect(log).toMatch(/^notice: The node runs, but at http.*not compared/m);
  const { is, restored } = digests(host);
  expect(is).toBe(restored);
});

test("for a snapshot it stays an error", async () => {
  const host = makeHost();
  const { error } = await host.run(snapshotConfig(host, { node: { ...nodeOptions, rpcUrl: rpc.url } }));
  expect(error).toMatchObject({ code: "RPC_NOT_ANSWERING" });
});

test("an end that is not clean is a notice", async () => {
  const host = makeHost();
  host.node.stopFails = () => {
    host.node.running = false;
    host.node.stops += 1;
    return new ActionError("NODE_STOP_UNCLEAN", "It did not stop cleanly: exit code 101.");
  };
  const { error, log } = await host.run(config(host));
  expect(error).toBeUndefined();
  expect(log).toMatch(/^notice: .*exit code 101.*the run goes on/m);
  expect(digests(host).is).toBe(digests(host).restored);
});

test("one that never ends is killed with force-stop alone; without it the error names that input, and what was fetched stays", async () => {
  const host = makeHost();
  host.node.stopFails = stopTimeout;
  host.node.isStopping = true;
  const first = await host.run(config(host));
  expect(first.error).toMatchObject({
    code: "NODE_STOP_TIMEOUT",
    hint: expect.stringContaining("force-stop: true"),
  });
  expect(first.report.record.outputs.get("node-running")).toBe("stopping");
  expect({ kills: host.node.kills, starts: host.node.starts, besides: host.besides().length }).toEqual({
    kills: 0,
    starts: 0,
    besides: 1,
  });
  expect(host.journal()).toMatchObject({ node: { mustStart: true }, switch: { kind: "systemd" } });
  // Without the input the next run says so too, and changes nothing.
  const again = await host.run(config(host));
  expect(again.error).toMatchObject({
    code: "NODE_STILL_STOPPING",
    hint: expect.stringContaining("force-stop: true"),
  });
  host.faults = new Faults();
  const last = await host.run(config(host, { forceStop: true }));
  expect(last.error).toBeUndefined();
  expect(last.report.record.outputs.get("fetched-bytes")).toBe("0");
  expect(last.report.record.outputs.get("node-running")).toBe("true");
  expect({ kills: host.node.kills, starts: host.node.starts, besides: host.besides() }).toEqual({
    kills: 1,
    starts: 1,
    besides: [],
  });
  expect(digests(host).is).toBe(digests(host).restored);
  expect(host.journal()).toBeUndefined();
});

test("a run that takes over a node that is still stopping owes its start wherever it is killed", async () => {
  const host = makeHost();
  host.node.stopFails = stopTimeout;
  host.node.isStopping = true;
  await host.run(config(host));
  const wrong: string[] = [];
  for (const killAt of [/^files\./, /^node\.stop/, /^node\.verifyDown/]) {
    host.faults = new Faults();
    host.faults.killAt = killAt;
    await host.run(config(host, { forceStop: true }));
    const { node } = host.journal() ?? {};
    if (node?.mustStart !== true || node.stopTakenAt === null) wrong.push(String(killAt));
    if (host.watchdogs === 0) wrong.push(`${String(killAt)}: no watchdog`);
  }
  expect(wrong).toEqual([]);
});

test("what a node has worked on before it was taken out again is gone on with, and its own files are not", async () => {
  const host = makeHost(false);
  host.node.onStart = () => {
    if (host.digest() === model.digest()) {
      writeFileSync(join(host.chainstateDir, "chainstate/vm/of-the-node.sqlite-wal"), "of the node");
      host.node.onStart = undefined;
      throw new ActionError("NODE_START_FAILED", "it ended at once");
    }
  };
  const first = await host.run(config(host, { seedFrom: [] }));
  expect(first.error).toMatchObject({ code: "NODE_START_FAILED" });
  expect(host.digest()).toBe(model.digest(old));
  const [staged = ""] = host.besides();
  expect(staged).toMatch(/-new$/);
  const { error, report } = await host.run(config(host, { seedFrom: [] }));
  expect(error).toBeUndefined();
  expect(report.record.outputs.get("fetched-bytes")).toBe("0");
  expect(digests(host).is).toBe(digests(host).restored);
  expect(existsSync(join(host.chainstateDir, "chainstate/vm/of-the-node.sqlite-wal"))).toBe(false);
  expect(readdirSync(host.stateDir).filter((name) => name.endsWith(".frames"))).toEqual([]);
});

const bitcoin: Neighbour = { role: "Bitcoin node", address: { host: "127.0.0.1", port: 8333 } };

/** Its Bitcoin node takes no connection for so many looks. */
function silentFor(host: FakeHost, looks: number): void {
  let at = 0;
  const look = async (): ReturnType<NodeNeeds["look"]> => {
    await Promise.resolve();
    at += 1;
    return { silent: at <= looks ? [bitcoin] : [], notAsked: undefined };
  };
  host.node.needs = { ...host.node.needs, read: { kind: "read", config: nodeConfigOf({}) }, look };
}

test.each([
  ["that answers is waited for", false, false, 3, undefined, 1],
  [
    "that answers is not stopped while its Bitcoin node stays away",
    false,
    false,
    1e9,
    "NODE_NEIGHBOUR_SILENT",
    0,
  ],
  ["that is silent is stopped", true, false, 1e9, undefined, 1],
  ["that answers is stopped with force-stop", false, true, 1e9, undefined, 1],
])("the moment to stop: a node %s", async (_what, isSilent, forceStop, looks, code, stops) => {
  const host = makeHost(isSilent);
  silentFor(host, looks);
  const { error, log } = await host.run(config(host, { forceStop }));
  expect((error as { code?: string } | undefined)?.code).toBe(code);
  expect(log).toContain("Bitcoin node at 127.0.0.1:8333 takes no connection");
  expect(host.node.stops).toBe(stops);
  expect(host.besides()).toHaveLength(code === undefined ? 0 : 1);
});

test("a node that catches up with Bitcoin is not waited for: what a stop makes of its chainstate is replaced", async () => {
  const host = makeHost(false);
  const burnchain = new DatabaseSync(join(host.chainstateDir, "burnchain/burnchain.sqlite"));
  burnchain.exec("UPDATE burnchain_db_block_headers SET block_height = block_height + 2");
  burnchain.close();
  silentFor(host, 3);
  const { error, log } = await host.run(config(host));
  expect(error).toBeUndefined();
  expect(log).toContain("notice: Before the stop: it has 2 Bitcoin blocks still to evaluate.");
  expect(log).not.toMatch(/Waiting to stop the node: .*Bitcoin blocks/);
  expect(log, "for its Bitcoin node it is").toContain("Waiting to stop the node: Bitcoin node at");
});

test("an archive made elsewhere that was unpacked whole is not fetched again", async () => {
  const host = makeHost();
  const [key = ""] = [...model.store.objects.keys()].filter((name) => name.endsWith(".tar.zst"));
  host.store.objects.set("elsewhere.tar.zst", model.store.objects.get(key)!);
  const given = { snapshot: { kind: "external", url: "file:///store/elsewhere.tar.zst" } } as const;
  host.node.stopFails = stopTimeout;
  const first = await host.run(config(host, given));
  expect(first.error).toMatchObject({ code: "NODE_STOP_TIMEOUT" });
  expect(host.besides()).toHaveLength(1);
  host.node.stopFails = undefined;
  const { error, log } = await host.run(config(host, given));
  expect(error).toBeUndefined();
  expect(log).toMatch(/Unpacked +by an earlier run/);
  expect(host.besides()).toEqual([]);
  expect(readdirSync(host.stateDir).filter((name) => name.endsWith(".whole"))).toEqual([]);
});
