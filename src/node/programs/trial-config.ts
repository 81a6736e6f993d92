/**
 * The configuration with which a node's program is tried: the operator's, without all by which it would be the operator's
 * node. A second node with its keys would mine and sign beside it, one with its observers would send them events twice, and
 * one with its peers would be the same peer from two places. No secret is left in it, for another user is to read it.
 */
import { readFile, stat } from "node:fs/promises";
import { parse, stringify } from "smol-toml";
import { ActionError, describeError } from "../../domain/errors.ts";

export interface TrialConfig {
  /** The name of the mode directory in the working directory. */
  readonly mode: string;
  /** Text of the configuration for a node that works in `directory` and listens on these ports of this host. */
  text(directory: string, ports: { readonly rpc: number; readonly p2p: number }): string;
}

/** More is no configuration of a node. */
const longestBytes = 1024 ** 2;

type Table = Record<string, unknown>;

/** Whole tables: mining, observers. */
const leftOutTables = ["miner", "events_observer"];
const leftOut = new Map([
  ["node", ["seed", "local_peer_seed", "prometheus_bind", "mock_mining_output_dir"]],
  ["connection_options", ["auth_token", "block_proposal_token", "public_ip_address"]],
  [
    "burnchain",
    ["username", "password", "wallet_name", "local_mining_public_key", "process_exit_at_block_height"],
  ],
]);

/** PROGRAM_UNUSABLE. Nothing of what cannot be understood is repeated: it may hold a seed. */
export async function readTrialConfig(path: string): Promise<TrialConfig> {
  const toml = await parseFile(path);
  const mode = tableOf(toml["burnchain"])["mode"];
  if (typeof mode !== "string" || !/^[\w-]+$/.test(mode))
    throw unusable(path, "`mode` of its `[burnchain]` names no network");
  return { mode, text: (directory, ports) => write(toml, directory, ports) };
}

function write(
  toml: Table,
  directory: string,
  { rpc, p2p }: { readonly rpc: number; readonly p2p: number },
): string {
  const kept: Table = {};
  for (const [name, value] of Object.entries(toml)) {
    if (leftOutTables.includes(name)) continue;
    const drop = leftOut.get(name) ?? [];
    kept[name] = isTable(value)
      ? Object.fromEntries(Object.entries(value).filter(([key]) => !drop.includes(key)))
      : value;
  }
  const at = (port: number): string => `127.0.0.1:${port}`;
  // A number that is no `bigint` would be written as a float.
  const node = {
    ...tableOf(kept["node"]),
    working_dir: directory,
    rpc_bind: at(rpc),
    p2p_bind: at(p2p),
    data_url: `http://${at(rpc)}`,
    p2p_address: at(p2p),
    // Without one the mainnet's own are taken.
    bootstrap_node: "",
    miner: false,
    stacker: false,
    mock_mining: false,
  };
  const connection = {
    ...tableOf(kept["connection_options"]),
    // So that it asks nobody what it is seen as.
    public_ip_address: at(p2p),
    disable_block_download: true,
    disable_inbound_walks: true,
    disable_inbound_handshakes: true,
  };
  return stringify({ ...kept, node, connection_options: connection }, { numbersAsFloat: true });
}

async function parseFile(path: string): Promise<Table> {
  let text: string;
  try {
    if ((await stat(path)).size > longestBytes) throw new RangeError("it is too large for one");
    text = await readFile(path, "utf8");
  } catch (error) {
    throw unusable(path, describeError(error));
  }
  try {
    // Whole numbers apart from others: a node takes the one where it does not take the other.
    return parse(text, { integersAsBigInt: true });
  } catch {
    throw unusable(path, "it is not TOML");
  }
}

function unusable(path: string, why: string): ActionError {
  return new ActionError(
    "PROGRAM_UNUSABLE",
    `The configuration ${path} ('node-config') cannot be used: ${why}.`,
  );
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function tableOf(value: unknown): Table {
  return isTable(value) ? value : {};
}
