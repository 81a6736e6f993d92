/**
 * What the configuration of a running node says that matters to whoever stops it. Found by the node's command line, read as
 * far as this user may; a configuration holds seeds and passwords, so nothing of it is kept but what `NodeConfig` has.
 */
import { isAbsolute, join } from "node:path";
import { parse } from "smol-toml";
import type { NodeProcess } from "../domain/start-recipe.ts";
import { query } from "../system/exec.ts";
import type { Privilege } from "../system/privilege.ts";
import { isAlive, readArguments, readLink } from "../system/proc.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface NodeConfig {
  /** Where its RPC listens; undefined: it is not set. */
  readonly rpcBind: Address | undefined;
  /** Its Bitcoin peer. Undefined: not named, and the network has no default port. */
  readonly bitcoinPeer: Address | undefined;
  /** The same host's RPC, which a miner needs as well. */
  readonly bitcoinRpc: Address | undefined;
  readonly isMiner: boolean;
  /** A restarted miner goes on with the tenures that it has committed to (`activated_vrf_key_path` is set). */
  readonly keepsVrfKey: boolean;
  /** Those whose events are sent until they are taken. With `disable_retries` they are given up, and keep no node from ending. */
  readonly observers: readonly Address[];
  /** The Bitcoin height at which it ends itself at once, with exit code 0 and in the middle of whatever it writes. */
  readonly exitsAtBurnHeight: number | undefined;
}

export type ReadConfig =
  | { readonly kind: "read"; readonly config: NodeConfig }
  /** In words: "its command line names no `--config`". */
  | { readonly kind: "not-read"; readonly reason: string };

/** More is no configuration of a node. */
const longestBytes = 1024 ** 2;

const defaultPorts: ReadonlyMap<string, { readonly peer: number; readonly rpc: number }> = new Map(
  Object.entries({
    mainnet: { peer: 8333, rpc: 8332 },
    xenon: { peer: 18333, rpc: 18332 },
  }),
);

export async function readNodeConfig(node: NodeProcess, privilege: Privilege): Promise<ReadConfig> {
  const path = configArgument(readArguments(node.pid));
  if (path === undefined) return notRead("its command line names no `--config`");
  const directory = await readLink(node.pid, "cwd", privilege);
  if (!isAbsolute(path) && directory === undefined)
    return notRead("its working directory cannot be seen from here");
  const inside = isAbsolute(path) ? path : join(directory ?? "/", path);
  // Through the node's own root: in a container the path is one of the container's.
  const argv = ["head", "-c", String(longestBytes), `/proc/${node.pid}/root${inside}`];
  const { exitCode, stdout } = await query(privilege.elevate(argv), { timeoutMs: 5_000 });
  if (!isAlive(node)) return notRead("the node has ended");
  if (exitCode !== 0) return notRead(`its configuration ${inside} cannot be read from here`);
  try {
    return { kind: "read", config: nodeConfigOf(parse(stdout, { integersAsBigInt: "asNeeded" })) };
  } catch {
    // What cannot be parsed is not repeated: it may hold a seed.
    return notRead(`its configuration ${inside} cannot be understood`);
  }
}

const notRead = (reason: string): ReadConfig => ({ kind: "not-read", reason });

export function configArgument(words: readonly string[]): string | undefined {
  for (const [at, word] of words.entries()) {
    if (word === "--config") return words[at + 1];
    if (word.startsWith("--config=")) return word.slice("--config=".length);
  }
  return undefined;
}

type Table = Readonly<Record<string, unknown>>;

/** Of a parsed configuration; what is of another type than a node takes counts as not set. */
export function nodeConfigOf(toml: Table): NodeConfig {
  const burnchain = tableOf(toml["burnchain"]);
  const { mode } = burnchain;
  const ports = typeof mode === "string" ? defaultPorts.get(mode) : undefined;
  const host = typeof burnchain["peer_host"] === "string" ? burnchain["peer_host"] : undefined;
  const at = (key: string, preset: number | undefined): Address | undefined => {
    const port = typeof burnchain[key] === "number" ? burnchain[key] : preset;
    return host === undefined || port === undefined ? undefined : { host, port };
  };
  const exit = burnchain["process_exit_at_block_height"];
  const observers = Array.isArray(toml["events_observer"]) ? toml["events_observer"] : [];
  return {
    rpcBind: addressOf(tableOf(toml["node"])["rpc_bind"]),
    bitcoinPeer: at("peer_port", ports?.peer),
    bitcoinRpc: at("rpc_port", ports?.rpc),
    isMiner: tableOf(toml["node"])["miner"] === true,
    keepsVrfKey: typeof tableOf(toml["miner"])["activated_vrf_key_path"] === "string",
    observers: observers
      .map(tableOf)
      .filter((each) => each["disable_retries"] !== true)
      .flatMap((each) => addressOf(each["endpoint"]) ?? []),
    exitsAtBurnHeight: typeof exit === "number" ? exit : undefined,
  };
}

function tableOf(value: unknown): Table {
  return typeof value === "object" && value !== null ? (value as Table) : {};
}

/** "127.0.0.1:3700", "[::1]:3700"; the node takes a URL's scheme in front of it too. */
function addressOf(endpoint: unknown): Address | undefined {
  if (typeof endpoint !== "string") return undefined;
  const text = endpoint.replace(/^https?:\/\//, "");
  const found = /^(?:\[([\da-fA-F:.]+)\]|([^:/\s]+)):(\d{1,5})/.exec(text);
  const host = found?.[1] ?? found?.[2];
  return host === undefined ? undefined : { host, port: Number(found?.[3]) };
}
