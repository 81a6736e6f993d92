/**
 * An archive made elsewhere, found by its URL: opened on whatever store it is, with the checksum that is published beside
 * it if there is one.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { unpackForeign, type ForeignOptions, type UnpackedForeign } from "../archive/foreign.ts";
import type { S3Options } from "../config.ts";
import { ActionError, hasCode } from "../errors.ts";
import { locateArchive } from "../inputs/locations.ts";
import type { Phase } from "../report/port.ts";
import { openFrameSource, type StoredSource } from "../store/frame-source.ts";
import type { ObjectStore } from "../store/port.ts";
import { formatBytes } from "../system/space.ts";
import type { Rooms } from "./rooms.ts";

export interface ForeignArchive {
  /** Of the file, for people. */
  readonly name: string;
  readonly source: StoredSource;
  /** Hex; undefined: nobody published one. */
  readonly sha256: string | undefined;
  /** Names this version of it on this host. */
  readonly id: string;
  close(): Promise<void>;
}

/** `input` is the one that names it. Says what was found. */
export async function openForeignArchive(
  rooms: Rooms,
  url: string,
  s3: S3Options,
  input: "snapshot" | "snapshot-from",
): Promise<ForeignArchive> {
  const { report, signal } = rooms;
  const { location, key } = locateArchive(url, s3, input);
  const store = await rooms.openStore(location);
  try {
    const source = await openFrameSource(store, key, signal);
    const name = decoded(key);
    report.info(`Archive: ${source.url}, ${formatBytes(source.size)}.`);
    const sha256 = await findChecksum(store, key, signal);
    if (sha256 === undefined) {
      report.warning(
        `${name} has no .sha256 beside it: that it is what its maker published cannot be proved. The chainstate in it is checked all the same.`,
      );
      requireVersion(source);
    } else {
      report.info(`Its SHA-256 is published: ${sha256}.`);
    }
    const version = [store.url, key, source.size, source.etag ?? source.modifiedAt?.toISOString() ?? ""];
    const id = `foreign-${createHash("sha256").update(version.join("\n")).digest("hex").slice(0, 12)}`;
    return { name, source, sha256, id, close: async () => await store.close() };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Reads it through, unpacking what is selected into `target`. */
export async function unpackForeignArchive(
  rooms: Rooms,
  { source, sha256, id }: ForeignArchive,
  phase: Phase,
  options: Pick<ForeignOptions, "target" | "owner" | "select" | "locateRoot" | "durable">,
): Promise<UnpackedForeign> {
  const unpacked = await unpackForeign({
    ...options,
    source,
    sha256,
    spoolFile: join(rooms.host.tempDir, `${id}.spool`),
    signal: rooms.signal,
    onProgress: (progress) => phase.progress(progress),
  });
  rooms.report.info(
    `${unpacked.entries} entries, ${formatBytes(unpacked.tarSize)} unpacked, SHA-256 ${unpacked.sha256}` +
      (unpacked.root === "" ? "." : `; the chainstate is in ${JSON.stringify(unpacked.root)}.`),
  );
  return unpacked;
}

/** Several reads of a server that tells no version from another could be of two. */
function requireVersion({ etag, modifiedAt, url }: StoredSource): void {
  if (etag !== undefined || modifiedAt !== undefined) return;
  throw new ActionError(
    "VERSION_UNKNOWN",
    `${url}: the server gives neither an ETag nor a date, and there is no checksum either.`,
    { hint: "Publish a .sha256 beside it, or download it and restore it from file://." },
  );
}

const checksumAtMostBytes = 64 * 1024;
const ending = /\.(?:tar(?:\.(?:zst|gz))?|tgz|tzst)$/i;

/** From `<archive>.sha256`, or from `<archive without .tar.zst>.sha256`, as some publish it. */
async function findChecksum(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (const beside of new Set([`${key}.sha256`, `${key.replace(ending, "")}.sha256`])) {
    const text = await readSmall(store, beside, signal);
    const sha256 = text === undefined ? undefined : checksumIn(text, decoded(key));
    if (sha256 !== undefined) return sha256;
  }
  return undefined;
}

async function readSmall(store: ObjectStore, key: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const info = await store.head(key, signal);
    if (info === undefined || info.size > checksumAtMostBytes) return undefined;
    return Buffer.from((await store.get(key, { signal })).bytes).toString("utf8");
  } catch (error) {
    // Where listing is not allowed, or a signature is for one object, what is not there may not be asked for either.
    if (hasCode(error, "OBJECT_NOT_FOUND") || hasCode(error, "STORE_DENIED")) return undefined;
    throw error;
  }
}

/**
 * The line for `name`; or the only line, if it names no file or one of the same kind: the "latest" of a publisher is often
 * a copy of a file with a date in its name.
 */
export function checksumIn(text: string, name: string): string | undefined {
  const lines = text
    .split("\n")
    .map((line) => /^([0-9a-f]{64})(?:\s+\*?(.+))?$/i.exec(line.trim()))
    .filter((line) => line !== null)
    .map(([, sha256 = "", path = ""]) => ({
      sha256: sha256.toLowerCase(),
      name: path.split("/").at(-1) ?? "",
    }));
  const named = lines.find((line) => line.name === name);
  if (named !== undefined) return named.sha256;
  const [only, second] = lines;
  if (only === undefined || second !== undefined) return undefined;
  const kindOf = (file: string): string | undefined => ending.exec(file)?.[0].toLowerCase();
  return only.name === "" || kindOf(only.name) === kindOf(name) ? only.sha256 : undefined;
}

function decoded(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
