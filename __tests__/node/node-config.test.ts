import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { afterAll, expect, test } from "vitest";
import { lookForNeighbours, neighboursOf, readNodeNeeds, urlHere } from "../../src/node/neighbours.ts";
import { configArgument, nodeConfigOf, readNodeConfig } from "../../src/node/node-config.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { readStat } from "../../src/system/proc.ts";

const directory = mkdtempSync(join(tmpdir(), "node-config-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const privilege = privilegeFor("never");
const signal = new AbortController().signal;

const miner = `
[node]
miner = true
seed = "9e446f6b0c6a96cf2190e54bcd5a8569c3e386f091605499464389b8d4e0bfc201"
[miner]
activated_vrf_key_path = "/var/stacks/vrf.json"
[[events_observer]]
endpoint = "127.0.0.1:3700"
events_keys = ["*"]
[[events_observer]]
endpoint = "http://[::1]:30000/"
[burnchain]
mode = "mainnet"
chain_id = 0x80000000
peer_host = "bitcoin.example"
rpc_port = 18332
`;

test("what matters of a configuration, with the network's default ports", () => {
  expect(nodeConfigOf(parse(miner))).toEqual({
    rpcBind: undefined,
    bitcoinPeer: { host: "bitcoin.example", port: 8333 },
    bitcoinRpc: { host: "bitcoin.example", port: 18332 },
    isMiner: true,
    keepsVrfKey: true,
    observers: [
      { host: "127.0.0.1", port: 3700 },
      { host: "::1", port: 30000 },
    ],
    exitsAtBurnHeight: undefined,
  });
  expect(nodeConfigOf({})).toEqual({
    rpcBind: undefined,
    bitcoinPeer: undefined,
    bitcoinRpc: undefined,
    isMiner: false,
    keepsVrfKey: false,
    observers: [],
    exitsAtBurnHeight: undefined,
  });
  expect(
    nodeConfigOf(parse('node = 1\nburnchain = "x"\nevents_observer = [1, {endpoint = 3}]')).observers,
  ).toEqual([]);
});

test.each([
  ["0.0.0.0:20443", "http://127.0.0.1:20443"],
  ["127.0.0.2:30443", "http://127.0.0.2:30443"],
  ["localhost:30443", "http://127.0.0.1:30443"],
  ["[::]:20443", "http://[::1]:20443"],
  // What this host does not have: nothing can listen there.
  ["192.0.2.7:30443", undefined],
  ["169.254.169.254:80", undefined],
  ["node.internal:80", undefined],
  ["20443", undefined],
])("its RPC, bound to %s, is asked at %s", (bind, asked) => {
  const { rpcBind } = nodeConfigOf(parse(`[node]\nrpc_bind = "${bind}"`));
  expect(rpcBind === undefined ? undefined : urlHere(rpcBind)).toBe(asked);
});

test("the RPC of a process that cannot be seen, or names no configuration, is not known", async () => {
  const { signal } = new AbortController();
  const nobody = await readNodeNeeds(directory, privilege, async () => await Promise.resolve([]), signal);
  expect(nobody).toMatchObject({ isSeen: false, rpc: undefined });
});

test("an observer whose events are given up after one attempt keeps no node from ending", () => {
  const of = (line: string): readonly unknown[] =>
    nodeConfigOf(parse(`[[events_observer]]\nendpoint = "127.0.0.1:3700"\n${line}`)).observers;
  expect(of("disable_retries = true")).toEqual([]);
  expect(of("disable_retries = false")).toHaveLength(1);
});

test("the height at which it ends itself", () => {
  const of = (text: string): number | undefined => nodeConfigOf(parse(text)).exitsAtBurnHeight;
  expect(of("[burnchain]\nprocess_exit_at_block_height = 0")).toBe(0);
  expect(of('[burnchain]\nprocess_exit_at_block_height = "28160"')).toBeUndefined();
});

test("a follower needs the peer's port, a miner its RPC too", () => {
  const ports = (isMiner: boolean): number[] =>
    neighboursOf({ ...nodeConfigOf(parse(miner)), isMiner }).map(({ address }) => address.port);
  expect(ports(true)).toEqual([8333, 18332, 3700, 30000]);
  expect(ports(false)).toEqual([8333, 3700, 30000]);
});

test.each([
  [["stacks-node", "start", "--config", "/etc/c.toml"], "/etc/c.toml"],
  [["stacks-node", "start", "--config=c.toml"], "c.toml"],
  [["stacks-node", "mainnet"], undefined],
  [["stacks-node", "start", "--config"], undefined],
])("the path in %j", (words, path) => {
  expect(configArgument(words)).toBe(path);
});

/** A process with such a command line, in `directory`. */
async function running(
  ...words: string[]
): Promise<{ id: { pid: number; startTicks: number }; end(): void }> {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", ...words], {
    cwd: directory,
    stdio: "ignore",
  });
  await new Promise((resolve) => child.once("spawn", resolve));
  const stat = readStat(child.pid ?? 0);
  if (stat === undefined) throw new Error("it did not start");
  return { id: { pid: stat.pid, startTicks: stat.startTicks }, end: () => void child.kill() };
}

test("it is found through the process, a relative path from its directory; nothing of it is repeated", async () => {
  // Balances of test networks are beyond what a number holds exactly.
  writeFileSync(join(directory, "good.toml"), `${miner}\n[[ustx_balance]]\namount = 80000000000000000\n`);
  writeFileSync(join(directory, "bad.toml"), 'seed = "9e446f6b0c6a96cf', { mode: 0o600 });
  const results = [];
  for (const words of [
    ["--config", "good.toml"],
    ["--config", "bad.toml"],
    ["--config", "absent.toml"],
    [],
  ]) {
    const node = await running("start", ...words);
    results.push(await readNodeConfig(node.id, privilege));
    node.end();
  }
  expect(results).toMatchObject([
    { kind: "read", config: { isMiner: true } },
    { kind: "not-read", reason: `its configuration ${join(directory, "bad.toml")} cannot be understood` },
    {
      kind: "not-read",
      reason: `its configuration ${join(directory, "absent.toml")} cannot be read from here`,
    },
    { kind: "not-read", reason: "its command line names no `--config`" },
  ]);
  expect(JSON.stringify(results)).not.toContain("9e446f6b");
});

test("who takes no connection is named, and nobody is asked for a process that cannot be seen", async () => {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const open = typeof address === "object" ? (address?.port ?? 0) : 0;
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const shut = closed.address();
  await new Promise((resolve) => closed.close(resolve));
  const config = {
    ...nodeConfigOf({}),
    bitcoinPeer: { host: "127.0.0.1", port: open },
    observers: [{ host: "127.0.0.1", port: typeof shut === "object" ? (shut?.port ?? 0) : 0 }],
  };
  const node = await running("start");
  try {
    const look = await lookForNeighbours(node.id, config, privilege, signal);
    expect(look.notAsked).toBeUndefined();
    expect(look.silent.map(({ role }) => role)).toEqual(["event observer"]);
    const gone = await lookForNeighbours({ pid: 2 ** 22 + 5, startTicks: 1 }, config, privilege, signal);
    expect(gone).toEqual({ silent: [], notAsked: "its network cannot be seen from here" });
  } finally {
    node.end();
    server.close();
  }
});
