/**
 * A small process that behaves like a stacks-node towards whoever supervises, asks and snapshots it: it keeps a
 * real-shaped chainstate growing, answers the RPC, takes SIGTERM gracefully and with a delay, leaves its WALs behind,
 * and panics on a chainstate whose databases disagree. Run by an executable named stacks-node, see `launch.ts`.
 *
 *   stacks-node node.ts version
 *   stacks-node node.ts --dir /var/stacks/mainnet --rpc-port 20443 --blocks-per-second 2
 */
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ChainWriter, createChainstate } from "./chainstate.ts";
import { whyInconsistent } from "./consistency.ts";
import { databasePaths, essential } from "./schema.ts";

const versionLine = "stacks-node 4.0.2 (0123abc, release build, linux [x86_64])";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** The mode directory; made with a few blocks when it is not there. */
    dir: { type: "string" },
    /** Taken and not read, as the one place where others find out what the node is set to. */
    config: { type: "string" },
    "rpc-port": { type: "string", default: "20443" },
    "rpc-host": { type: "string", default: "127.0.0.1" },
    "no-rpc": { type: "boolean", default: false },
    "blocks-per-second": { type: "string", default: "2" },
    /** From the request to stop to the exit. */
    "stop-delay-ms": { type: "string", default: "500" },
    /** It does not end before this file is there, as when the event observer is back. */
    "ends-with": { type: "string" },
    /** From the start to the RPC's first answer. */
    "start-delay-ms": { type: "string", default: "0" },
    /** Bytes each block adds to Clarity's `.blobs`. */
    "bytes-per-block": { type: "string", default: "600" },
    seed: { type: "string", default: "seed" },
    /** Misbehaviour, one flag each. */
    "ignore-sigterm": { type: "boolean", default: false },
    "crash-on-stop": { type: "boolean", default: false },
    /** While this file is there at the start: as on a damaged chainstate, the RPC is silent and SIGTERM is taken and never ends it. */
    "broken-while": { type: "string" },
    /** The RPC takes connections and does not answer. */
    "rpc-silent": { type: "boolean", default: false },
    /** The RPC opens when this file is there, as when the Bitcoin node is back. */
    "rpc-opens-with": { type: "string" },
    /** Panics a second after each start while this file is there. */
    "panics-while": { type: "string" },
    /** Exits with 0 this long after the start, without having been asked and without the markers. */
    "exit-after-ms": { type: "string" },
    "network-id": { type: "string" },
    /** `/v2/info` and `/v3/tenures/info` answer 500. */
    "rpc-fails": { type: "boolean", default: false },
    /** `/v3/health`: 404 as older builds, 500 as builds without peer data, or the number of blocks the best peer is ahead. */
    health: { type: "string", default: "none" },
  },
});

if (positionals[0] === "version") {
  log("INFO", "stacks-node starting");
  process.stdout.write(`${versionLine}\n`);
} else {
  start();
}

function start(): void {
  const dir = flags.dir;
  if (dir === undefined) {
    log("ERROR", "no --dir given");
    process.exit(1);
  }
  log("INFO", `stacks-node 4.0.2 starting, chainstate ${dir}`);
  if (flags["broken-while"] !== undefined && existsSync(flags["broken-while"])) {
    flags["rpc-silent"] = true;
    flags["ignore-sigterm"] = true;
  }
  const missing = essential.filter((key) => !existsSync(join(dir, databasePaths[key])));
  if (missing.length === essential.length)
    createChainstate(dir, { era: "nakamoto", height: 40, seed: flags.seed });
  else if (missing.length > 0) panic(`no ${missing.map((key) => databasePaths[key]).join(", ")}`);
  const chain = openChain(dir);
  const why = whyInconsistent(chain);
  if (why !== undefined) panic(why);
  run(chain);
}

function openChain(dir: string): ChainWriter {
  try {
    return ChainWriter.open(dir, { seed: flags.seed, extraBytes: Number(flags["bytes-per-block"]) });
  } catch (error) {
    return panic(error instanceof Error ? error.message : String(error));
  }
}

function run(chain: ChainWriter): void {
  const rate = Number(flags["blocks-per-second"]);
  const growth = rate > 0 ? setInterval(() => advance(chain), 1000 / rate) : undefined;
  let server: Server | undefined;
  const opensWith = flags["rpc-opens-with"];
  const open = (): void => {
    if (opensWith !== undefined && !existsSync(opensWith)) setTimeout(open, 100);
    else server = serve(chain);
  };
  if (!flags["no-rpc"]) setTimeout(open, Number(flags["start-delay-ms"]));
  const panicsWhile = flags["panics-while"];
  if (panicsWhile !== undefined && existsSync(panicsWhile)) setTimeout(() => panic("a bad block"), 1_000);
  // Something has to keep the process alive without growth and RPC.
  const alive = setInterval(() => undefined, 60_000);

  let stopping = false;
  const stop = (signal: string): void => {
    if (flags["ignore-sigterm"]) return log("INFO", `ignoring ${signal}`);
    if (stopping) return;
    stopping = true;
    log(
      "INFO",
      `Graceful termination request received (signal ${signal}), will complete the ongoing cycles and terminate`,
    );
    clearInterval(growth);
    const end = (): void => {
      const endsWith = flags["ends-with"];
      if (endsWith !== undefined && !existsSync(endsWith)) return void setTimeout(end, 50);
      server?.close();
      server?.closeAllConnections();
      clearInterval(alive);
      if (flags["crash-on-stop"]) panic("crashed while stopping");
      chain.close(true);
      log("INFO", "Exiting stacks-node");
      process.exit(0);
    };
    setTimeout(end, Number(flags["stop-delay-ms"]));
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, stop);
  if (flags["exit-after-ms"] !== undefined) setTimeout(() => process.exit(0), Number(flags["exit-after-ms"]));
}

function advance(chain: ChainWriter): void {
  try {
    const tip = chain.appendBlock();
    log("INFO", `Advanced to new tip ${tip.indexBlockHash} at height ${tip.height}`);
  } catch (error) {
    panic(error instanceof Error ? error.message : String(error));
  }
}

function serve(chain: ChainWriter): Server {
  const config = chain.database("index").prepare("SELECT mainnet, chain_id FROM db_config LIMIT 1").get();
  const mainnet = config?.["mainnet"] === 1;
  const networkId = Number(flags["network-id"] ?? config?.["chain_id"]);
  const answers: Record<string, () => [number, unknown]> = {
    "/v2/info": () => [
      200,
      {
        peer_version: 402653196,
        pox_consensus: chain.tip.consensusHash,
        burn_block_height: chain.tip.burnHeight,
        stable_pox_consensus: chain.tip.consensusHash,
        stable_burn_block_height: Math.max(0, chain.tip.burnHeight - 7),
        server_version: versionLine,
        network_id: networkId,
        parent_network_id: mainnet ? 3652501241 : 3669344250,
        stacks_tip_height: chain.tip.height,
        stacks_tip: chain.tip.blockHash,
        stacks_tip_consensus_hash: chain.tip.consensusHash,
        genesis_chainstate_hash: "74237aa39aa50a83de11a4f53e9d3bb7d43461d1de9873f402e5453ae60bc59b",
        tenure_height: chain.tip.burnHeight,
        is_fully_synced: true,
      },
    ],
    "/v3/tenures/info": () => [
      200,
      {
        consensus_hash: chain.tip.consensusHash,
        tenure_start_block_id: chain.tip.indexBlockHash,
        parent_consensus_hash: chain.tip.consensusHash,
        parent_tenure_start_block_id: chain.tip.indexBlockHash,
        tip_block_id: chain.tip.indexBlockHash,
        tip_height: chain.tip.height,
        reward_cycle: Math.floor(chain.tip.burnHeight / 20),
      },
    ],
    "/v3/health": () => health(chain.tip.height),
  };
  const server = createServer((request, response) => {
    if (flags["rpc-silent"]) return;
    const path = request.url ?? "";
    const fails = flags["rpc-fails"] && path !== "/v3/health";
    const block = fails ? undefined : blockAt(chain, path);
    if (block !== undefined) {
      response.end(block);
      return;
    }
    const [status, body] = fails
      ? [500, { error: "internal" }]
      : (answers[path]?.() ?? [404, { error: "no such path" }]);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  });
  server.listen(Number(flags["rpc-port"]), flags["rpc-host"], () =>
    log("INFO", `RPC listening on port ${flags["rpc-port"]}`),
  );
  server.on("error", (error) => panic(error.message));
  return server;
}

/** The bytes of the block that a path asks for by its height. */
function blockAt(chain: ChainWriter, path: string): Uint8Array | undefined {
  const [, height] = /^\/v3\/blocks\/height\/(\d+)$/.exec(path) ?? [];
  if (height === undefined || !chain.has("nakamoto")) return undefined;
  const sql = "SELECT data AS d FROM nakamoto_staging_blocks WHERE height = ? AND processed = 1";
  const data = chain.database("nakamoto").prepare(sql).get(Number(height))?.["d"];
  return data instanceof Uint8Array ? data : undefined;
}

function health(height: number): [number, unknown] {
  if (flags.health === "404" || flags.health === "500") return [Number(flags.health), { error: "no data" }];
  const alone = flags.health === "none";
  const ahead = alone ? 0 : Number(flags.health);
  return [
    200,
    {
      difference_from_max_peer: ahead,
      max_stacks_height_of_neighbors: alone ? 0 : height + ahead,
      max_stacks_neighbor_address: alone ? null : "203.0.113.7:20444",
      node_stacks_tip_height: height,
    },
  ];
}

function panic(why: string): never {
  log("ERROR", `panicked: ${why}`);
  process.exit(101);
}

function log(level: string, message: string): void {
  process.stderr.write(`${level} [${(Date.now() / 1000).toFixed(6)}] ${message}\n`);
}
