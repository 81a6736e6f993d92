/**
 * Addresses that are not the public internet's: what a server must not send a reader on to, and where alone a store may be spoken to
 * without encryption.
 */
import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { proxyEnvironment } from "../system/proxy.ts";
import { StoreError } from "./errors.ts";

const privateOnes = blockList([
  ["0.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["224.0.0.0", 3, "ipv4"],
  ["::", 127, "ipv6"],
  ["fc00::", 7, "ipv6"],
  ["ff00::", 8, "ipv6"],
]);
const linkLocal = blockList([
  ["169.254.0.0", 16, "ipv4"],
  ["fe80::", 10, "ipv6"],
  // Amazon's, Google's and Azure's metadata by IPv6 or beside the link-local one.
  ["fd00:ec2::254", 128, "ipv6"],
  ["168.63.129.16", 32, "ipv4"],
]);

export function isPrivate(address: string): boolean {
  return isIn(privateOnes, address);
}

export function isLinkLocal(address: string): boolean {
  return isIn(linkLocal, address);
}

export function literalAddress({ hostname }: URL): string | undefined {
  const literal = hostname.replace(/^\[|\]$/g, "");
  return isIP(literal) === 0 ? undefined : literal;
}

/**
 * STORE_PLAIN_HTTP: the endpoint is plain http and not on this host or in a private network: anybody on the way could read what
 * is sent, and change what a snapshot is said to be. A name that means nothing here is for the request to fail by, unless a proxy may know it.
 */
export async function requireTrustedWay(endpoint: string): Promise<void> {
  const why = await whyNotTrusted(endpoint);
  if (why === undefined) return;
  throw new StoreError(
    "STORE_PLAIN_HTTP",
    `The storage is at ${new URL(endpoint).origin}, which is plain http, and ${why}.`,
    { hint: "Use https://. Plain http is for this host and for private networks." },
  );
}

/** The same in words, for others than stores; undefined where the way is trusted, or it is no address. */
export async function whyNotTrusted(endpoint: string): Promise<string | undefined> {
  if (!URL.canParse(endpoint)) return undefined;
  const url = new URL(endpoint);
  if (url.protocol !== "http:") return undefined;
  const literal = literalAddress(url);
  const addresses = literal === undefined ? await addressesOf(url.hostname) : [literal];
  const outside = addresses.find((address) => !isPrivate(address));
  if (outside !== undefined) return `${outside} is not a private address`;
  const isUnknown = addresses.length === 0 && proxyEnvironment()["http_proxy"] !== undefined;
  return isUnknown ? "its address is not known here" : undefined;
}

async function addressesOf(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}

function isIn(list: BlockList, address: string): boolean {
  // An IPv4 address in IPv6's clothes is checked as the former by BlockList itself.
  return list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

function blockList(subnets: readonly (readonly [string, number, "ipv4" | "ipv6"])[]): BlockList {
  const list = new BlockList();
  for (const [net, prefix, family] of subnets) list.addSubnet(net, prefix, family);
  return list;
}
