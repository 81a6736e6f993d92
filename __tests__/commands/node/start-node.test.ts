/** A restore of a node that is down, or ends again and again, is done when it runs on the new chainstate; or it fails. */
import type { RunRecord } from "../../../src/report/record.ts";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import type { NodeOptions } from "../../../src/domain/options.ts";
import { info, startRpcServer, type RpcServer } from "../../node/rpc-server.ts";
import { FakeHost, nodeOptions, restoreConfig, snapshotConfig, type Ended } from "../fake-host.ts";

const model = new FakeHost();
const old = join(model.root, "old", "mainnet");
const digests = { old: "", new: "" };
let rpc: RpcServer;
let host: FakeHost;
/** What the RPC says of a node that runs. */
let height: () => number;

beforeAll(async () => {
  createChainstate(model.chainstateDir, { era: "nakamoto", height: 25 });
  createChainstate(old, { era: "nakamoto", height: 20 });
  digests.new = model.digest() ?? "";
  digests.old = model.digest(old) ?? "";
  const { error } = await model.run(snapshotConfig(model));
  if (error !== undefined) throw error;
  rpc = await startRpcServer({});
});
afterEach(() => {
  host.remove();
});
afterAll(async () => {
  model.remove();
  await rpc.close();
});

function makeHost(): FakeHost {
  host = FakeHost.like(model, old);
  height = () => 25;
  Object.defineProperty(rpc, "answers", {
    get: () => ({
      "/v2/info": (response: { end(text?: string): void; destroy(): void }) => {
        if (!host.node.running || host.node.loops !== "no") response.destroy();
        else response.end(JSON.stringify(info(height(), { network_id: 2147483648 })));
      },
    }),
    configurable: true,
  });
  return host;
}

async function restore(given: Partial<NodeOptions> = {}): Promise<Ended> {
  const node = { ...nodeOptions, rpcUrl: rpc.url, startNode: "always" as const, ...given };
  return await host.run(restoreConfig(host, { node }));
}

/** What was fetched stays for the next run, the old chainstate does not. */
const oldsOf = (host: FakeHost): readonly string[] => host.besides().filter((name) => name.endsWith("-old"));

describe("of a node that is down", () => {
  test("it is started on the new chainstate, and looked at", async () => {
    makeHost().node.running = false;
    const { error, report } = await restore();
    expect(error).toBeUndefined();
    expect({ running: host.node.running, digest: host.digest() }).toEqual({
      running: true,
      digest: digests.new,
    });
    expect(report.record.outputs.get("node-running")).toBe("true");
    expect(report.record.downtimes).toEqual([]);
    expect(readdirSync(host.stateDir)).toEqual([]);
    expect({ journal: host.journal(), watchdogs: host.watchdogs }).toEqual({
      journal: undefined,
      watchdogs: 0,
    });
  });

  test("without an RPC too", async () => {
    makeHost().node.running = false;
    const { error } = await host.run(restoreConfig(host));
    expect({ error, running: host.node.running }).toEqual({ error: undefined, running: true });
  });

  test("and with `start-node: as-before` it stays down, and `sync-blocks` is not passed over in silence", async () => {
    makeHost().node.running = false;
    const { error, report } = await restore({ startNode: "as-before", syncBlocks: 2, syncRequired: true });
    expect({ error, running: host.node.running }).toEqual({ error: undefined, running: false });
    expect(report.record.node).toBe("left-down");
    expect(report.record.warnings.join()).toContain("`sync-blocks` is not waited for");
  });

  test.each([
    ["cannot be started", (): void => void (host.node.broken = true), "NODE_START_FAILED"],
    ["comes up too low", (): void => void (height = () => 20), "NODE_BEHIND"],
    [
      "ends again and again",
      (): void => {
        host.node.loops = "always";
      },
      "NODE_GONE_AGAIN",
    ],
  ])("one that %s is left as it was: down, on the old chainstate", async (_name, spoil, code) => {
    makeHost().node.running = false;
    spoil();
    const { error, report, log } = await restore();
    expect(error).toMatchObject({ code });
    expect({ running: host.node.running, digest: host.digest() }).toEqual({
      running: false,
      digest: digests.old,
    });
    expect(report.record.node).toBe("left-down");
    expect(log).toContain("The node is NOT running, as before.");
    expect({ journal: host.journal(), watchdogs: host.watchdogs, besides: oldsOf(host) }).toEqual({
      journal: undefined,
      watchdogs: 0,
      besides: [],
    });
  });

  test("a snapshot leaves it down unless told otherwise", async () => {
    makeHost().node.running = false;
    const asked = async (startNode: NodeOptions["startNode"]): Promise<boolean> => {
      const node = { ...nodeOptions, startNode };
      const { error } = await host.run(snapshotConfig(host, { node }));
      expect(error).toBeUndefined();
      return host.node.running;
    };
    expect(await asked("as-before")).toBe(false);
    expect(await asked("always")).toBe(true);
  });
});

describe("of a node that ends again and again", () => {
  test("it is stopped first, and runs on the new chainstate", async () => {
    makeHost().node.loops = "until-stopped";
    host.node.endsUnclean = true;
    const { error, report } = await restore();
    expect(error).toBeUndefined();
    expect({ stops: host.node.stops, running: host.node.running, digest: host.digest() }).toEqual({
      stops: 1,
      running: true,
      digest: digests.new,
    });
    expect(report.record.warnings.join()).toContain("ends again and again");
  });

  test("one that does so on the new chainstate too gets the old one back", async () => {
    makeHost().node.loops = "always";
    host.node.endsUnclean = true;
    const { error } = await restore();
    expect(error).toMatchObject({ code: "NODE_GONE_AGAIN" });
    expect({ digest: host.digest(), besides: oldsOf(host) }).toEqual({ digest: digests.old, besides: [] });
  });

  test("no snapshot is taken", async () => {
    makeHost().node.loops = "always";
    const { error } = await host.run(snapshotConfig(host));
    expect(error).toMatchObject({ code: "NODE_KEEPS_ENDING" });
    expect(host.node.stops).toBe(0);
  });
});

describe("what has changed since the preflight", () => {
  test.each([
    ["that ran and is down is started", true],
    ["that was down and runs is stopped", false],
  ])("a node %s", async (_name, ran) => {
    makeHost().node.running = ran;
    host.faults.onCall = (name) => {
      if (name.startsWith("files.copyOwnerToTree")) host.node.running = !ran;
    };
    const { error } = await restore();
    expect(error).toBeUndefined();
    expect({ running: host.node.running, digest: host.digest(), stops: host.node.stops }).toEqual({
      running: true,
      digest: digests.new,
      stops: ran ? 0 : 1,
    });
  });
});

/** It was down for the exchange, and again for taking it back. */
function expectBothDowntimes({ downtimes, outputs }: RunRecord): void {
  const lengths = downtimes.map(({ startedAt, endedAt = Number.NaN }) => endedAt - startedAt);
  expect(lengths).toHaveLength(2);
  const seconds = lengths.reduce((sum, each) => sum + each, 0) / 1000;
  expect(Number(outputs.get("downtime-seconds"))).toBeCloseTo(seconds, 1);
}

describe("a node that does not move", () => {
  test("is warned of", async () => {
    makeHost();
    const { error, report } = await restore({ syncBlocks: 3 });
    expect({ error, digest: host.digest() }).toEqual({ error: undefined, digest: digests.new });
    expect(report.record.warnings.join()).toContain("does not move");
  });

  test("fails the run where `sync-blocks` was set", async () => {
    makeHost();
    const { error, report } = await restore({ syncBlocks: 3, syncRequired: true });
    expect(error).toMatchObject({ code: "NODE_NOT_MOVING" });
    expectBothDowntimes(report.record);
    expect({ running: host.node.running, digest: host.digest() }).toEqual({
      running: true,
      digest: digests.old,
    });
  });

  test("and ends while it is waited for gets the old chainstate back", async () => {
    makeHost();
    let asked = 0;
    height = () => {
      asked += 1;
      if (asked > 8) host.node.running = false;
      return 25;
    };
    const { error, log, report } = await restore({ syncBlocks: 3 });
    expect(error).toMatchObject({ code: "NODE_GONE_AGAIN" });
    expectBothDowntimes(report.record);
    expect(host.digest()).toBe(digests.old);
    expect(log).toContain("The old chainstate is in place: the restore was taken back.");
  });
});
