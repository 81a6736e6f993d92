/** A node is stopped in a moment in which it can be, or not at all. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import type { Neighbour } from "../../../src/node/neighbours.ts";
import { nodeConfigOf } from "../../../src/node/node-config.ts";
import { FakeHost, snapshotConfig } from "../fake-host.ts";

const model = new FakeHost();
const hosts: FakeHost[] = [model];
beforeAll(() => void createChainstate(model.chainstateDir, { era: "nakamoto", height: 20 }));
afterAll(() => {
  for (const host of hosts) host.remove();
});

function makeHost(): FakeHost {
  const host = new FakeHost();
  hosts.push(host);
  cpSync(join(model.chainstateDir, ".."), join(host.chainstateDir, ".."), { recursive: true });
  return host;
}

const silent: Neighbour = { role: "Bitcoin node", address: { host: "127.0.0.1", port: 8333 } };
const follower = nodeConfigOf({});

/** The looks in turn; the last one again and again. */
function needs(host: FakeHost, ...looks: readonly (readonly Neighbour[])[]): void {
  let at = 0;
  const look = async (): Promise<{ silent: readonly Neighbour[]; notAsked: undefined }> => {
    await Promise.resolve();
    at += 1;
    return { silent: looks[Math.min(at, looks.length) - 1] ?? [], notAsked: undefined };
  };
  host.node.needs = { ...host.node.needs, read: { kind: "read", config: follower }, look };
}

test("while its Bitcoin node is down it is not stopped, and the run says so", async () => {
  const host = makeHost();
  needs(host, [silent]);
  const { error, log } = await host.run(snapshotConfig(host, { cut: "frozen" }));
  expect(error).toMatchObject({ code: "NODE_NEIGHBOUR_SILENT" });
  expect(log).toContain("Waiting to stop the node: Bitcoin node at 127.0.0.1:8333 takes no connection.");
  expect({ stops: host.node.stops, running: host.node.running, published: host.published() }).toEqual({
    stops: 0,
    running: true,
    published: [],
  });
});

test("the run waits until it is back, and takes the snapshot then", async () => {
  const host = makeHost();
  needs(host, [silent], [silent], []);
  const { error } = await host.run(snapshotConfig(host, { cut: "frozen" }));
  expect(error).toBeUndefined();
  expect({ stops: host.node.stops, published: host.published().length }).toEqual({ stops: 1, published: 1 });
});

function leaveBitcoinBlocks(host: FakeHost): void {
  const burnchain = new DatabaseSync(join(host.chainstateDir, "burnchain/burnchain.sqlite"));
  burnchain.exec("UPDATE burnchain_db_block_headers SET block_height = block_height + 2");
  burnchain.close();
}

function leaveEvent(host: FakeHost): void {
  const observers = new DatabaseSync(join(host.chainstateDir, "..", "event_observers.sqlite"));
  observers.exec("ALTER TABLE pending_payloads ADD COLUMN timestamp INTEGER");
  const seconds = Math.floor(host.clock.now() / 1000);
  observers.exec(
    `INSERT INTO pending_payloads (url, payload, timeout, timestamp) VALUES ('u', 'p', 1, ${seconds})`,
  );
  observers.close();
}

test("with Bitcoin blocks left to evaluate it is not stopped", async () => {
  const host = makeHost();
  leaveBitcoinBlocks(host);
  const { error, log } = await host.run(snapshotConfig(host, { cut: "frozen" }));
  expect(error).toMatchObject({ code: "NODE_CATCHING_UP" });
  expect(log).toContain("2 Bitcoin blocks still to evaluate");
  expect(host.node.stops).toBe(0);
});

test("an observer that takes no events keeps it from being stopped", async () => {
  const host = makeHost();
  leaveEvent(host);
  const { error, log } = await host.run(snapshotConfig(host, { cut: "frozen" }));
  expect(error).toMatchObject({ code: "NODE_OBSERVER_BEHIND" });
  expect(host.node.stops).toBe(0);
  expect(log.match(/Waiting to stop the node/g), "what grows older is no news").toHaveLength(1);
});

test("a node that an observer holds up evaluates no Bitcoin blocks either: the code is that of the observer", async () => {
  const host = makeHost();
  leaveBitcoinBlocks(host);
  leaveEvent(host);
  needs(host, []);
  const stuck = await host.run(snapshotConfig(host, { cut: "frozen" }));
  expect(stuck.error).toMatchObject({ code: "NODE_OBSERVER_BEHIND" });
  expect(stuck.log).toContain("2 Bitcoin blocks still to evaluate");
  needs(host, [{ role: "event observer", address: { host: "127.0.0.1", port: 3700 } }]);
  const down = await host.run(snapshotConfig(host, { cut: "frozen" }));
  expect(down.error).toMatchObject({ code: "NODE_NEIGHBOUR_SILENT" });
});

test("a dry run says what it would have to wait for, and does not wait", async () => {
  const host = makeHost();
  needs(host, [silent]);
  const before = host.clock.now();
  const { error, report } = await host.run(snapshotConfig(host, { cut: "frozen", dryRun: true }));
  expect(error).toBeUndefined();
  expect(report.record.warnings).toEqual([
    "A stop would have to wait: Bitcoin node at 127.0.0.1:8333 takes no connection.",
  ]);
  expect(host.clock.now() - before).toBeLessThan(3_700_000);
});

test("what a stop costs a miner is said", async () => {
  const host = makeHost();
  const config = { ...follower, isMiner: true };
  host.node.needs = { ...host.node.needs, read: { kind: "read", config } };
  const { error, report } = await host.run(snapshotConfig(host, { cut: "frozen" }));
  expect(error).toBeUndefined();
  expect(report.record.warnings.join()).toContain("`activated_vrf_key_path`");
});

test("what could not be looked at is said, once, and keeps nobody from anything", async () => {
  const host = makeHost();
  const { error, log } = await host.run(snapshotConfig(host, {}));
  expect(error).toBeUndefined();
  expect(log.match(/Not looked at before the stop: events that no observer has taken/g)).toHaveLength(1);
  expect(log).toContain(
    "Not looked at before the stop: Bitcoin node, event observers, miner; a fake has none.",
  );
});

test("an exit code is no evidence of a node that ends itself at a height", async () => {
  const host = makeHost();
  needs(host, []);
  const config = nodeConfigOf({ burnchain: { process_exit_at_block_height: 28_160 } });
  host.node.needs = { ...host.node.needs, read: { kind: "read", config } };
  const { error, log } = await host.run(snapshotConfig(host, { cut: "frozen" }));
  expect(error).toBeUndefined();
  expect(log).toContain("process_exit_at_block_height = 28160");
  const [id] = host.published();
  const { bytes } = host.store.objects.get(`snapshots/${id}/manifest.json`) ?? { bytes: Buffer.from("{}") };
  const { cleanStop } = JSON.parse(Buffer.from(bytes).toString()) as {
    cleanStop: { exitCode: number | null; result: string };
  };
  expect(cleanStop.exitCode).toBeNull();
  expect(cleanStop.result).toContain("exit code 0 proves no clean stop");
});
