/**
 * Proxies as the environment names them: https_proxy, http_proxy and no_proxy, in small letters before capitals. Node's own
 * support does the work; here is which of them are used, what always goes directly, and what a failure says of a proxy.
 */
import { setGlobalProxyFromEnv } from "node:http";

type Variables = Record<string, string | undefined>;

/** This machine itself, and the metadata services of clouds: nobody else can reach them. Each in the spellings that libraries look for. */
const direct = [
  "localhost",
  "127.0.0.1",
  "127.0.0.0-127.255.255.255",
  "::1",
  "[::1]",
  "169.254.169.254",
  "169.254.0.0-169.254.255.255",
  "[fd00:ec2::254]",
  "fd00:ec2::254",
  "metadata.google.internal",
  "metadata",
  "168.63.129.16",
];

let used: Variables = {};

/**
 * From now on requests of this process go through the proxies of `environment`, which is changed where libraries read it
 * themselves. Returned is why a proxy that is named is not used; no value of a variable is in it, for it may hold a password.
 */
export function useProxies(environment: Variables): readonly string[] {
  const unused: string[] = [];
  const found = (name: "https_proxy" | "http_proxy"): string | undefined => {
    const variable = [name, name.toUpperCase()].find((each) => Boolean(environment[each]));
    if (variable === undefined) return undefined;
    const given = environment[variable] ?? "";
    // As curl has it.
    const text = given.includes("://") ? given : `http://${given}`;
    if (URL.canParse(text) && /^https?:$/u.test(new URL(text).protocol)) {
      environment[variable] = text;
      return text;
    }
    unused.push(`${variable} is not the address of an HTTP proxy (http://host:port), so it is not used.`);
    return undefined;
  };
  const proxies = { https_proxy: found("https_proxy"), http_proxy: found("http_proxy") };
  used = {};
  if (proxies.https_proxy === undefined && proxies.http_proxy === undefined) return unused;
  const exceptions = [environment["no_proxy"] || environment["NO_PROXY"] || "", ...direct];
  const noProxy = exceptions.filter((text) => text !== "").join(",");
  environment["no_proxy"] = noProxy;
  environment["NO_PROXY"] = noProxy;
  used = { ...proxies, no_proxy: noProxy };
  setGlobalProxyFromEnv(used);
  return unused;
}

/** For an `http.Agent` of its own; the global ones and `fetch` know. */
export function proxyEnvironment(): Variables {
  return used;
}

/** Whether a connection that ends at this port may be one to a proxy: then nothing is known of the server's address. */
export function mayLeadToProxy(port: number | undefined): boolean {
  return [used["https_proxy"], used["http_proxy"]].some(
    (proxy) => proxy !== undefined && port === portOf(new URL(proxy)),
  );
}

/** What the proxy for https did to a request that failed so ("the proxy h:3128 refuses it (HTTP 407)"); undefined: nothing that is known. */
export function proxyTrouble(error: unknown): string | undefined {
  const proxy = used["https_proxy"];
  if (proxy === undefined) return undefined;
  for (let each = error; each instanceof Error; each = each.cause) {
    const { code, statusCode } = each as Failure;
    // Of http.Agent, and of fetch, which aborts by itself for no other reason.
    if (code === "ERR_PROXY_TUNNEL" || code === "UND_ERR_ABORTED")
      return refusedBy(new URL(proxy), statusCode);
    // A name with several addresses fails with an error for each.
    const failures = each instanceof AggregateError ? (each.errors as Failure[]) : [each as Failure];
    if (failures.some((failure) => isOnTheWayTo(new URL(proxy), failure))) {
      return `the proxy ${nameOf(new URL(proxy))} cannot be reached${code === undefined ? "" : ` (${code})`}`;
    }
  }
  return undefined;
}

/** The same of an answer that the proxy may have given in the server's place. */
export function proxyAnswered(status: number): string | undefined {
  const proxy = used["https_proxy"];
  return proxy === undefined ? undefined : refusedBy(new URL(proxy), status);
}

export const proxyHint =
  "Let the proxy allow this host, correct https_proxy, or name the host in no_proxy if it is reached directly.";

interface Failure {
  readonly code?: string;
  readonly statusCode?: number;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

function isOnTheWayTo(proxy: URL, { address, port, hostname }: Failure): boolean {
  if (hostname === proxy.hostname) return true;
  // Servers that are asked directly listen on the usual ports; there the address has to be the proxy's too.
  const isTelling = ![80, 443].includes(portOf(proxy)) || address === proxy.hostname;
  return port === portOf(proxy) && isTelling;
}

function refusedBy(proxy: URL, status: number | undefined): string {
  return `the proxy ${nameOf(proxy)} does not let it through${status === undefined ? "" : ` (HTTP ${status})`}`;
}

function nameOf(proxy: URL): string {
  return `${proxy.hostname}:${portOf(proxy)}`;
}

function portOf({ port, protocol }: URL): number {
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}
