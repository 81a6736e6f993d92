/**
 * URLs of stores and of archives, and the words that choose a snapshot. A location is taken apart once, here, so that
 * no store ever parses text and no error text ever has to guess what was meant.
 */
import type { S3Options, SnapshotSelector, StorageLocation } from "../domain/options.ts";
import { fileURLToPath, pathToFileURL } from "node:url";
import { basename, dirname, posix, resolve } from "node:path";
import * as v from "valibot";
import { snapshotIdSchema } from "../domain/manifest.ts";
import { hasControlCharacter, refuse, type Parser } from "./parsers.ts";

export const schemes = ["file", "s3", "az", "gs", "https"] as const;
export type Scheme = (typeof schemes)[number];

const forms: Readonly<Record<Scheme, string>> = {
  file: "file:///directory",
  s3: "s3://bucket/prefix",
  az: "az://account/container/prefix",
  gs: "gs://bucket/prefix",
  https: "https://host/prefix (reading only)",
};

/** A store's place as written; the options of S3 join it in `withS3`. */
export type BareLocation =
  | Exclude<StorageLocation, { scheme: "s3" }>
  | { readonly scheme: "s3"; readonly url: string; readonly bucket: string; readonly prefix: string };

export function withS3(location: BareLocation, s3: S3Options): StorageLocation {
  return location.scheme === "s3" ? { ...location, s3 } : location;
}

/** The scheme that a text begins with, if it is one of ours. Plain http counts as https: both are read the same way. */
export function schemeOf(text: string): Scheme | undefined {
  const prefix = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  return prefix === "http" ? "https" : schemes.find((scheme) => scheme === prefix);
}

/** `file:///dir`, `s3://bucket/prefix`, `az://account/container/prefix`, `gs://bucket/prefix`, `https://host/prefix`. */
export function parseLocation(text: string, input: string): BareLocation {
  const scheme = schemeOf(text);
  if (scheme === undefined || hasControlCharacter(text)) {
    const allowed = Object.values(forms).join(", ");
    throw refuse(input, text, `A location is one of: [${allowed}].`);
  }
  if (scheme === "file") return { scheme, url: text, directory: fileDirectory(text, input) };
  if (scheme === "https") return { scheme, url: webUrl(text, input) };
  const [first = "", ...rest] = text.slice(`${scheme}://`.length).replace(/\/+$/, "").split("/");
  const bad = (): Error => refuse(input, text, `The form is ${forms[scheme]}.`);
  const parts = [first, ...rest];
  if (!parts.every((part) => part !== "" && part !== "." && part !== "..")) throw bad();
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(first) || /[?#]/.test(text)) throw bad();
  if (scheme !== "az")
    return { scheme, url: text.replace(/\/+$/, ""), bucket: first, prefix: rest.join("/") };
  const [container, ...prefix] = rest;
  if (container === undefined) throw bad();
  return { scheme, url: text.replace(/\/+$/, ""), account: first, container, prefix: prefix.join("/") };
}

/** Public archives by the name that stands for them, at the addresses that docs.hiro.so gives (`latest` is made anew once a day). */
const publicArchives: ReadonlyMap<string, string> = new Map(
  ["mainnet", "testnet"].map((network) => [
    `hiro:${network}`,
    `https://archive.hiro.so/${network}/stacks-blockchain/${network}-stacks-blockchain-latest.tar.zst`,
  ]),
);

/** `latest`, an id, `height<=N`, or an archive made elsewhere, by its URL or the name of a public one. */
export function parseSelector(text: string, input: string): SnapshotSelector {
  if (text === "latest") return { kind: "latest" };
  const atMost = /^height\s*<=\s*(\d{1,15})$/.exec(text)?.[1];
  if (atMost !== undefined) return { kind: "height", atMost: Number(atMost) };
  if (text.includes("://") || publicArchives.has(text))
    return { kind: "external", url: archiveUrl(text, input) };
  if (v.is(snapshotIdSchema, text)) return { kind: "id", id: text };
  throw refuse(
    input,
    text,
    "Valid are: latest, a snapshot's id, height<=N, the URL of an archive, hiro:mainnet or hiro:testnet.",
  );
}

/** An id alone: for what is done to one snapshot, `latest` could be another one by then. */
export const snapshotIdOf: Parser<string> = (text, input) => {
  if (v.is(snapshotIdSchema, text) && text !== "latest") return text;
  throw refuse(input, text, "A snapshot's id is needed, such as mainnet-8112233-20261122T020014Z.");
};

/** The store that an archive (as `archiveUrl` gives it) is in, and its key there. */
export function locateArchive(
  url: string,
  s3: S3Options,
  input: string,
): { readonly location: StorageLocation; readonly key: string } {
  const scheme = schemeOf(url);
  if (scheme === "https") {
    const { origin, pathname, search } = new URL(url);
    const slash = pathname.lastIndexOf("/");
    const location = { scheme, url: origin + pathname.slice(0, slash) + search, keysAreEncoded: true };
    return { location, key: pathname.slice(slash + 1) };
  }
  const found = parseLocation(url, input);
  if (found.scheme === "file") {
    const location = {
      ...found,
      url: pathToFileURL(dirname(found.directory)).href,
      directory: dirname(found.directory),
    };
    return { location, key: basename(found.directory) };
  }
  if (found.scheme === "https") throw new RangeError("seen above");
  const prefix = posix.dirname(found.prefix);
  const parent = { ...found, url: found.url.replace(/\/[^/]*$/, ""), prefix: prefix === "." ? "" : prefix };
  return { location: withS3(parent, s3), key: posix.basename(found.prefix) };
}

/** The URL of one archive on any store, or the name of a public one; a signed URL keeps its query. */
export function archiveUrl(given: string, input: string): string {
  const text = publicArchives.get(given) ?? given;
  const scheme = schemeOf(text);
  if (scheme === "https") {
    const url = webUrl(text, input);
    if (new URL(url).pathname === "/") throw refuse(input, text, "This names a host, not an archive on it.");
    return url;
  }
  const location = parseLocation(text, input);
  const names = location.scheme === "file" ? location.directory : "prefix" in location ? location.prefix : "";
  if (names === "" || names === "/")
    throw refuse(input, text, "This names a whole store, not an archive in it.");
  return text;
}

function fileDirectory(text: string, input: string): string {
  const wanted = "The form is file:///directory with an absolute path.";
  try {
    const url = new URL(text);
    if (url.search !== "" || url.hash !== "") throw refuse(input, text, wanted);
    return resolve(fileURLToPath(url));
  } catch {
    throw refuse(input, text, wanted);
  }
}

function webUrl(text: string, input: string): string {
  if (!URL.canParse(text)) throw refuse(input, text, `The form is ${forms.https}.`);
  const url = new URL(text);
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol === "http:" && !local) {
    throw refuse(
      input,
      text,
      "Plain http:// is allowed for localhost only: anybody on the way could change the bytes.",
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw refuse(input, text, "A name and password in a URL are not sent. Use a signed URL.");
  }
  // A signature may end in a slash.
  return url.search === "" ? text.replace(/\/+$/, "") : text;
}
