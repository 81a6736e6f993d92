/**
 * A restored node that lives and is silent: the chainstate stays, somebody goes on looking, and it is settled once by
 * whoever comes first (the watchdog, the post step, the next run): on an answer, or on evidence, and on nothing else.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ActionError } from "../../../src/domain/errors.ts";
import { info, startRpcServer, type Answer, type RpcServer } from "../../node/rpc-server.ts";
import {
  FakeHost,
  nodeOptions,
  publishNewer,
  restoreConfig,
  snapshotConfig,
  type Ended,
} from "../fake-host.ts";

vi.setConfig({ testTimeout: 240_000 });

const model = new FakeHost();
const hosts: FakeHost[] = [model];
const old = join(model.root, "old", "mainnet");
const digests = { old: "", new: "" };
let rpc: RpcServer;
let answer: Answer;

const silent: Answer = (response) => void response.destroy();
const at = (height: number, changes: object = {}): object =>
  info(height, { network_id: 2147483648, ...changes });

beforeAll(async () => {
  await publishNewer(model, old, { method: "both" });
  digests.new = model.digest() ?? "";
  digests.old = model.digest(old) ?? "";
  rpc = await startRpcServer({});
  // As long as it runs; silence is no connection.
  Object.defineProperty(rpc, "answers", {
    get: () => ({ "/v2/info": hosts.at(-1)?.node.running === true ? answer : silent }),
  });
});
afterAll(async () => {
  for (const host of hosts) host.remove();
  await rpc.close();
});

interface Unconfirmed {
  readonly host: FakeHost;
  readonly main: Ended;
}

const config = (host: FakeHost, given: Parameters<typeof restoreConfig>[1] = {}) =>
  restoreConfig(host, {
    node: { ...nodeOptions, startNode: "always", rpcUrl: rpc.url, startTimeoutMs: 2_000 },
    check: "none",
    ...given,
  });

/** A restore whose node has been silent for `start-timeout`. */
async function unconfirmed(given: Parameters<typeof restoreConfig>[1] = {}): Promise<Unconfirmed> {
  const host = FakeHost.like(model, old);
  hosts.push(host);
  if (given.method === "volume") host.volumes.exchanges = host.chainstateDir;
  answer = at(20);
  host.node.onStart = () => (answer = silent);
  const main = await host.run(config(host, given));
  expect(main.error).toMatchObject({ code: "RESTORE_NOT_CONFIRMED" });
  return { host, main };
}

/** How it stands: which chainstate is in place, what stands beside it, whether somebody still looks. */
const standing = (host: FakeHost) => ({
  place: host.digest() === digests.new ? "new" : host.digest() === digests.old ? "old" : "neither",
  olds: host.besides().filter((name) => name.endsWith("-old")).length + Number(existsSync(host.volumes.kept)),
  running: host.node.running,
  swap: (host.journal()?.swap ?? host.journal()?.volumeSwap)?.step,
});

/** Its own place beside the chainstate, and what was noted of what was unpacked there. */
const leavings = (host: FakeHost): readonly string[] => [
  ...host.besides().filter((name) => !name.endsWith("-old")),
  ...readdirSync(host.stateDir).filter((name) => name.startsWith("unpack-")),
];
const open = { place: "new", olds: 1, running: true, swap: "swapped" };
const confirmed = { place: "new", olds: 0, running: true, swap: undefined };
const putBack = { place: "old", olds: 0, running: true, swap: undefined };

/** Each returns what it said. */
const settlers: Readonly<Record<string, (host: FakeHost) => Promise<string>>> = {
  watchdog: async (host) => (await host.watch()).log,
  "post step": async (host) => (await host.post()).log,
  "next run": async (host) =>
    (await host.run(snapshotConfig(host, { node: config(host).node, dryRun: true }))).log,
};

describe.each(Object.entries(settlers))("by the %s", (_name, settle) => {
  test("on silence nothing changes, and it is said", async () => {
    const { host, main } = await unconfirmed();
    expect(standing(host)).toEqual(open);
    expect(host.watchdogs).toBe(1);
    expect(main.report.record.warnings.join()).toMatch(
      /not confirmed yet.*at height 25 or above.*is removed/,
    );
    expect(main.report.record.outputs.get("node-running")).toBe("true");
    const said = await settle(host);
    expect(standing(host)).toEqual(open);
    expect(host.watchdogs).toBe(1);
    expect(host.node.starts).toBe(1);
    expect(said).toMatch(/is not confirmed yet/);
  });

  test("an answer at its height confirms it, and the old one goes", async () => {
    const { host } = await unconfirmed();
    answer = at(25);
    await settle(host);
    expect(standing(host)).toEqual(confirmed);
    expect(leavings(host)).toEqual([]);
    expect(host.node.starts).toBe(1);
  });

  test("with keep-previous it stays", async () => {
    const { host } = await unconfirmed({ keepPrevious: true });
    answer = at(26);
    await settle(host);
    expect(standing(host)).toEqual({ ...confirmed, olds: 1 });
    expect(leavings(host)).toEqual([]);
  });

  test.each([
    ["on silence it stays as it is", () => undefined, open],
    ["an answer at its height confirms it, and the old one goes", () => void (answer = at(25)), confirmed],
    [
      "one that has ended: the old one is back",
      (host: FakeHost) => void (host.node.running = false),
      { ...putBack, olds: 0 },
    ],
  ] as const)("a volume that was exchanged: %s", async (_, happens, ends) => {
    const { host } = await unconfirmed({ method: "volume" });
    expect(standing(host)).toEqual(open);
    happens(host);
    await settle(host);
    // The watchdog knows no cloud: what it has confirmed is put away by the next who comes.
    await host.post();
    expect(standing(host)).toEqual(ends);
    expect(host.besides()).toEqual([]);
  });

  const evidence: readonly (readonly [string, (host: FakeHost) => void, number])[] = [
    ["has ended", (host) => void (host.node.running = false), 0],
    ["is on another chain", () => void (answer = at(25, { network_id: 7 })), 1],
    [
      "works in another directory",
      (host) => {
        host.node.isElsewhere = true;
        answer = at(25);
      },
      1,
    ],
  ];
  test.each(evidence)(
    "a node that %s: the old one is back, and it runs on that, once",
    async (_, happens, stops) => {
      const { host } = await unconfirmed();
      const before = { stops: host.node.stops, starts: host.node.recovered };
      happens(host);
      await settle(host);
      expect(standing(host)).toEqual(putBack);
      expect({ stops: host.node.stops, starts: host.node.recovered }).toEqual({
        stops: before.stops + stops,
        starts: before.starts + 1,
      });
      host.node.running = false;
      await host.post();
      expect(host.node.running).toBe(false);
    },
  );
});

test("one that answers lower is given start-timeout: after a reorganisation of Bitcoin that is no fault", async () => {
  const { host } = await unconfirmed();
  answer = at(24);
  await host.post();
  expect(standing(host)).toEqual(open);
  answer = at(25);
  const again = await unconfirmed();
  answer = at(24);
  await again.host.post();
  again.host.clock.advance(3_000);
  await again.host.post();
  expect(standing(again.host)).toEqual(putBack);
});

test("a node that its supervisor starts again and again is evidence; one start anew is not", async () => {
  const { host } = await unconfirmed();
  host.node.restarts = 1;
  await host.post();
  expect(standing(host)).toEqual(open);
  host.node.restarts = 2;
  await host.post();
  expect(standing(host)).toEqual(putBack);
});

test("a node that does not end when it is told to is waited for, and nothing is moved under it", async () => {
  const { host } = await unconfirmed();
  answer = at(25, { network_id: 7 });
  host.node.stopFails = () => new ActionError("NODE_STOP_TIMEOUT", "It had not stopped.");
  host.node.isStopping = true;
  const { log } = await host.post();
  expect(standing(host)).toEqual(open);
  expect(log).toContain("asked to stop and has not ended yet");
  expect(host.watchdogs).toBe(1);
  host.node.stopFails = undefined;
  host.node.isStopping = false;
  host.node.running = false;
  // What it says now does not matter any more.
  answer = at(25);
  await host.watch();
  expect(standing(host)).toEqual(putBack);
});

describe("what somebody has done by hand meanwhile is theirs", () => {
  const aside = (host: FakeHost): string =>
    join(dirname(host.chainstateDir), host.besides().find((name) => name.endsWith("-old")) ?? "");

  test("the old one removed, and the node ends: the new one is not moved away", async () => {
    const { host } = await unconfirmed();
    rmSync(aside(host), { recursive: true });
    host.node.running = false;
    const { log } = await host.post();
    expect(standing(host)).toEqual({ place: "new", olds: 0, running: false, swap: undefined });
    expect(log).toContain("somebody has moved or removed it");
    expect(leavings(host)).toEqual([]);
  });

  test("the old one renamed back: it stays, whatever the node answers", async () => {
    const { host } = await unconfirmed();
    renameSync(host.chainstateDir, `${host.chainstateDir}-away`);
    renameSync(aside(host), host.chainstateDir);
    answer = at(25);
    await host.post();
    expect(standing(host)).toEqual({ place: "old", olds: 0, running: true, swap: undefined });
    expect(readdirSync(dirname(host.chainstateDir))).toContain("mainnet-away");
  });

  test("another directory of its name is not removed", async () => {
    const { host } = await unconfirmed();
    const place = aside(host);
    renameSync(place, `${place}-mine`);
    mkdirSync(place);
    writeFileSync(join(place, "precious"), "");
    answer = at(25);
    await host.post();
    expect(readdirSync(place)).toEqual(["precious"]);
  });
});

test("another restore replaces it, and both old ones are named; a dry run does not", async () => {
  const { host } = await unconfirmed();
  const dry = await host.run(config(host, { dryRun: true }));
  expect(dry.error).toMatchObject({ code: "RESTORE_NOT_CONFIRMED" });
  expect(standing(host)).toEqual(open);
  host.node.onStart = () => (answer = at(25));
  const next = await host.run(config(host));
  expect(next.error).toBeUndefined();
  expect(next.report.record.warnings.join()).toContain("The old one is kept at");
  expect(standing(host)).toEqual({ ...confirmed, olds: 1 });
  expect(host.journal()).toBeUndefined();
});

test("another restore that ends before it has made anything leaves no place of the one that it gave up", async () => {
  const { host } = await unconfirmed();
  const { error } = await host.run(config(host, { snapshot: { kind: "id", id: "20200101T000000Z-1-0000" } }));
  expect(error).toMatchObject({ code: "SNAPSHOT_NOT_FOUND" });
  expect(standing(host)).toEqual({ ...open, swap: undefined });
  expect(leavings(host).filter((name) => name.endsWith("-new"))).toEqual([]);
});

test("the address that the next run gives is the one that is asked", async () => {
  const { host } = await unconfirmed();
  const { rpcUrl: _, ...node } = config(host).node;
  const { log } = await host.run(snapshotConfig(host, { node, dryRun: true }));
  expect(log).toContain("The restored chainstate is confirmed: it lives on in");
  expect(standing(host)).toEqual(confirmed);
});

/** As if the node had been started in another boot. */
function inBoot(host: FakeHost, wasRunning: boolean, boot: Readonly<Record<string, string>>): void {
  const path = host.state.journalPath ?? "";
  const journal = host.journal()!;
  const changed = {
    ...journal,
    node: { ...journal.node, wasRunning },
    confirm: { ...journal.confirm, boot: { ...journal.confirm?.boot, ...boot } },
  };
  writeFileSync(path, JSON.stringify(changed), { mode: 0o600 });
}

test("the same boot seen from a container, where it has another id, is no excuse for a node that has ended", async () => {
  const { host } = await unconfirmed();
  inBoot(host, true, { id: "another" });
  host.node.running = false;
  await host.post();
  expect(standing(host)).toEqual(putBack);
});

test.each([true, false])(
  "after a boot a node that was running (%s) is started again",
  async (wasRunning): Promise<void> => {
    const { host } = await unconfirmed();
    inBoot(host, wasRunning, { id: "another", at: "2026-11-20T00:00:00Z" });
    host.node.running = false;
    await host.post();
    expect(standing(host)).toEqual(wasRunning ? open : { ...putBack, running: false });
  },
);
