/**
 * Which addresses a server may send a reader on to. Whoever controls a server, or its DNS, must not reach through this host
 * what only this host can reach: services of the private network, the credentials of a cloud's instance.
 */
import { lookup as lookUp, type LookupAddress, type LookupOptions } from "node:dns";
import { isLinkLocal, isPrivate, literalAddress } from "../addresses.ts";
import { StoreError } from "../errors.ts";

/** Of the address that the first answer came from, and the one it sends on to. Undefined: yes; else why not. */
export function reasonAgainst(from: string | undefined, to: string): string | undefined {
  if (isLinkLocal(to)) return "a link-local address";
  if (isPrivate(to) && (from === undefined || !isPrivate(from))) return "a private address";
  return undefined;
}

/** Throws STORE_REDIRECT_REFUSED unless the URL is https, or a step on this very host. */
export function checkRedirect(from: URL, to: URL, fromAddress: string | undefined, url: string): void {
  if (to.protocol !== "https:" && !(to.protocol === "http:" && isLocalhost(from) && isLocalhost(to))) {
    throw refused(url, to.host, "it is not https");
  }
  const literal = literalAddress(to);
  const reason = literal === undefined ? undefined : reasonAgainst(fromAddress, literal);
  if (reason !== undefined) throw refused(url, to.host, `it is ${reason}`);
}

type Found = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/** `dns.lookup` for a connection to where a redirect leads: what a name means is known only now. */
export function lookupAfter(fromAddress: string | undefined, url: string) {
  return (host: string, options: LookupOptions, found: Found): void => {
    lookUp(host, { ...options, all: true }, (error, addresses) => {
      const bad =
        error === null ? addresses.find(({ address }) => reasonAgainst(fromAddress, address)) : undefined;
      if (error !== null) found(error, []);
      else if (bad !== undefined) {
        found(refused(url, host, `it is ${reasonAgainst(fromAddress, bad.address) ?? ""}`), []);
      } else if (options.all === true) found(null, addresses);
      else found(null, addresses[0]?.address ?? "", addresses[0]?.family);
    });
  };
}

function refused(url: string, host: string, why: string): StoreError {
  return new StoreError(
    "STORE_REDIRECT_REFUSED",
    `${url} redirects to ${host}, which is not followed: ${why}.`,
    {
      hint: "Give the address that it leads to yourself, if you trust it.",
    },
  );
}

function isLocalhost({ hostname }: URL): boolean {
  return ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
}
