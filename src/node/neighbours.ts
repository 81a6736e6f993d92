/**
 * Whether the programs that a node needs are there: without its Bitcoin node a started node does not open its RPC, and with
 * an event observer down it does not end when it is told to stop (stacks-core#7459).
 */
import { networkInterfaces } from "node:os";
import { connect } from "node:net";
import type { NodeProcess } from "../domain/start-recipe.ts";
import { deadline } from "../system/deadline.ts";
import type { Privilege } from "../system/privilege.ts";
import { readLink } from "../system/proc.ts";
import { rootHolders, scanHolders } from "./holders.ts";
import { readNodeConfig, type Address, type NodeConfig, type ReadConfig } from "./node-config.ts";

/** What a running node says it needs. */
export interface NodeNeeds {
  readonly read: ReadConfig;
  /** False: no process has the directory's databases open, or none that can be seen from here. */
  readonly isSeen: boolean;
  /** Its RPC as it can be asked from here, and who says so. Undefined: neither its configuration nor the container it is in. */
  readonly rpc: { readonly url: string; readonly by: string } | undefined;
  /** Who of them takes no connection now. */
  look(): Promise<NeighbourLook>;
}

/** Addresses of this host at which a port of a node with a network of its own can be reached. */
export type FindPublished = (node: NodeProcess, port: number) => Promise<readonly Address[]>;

/** Of the node that works in a directory. */
export async function readNodeNeeds(
  chainstateDir: string,
  privilege: Privilege,
  findPublished: FindPublished,
  signal: AbortSignal,
): Promise<NodeNeeds> {
  const [node] = rootHolders((await scanHolders(chainstateDir, privilege, signal)).holders);
  const read: ReadConfig =
    node === undefined
      ? { kind: "not-read", reason: "no process of it can be seen from here" }
      : await readNodeConfig(node, privilege);
  const look = async (): Promise<NeighbourLook> =>
    node === undefined || read.kind === "not-read"
      ? { silent: [], notAsked: undefined }
      : await lookForNeighbours(node, read.config, privilege, signal);
  const rpc = node === undefined ? undefined : await findRpc(node, read, privilege, findPublished);
  return { read, isSeen: node !== undefined, rpc, look };
}

async function findRpc(
  node: NodeProcess,
  read: ReadConfig,
  privilege: Privilege,
  findPublished: FindPublished,
): Promise<NodeNeeds["rpc"]> {
  const bind = read.kind === "read" ? read.config.rpcBind : undefined;
  if ((await whyNotOurNetwork(node, privilege)) === undefined) {
    const url = bind === undefined ? undefined : urlHere(bind);
    return url === undefined ? undefined : { url, by: "by the node's configuration" };
  }
  const published = await findPublished(node, bind?.port ?? nodesOwnRpcPort);
  const url = published.map(urlHere).find((each) => each !== undefined);
  return url === undefined ? undefined : { url, by: "published by the node's container" };
}

/** Where a node listens that is not told otherwise. */
const nodesOwnRpcPort = 20443;

/**
 * From the address that something listens at to one that it can be asked at, on the same host. Undefined for one that this host
 * does not have: nothing can listen there, and whoever writes the configuration may not send the run elsewhere.
 */
export function urlHere({ host, port }: Address): string | undefined {
  const asked = { "0.0.0.0": "127.0.0.1", "::": "::1", localhost: "127.0.0.1" }[host] ?? host;
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  if (!own.some(({ address }) => address === asked) && !/^(?:::1|127(?:\.\d+){3})$/.test(asked))
    return undefined;
  return `http://${asked.includes(":") ? `[${asked}]` : asked}:${port}`;
}

export interface Neighbour {
  /** "Bitcoin node", "event observer". */
  readonly role: "Bitcoin node" | "event observer";
  readonly address: Address;
}

export interface NeighbourLook {
  readonly silent: readonly Neighbour[];
  /** Why nobody was asked, where that is so. */
  readonly notAsked: string | undefined;
}

const answerMs = 3_000;

export function neighboursOf(config: NodeConfig): readonly Neighbour[] {
  const bitcoin = [config.bitcoinPeer, config.isMiner ? config.bitcoinRpc : undefined];
  return [
    ...bitcoin.flatMap((address) =>
      address === undefined ? [] : [{ role: "Bitcoin node", address } satisfies Neighbour],
    ),
    ...config.observers.map((address) => ({ role: "event observer", address }) satisfies Neighbour),
  ];
}

/**
 * Asks each for a connection, and sends nothing. A node in a network of its own (a container) may mean others by the same
 * addresses: then nobody is asked.
 */
export async function lookForNeighbours(
  node: NodeProcess,
  config: NodeConfig,
  privilege: Privilege,
  signal: AbortSignal,
): Promise<NeighbourLook> {
  const notAsked = await whyNotOurNetwork(node, privilege);
  if (notAsked !== undefined) return { silent: [], notAsked };
  const asked = await Promise.all(
    neighboursOf(config).map(async (neighbour) => ({
      neighbour,
      answers: await answers(neighbour.address, signal),
    })),
  );
  return {
    silent: asked.filter((one) => !one.answers).map(({ neighbour }) => neighbour),
    notAsked: undefined,
  };
}

/** In words; undefined: what it calls by an address is what is called so here. */
async function whyNotOurNetwork(node: NodeProcess, privilege: Privilege): Promise<string | undefined> {
  const [own, its] = [
    await readLink(process.pid, "ns/net", privilege),
    await readLink(node.pid, "ns/net", privilege),
  ];
  if (its === undefined) return "its network cannot be seen from here";
  return own === its ? undefined : "it has a network of its own (a container)";
}

export const describeNeighbour = ({ role, address: { host, port } }: Neighbour): string =>
  `${role} at ${host.includes(":") ? `[${host}]` : host}:${port}`;

async function answers({ host, port }: Address, signal: AbortSignal): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    return await deadline(
      { ms: answerMs, code: "NODE_NEIGHBOUR_SILENT", what: "The connection", signal },
      async () =>
        await new Promise<boolean>((resolve) => {
          socket.once("connect", () => resolve(true));
          socket.once("error", () => resolve(false));
        }),
    );
  } catch (error) {
    if (signal.aborted) throw error;
    return false;
  } finally {
    socket.destroy();
  }
}
