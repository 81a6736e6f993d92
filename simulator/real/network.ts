/**
 * A network of real nodes on one machine: a Bitcoin stand-in that makes a block every so many seconds, a miner with its signer,
 * a follower, and work for them. It goes on from a public regtest chain in which the signer has stacked already (docs/real-node.md).
 * Everything listens on 127.0.0.1 and lives in one directory, by which it is found again and ended.
 */
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../launch.ts";
import { runLoad, type Sent } from "./load.ts";

export interface RealPrograms {
  readonly node: string;
  readonly signer: string;
  readonly inspector: string;
}

export interface NetworkOptions {
  readonly programs: RealPrograms;
  /** Holds `bitcoin/` and `stacks-node/`: block files, and the chainstate that belongs to them. */
  readonly pair: string;
  /** Empty; for everything. */
  readonly directory: string;
  readonly burnBlockEverySeconds: number;
  readonly callsPerSecond: number;
}

export interface RealNode {
  readonly name: string;
  readonly directory: string;
  readonly configFile: string;
  readonly logFile: string;
  /** The mode directory. */
  readonly chainstate: string;
  readonly rpcUrl: string;
  readonly p2pPort: number;
}

interface Ports {
  readonly bitcoinRpc: number;
  readonly bitcoinP2p: number;
  readonly signer: number;
}

/** Facts of the public chain: who mines and who signs in it, and where its epochs begin. */
const chain = {
  minerSeed: "9e446f6b0c6a96cf2190e54bcd5a8569c3e386f091605499464389b8d4e0bfc201",
  miningKey: "19ec1c3e31d139c989a23a27eac60d1abfad5277d3ae9604242514c738258efa01",
  rewardRecipient: "STQM73RQC4EX0A07KWG1J5ECZJYBZS4SJ4ERC6WN",
  bitcoinAddress: "miEJtNKa3ASpA19v5ZhvbKTEieYjLpzCYT",
  signerKey: "41634762d89dfa09133a4a8e9c1378d0161d29cd0a9433b51f1e3d32947a73dc01",
  epochs: [
    ["1.0", 0],
    ["2.0", 0],
    ["2.05", 203],
    ["2.1", 204],
    ["2.2", 206],
    ["2.3", 207],
    ["2.4", 208],
    ["2.5", 209],
    ["3.0", 232],
    ["3.1", 233],
    ["3.2", 234],
    ["3.3", 235],
    ["3.4", 236],
    ["4.0", 100_008],
  ],
  balances: [
    ["ST24VB7FBXCBV6P0SRDSPSW0Y2J9XHDXNHW9Q8S7H", "80000000000000000"],
    ["ST1YEHRRYJ4GF9CYBFFN0ZVCXX1APSBEEQ5KEDN7M", "10000000000000000"],
    ["ST1WNJTS9JM1JYGK758B10DBAMBZ0K23ADP392SBV", "10000000000000000"],
  ],
} as const;

const mode = "nakamoto-neon";
const bitcoinProgram = resolve(import.meta.dirname, "../../testbed/regtest-bitcoin.mjs");

export class RealNetwork {
  readonly miner: RealNode;
  readonly #options: NetworkOptions;
  readonly #ports: Ports;
  readonly #load = new AbortController();
  #sent: Promise<Sent> = Promise.resolve({ taken: 0, refused: 0 });

  private constructor(options: NetworkOptions, ports: Ports, miner: RealNode) {
    this.#options = options;
    this.#ports = ports;
    this.miner = miner;
  }

  /** Up when the miner has made its first blocks under load. */
  static async start(options: NetworkOptions): Promise<RealNetwork> {
    const [bitcoinRpc, bitcoinP2p, signer] = [await freePort(), await freePort(), await freePort()];
    const ports = { bitcoinRpc, bitcoinP2p, signer };
    const network = new RealNetwork(options, ports, await placeOf(options.directory, "miner"));
    try {
      network.#startBitcoin();
      cpSync(join(options.pair, "stacks-node"), network.miner.chainstate, { recursive: true });
      writeFileSync(network.miner.configFile, network.#configOf(network.miner));
      network.#startSigner();
      network.startNode(network.miner);
      const before = await network.waitForHeight(network.miner, 0, 120);
      network.#sent = runLoad({
        rpcUrl: network.miner.rpcUrl,
        funds: Buffer.from(chain.signerKey.slice(0, 64), "hex"),
        callsPerSecond: options.callsPerSecond,
        signal: network.#load.signal,
      });
      await network.waitForHeight(network.miner, before + 3, 300);
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  /** A place for another node, with its configuration and nothing in it. */
  async place(name: string): Promise<RealNode> {
    const node = await placeOf(this.#options.directory, name);
    const { node_public_key: key } = await answerOf(this.miner.rpcUrl);
    writeFileSync(node.configFile, this.#configOf(node, `${String(key)}@127.0.0.1:${this.miner.p2pPort}`));
    return node;
  }

  /** The line by which it is started; its words go to its log. */
  startLine({ directory, configFile, logFile }: RealNode): string {
    const { node } = this.#options.programs;
    return `cd '${directory}' && setsid '${node}' start --config '${configFile}' >>'${logFile}' 2>&1 </dev/null &`;
  }

  startNode(node: RealNode): void {
    execFileSync("sh", ["-c", this.startLine(node)], { stdio: "ignore" });
  }

  /** Those that work with this configuration. */
  pidsOf({ configFile }: RealNode): readonly number[] {
    return pidsWith((words) => words.includes("start") && words.includes(configFile));
  }

  async height({ rpcUrl }: RealNode): Promise<number> {
    return Number((await answerOf(rpcUrl))["stacks_tip_height"]);
  }

  async burnHeight(): Promise<number> {
    return Number((await answerOf(this.miner.rpcUrl))["burn_block_height"]);
  }

  async waitForHeight(node: RealNode, height: number, seconds: number): Promise<number> {
    let last = -1;
    for (let tries = 0; tries < seconds * 2; tries += 1) {
      last = await infoOf(node.rpcUrl).then(
        (info) => Number(info["stacks_tip_height"]),
        () => last,
      );
      if (last >= height && last > 0) return last;
      await pause(500);
    }
    throw new Error(
      `${node.name} is at height ${last} after ${seconds} s, not at ${height}:\n${readFileSync(node.logFile, "utf8").slice(-3000)}`,
    );
  }

  /** Ends everything, by the directory that stands in its command line. Returns what the load came to. */
  async stop(): Promise<Sent> {
    this.#load.abort();
    const sent = await this.#sent.catch(() => ({ taken: 0, refused: 0 }));
    const own = (): readonly number[] =>
      pidsWith((words) => words.some((word) => word.startsWith(`${this.#options.directory}/`)));
    // The signer last: without it a node does not end.
    const rank = (pid: number): number => (wordsOf(pid)[1] === "start" ? 0 : 1);
    for (const of of [0, 1]) {
      for (let tries = 0; tries < 60; tries += 1) {
        const pids = own().filter((pid) => rank(pid) === of);
        if (pids.length === 0) break;
        for (const pid of pids) end(pid, tries > 50 ? "SIGKILL" : "SIGTERM");
        await pause(500);
      }
    }
    return sent;
  }

  #startBitcoin(): void {
    const { pair, directory, burnBlockEverySeconds } = this.#options;
    const { bitcoinP2p, bitcoinRpc } = this.#ports;
    const options = {
      datadir: join(pair, "bitcoin"),
      save: join(directory, "mined.dat"),
      "p2p-port": String(bitcoinP2p),
      "rpc-port": String(bitcoinRpc),
      rpcuser: "devnet",
      rpcpassword: "devnet",
      wallet: "main",
      "mine-to": chain.bitcoinAddress,
      "mine-every": String(burnBlockEverySeconds),
      "wait-tx": "60",
    };
    const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    background(join(directory, "bitcoin.log"), process.execPath, [bitcoinProgram, ...words]);
  }

  #startSigner(): void {
    const directory = join(this.#options.directory, "signer");
    mkdirSync(directory);
    const configFile = join(directory, "signer.toml");
    writeFileSync(
      configFile,
      toml({
        stacks_private_key: chain.signerKey,
        node_host: this.miner.rpcUrl.replace("http://", ""),
        endpoint: `127.0.0.1:${this.#ports.signer}`,
        network: "testnet",
        auth_password: "12345",
        db_path: join(directory, "signer.sqlite"),
        chain_id: 0x80000000,
      }),
    );
    background(join(directory, "signer.log"), this.#options.programs.signer, ["run", "--config", configFile]);
  }

  #configOf({ name, directory, rpcUrl, p2pPort }: RealNode, bootstrap?: string): string {
    const isMiner = bootstrap === undefined;
    const rpc = rpcUrl.replace("http://", "");
    const p2p = `127.0.0.1:${p2pPort}`;
    const parts = [
      "[node]",
      toml({
        name,
        working_dir: join(directory, "data"),
        rpc_bind: rpc,
        p2p_bind: p2p,
        data_url: rpcUrl,
        p2p_address: p2p,
        use_test_genesis_chainstate: true,
        pox_sync_sample_secs: 0,
        wait_time_for_blocks: 0,
        miner: isMiner,
        ...(isMiner
          ? { seed: chain.minerSeed, local_peer_seed: chain.minerSeed }
          : { bootstrap_node: bootstrap }),
      }),
      ...(isMiner ? minerTables(this.#ports.signer) : []),
      "[connection_options]",
      toml({ auth_token: "12345", public_ip_address: p2p, private_neighbors: true }),
      "[burnchain]",
      toml({
        chain: "bitcoin",
        mode,
        chain_id: 0x80000000,
        magic_bytes: "T3",
        poll_time_secs: 1,
        peer_host: "127.0.0.1",
        peer_port: this.#ports.bitcoinP2p,
        rpc_port: this.#ports.bitcoinRpc,
        username: "devnet",
        password: "devnet",
        timeout: 30,
        pox_prepare_length: 5,
        pox_reward_length: 20,
        ...(isMiner ? { wallet_name: "main", burn_fee_cap: 20_000 } : {}),
      }),
      ...chain.epochs.map(
        ([epoch, height]) => `[[burnchain.epochs]]\n${toml({ epoch_name: epoch, start_height: height })}`,
      ),
      ...chain.balances.map(
        ([address, amount]) => `[[ustx_balance]]\naddress = "${address}"\namount = ${amount}\n`,
      ),
    ];
    return parts.join("\n");
  }
}

function minerTables(signerPort: number): readonly string[] {
  return [
    "[miner]",
    toml({
      mining_key: chain.miningKey,
      block_reward_recipient: chain.rewardRecipient,
      block_commit_delay_ms: 2_000,
    }),
    '[miner.block_rejection_timeout_steps]\n"0" = 30\n',
    "[[events_observer]]",
    `events_keys = ["stackerdb", "block_proposal", "burn_blocks"]`,
    toml({ endpoint: `127.0.0.1:${signerPort}`, timeout_ms: 10_000 }),
  ];
}

function toml(values: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join("");
}

async function placeOf(parent: string, name: string): Promise<RealNode> {
  const directory = join(parent, name);
  mkdirSync(join(directory, "data"), { recursive: true });
  const node = {
    name,
    directory,
    configFile: join(directory, "node.toml"),
    logFile: join(directory, "node.log"),
    chainstate: join(directory, "data", mode),
    rpcUrl: `http://127.0.0.1:${await freePort()}`,
    p2pPort: await freePort(),
  };
  writeFileSync(node.logFile, "");
  return node;
}

async function infoOf(rpcUrl: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${rpcUrl}/v2/info`, { signal: AbortSignal.timeout(5_000) });
  return (await response.json()) as Record<string, unknown>;
}

/** A node that works on a block, on a machine with other work, may not answer for a while. */
async function answerOf(rpcUrl: string): Promise<Record<string, unknown>> {
  for (let left = 20; ; left -= 1) {
    try {
      return await infoOf(rpcUrl);
    } catch (error) {
      if (left === 0) throw error;
      await pause(1_000);
    }
  }
}

function background(logFile: string, program: string, args: readonly string[]): void {
  const log = openSync(logFile, "a");
  spawn(program, args, { detached: true, stdio: ["ignore", log, log] }).unref();
  closeSync(log);
}

function wordsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function pidsWith(matches: (words: readonly string[]) => boolean): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && matches(wordsOf(pid)));
}

function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

/** The programs and the chain to go on from, as the environment names them; what is missing in words. */
export function realPrograms(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly programs: RealPrograms; readonly pair: string } | { readonly missing: string } {
  const {
    STACKS_NODE: node,
    STACKS_SIGNER: signer,
    STACKS_INSPECT: inspector,
    STACKS_PAIR: pair,
  } = environment;
  const given = { STACKS_NODE: node, STACKS_SIGNER: signer, STACKS_INSPECT: inspector, STACKS_PAIR: pair };
  const missing = Object.entries(given).flatMap(([name, path]) =>
    path === undefined ? [`${name} is not set`] : existsSync(path) ? [] : [`${name}: there is no ${path}`],
  );
  if (
    missing.length > 0 ||
    node === undefined ||
    signer === undefined ||
    inspector === undefined ||
    pair === undefined
  )
    return { missing: missing.join("; ") };
  return { programs: { node, signer, inspector }, pair };
}
