/**
 * An archive made elsewhere, found by its URL: opened on whatever store it is, with the checksum that is published beside
 * it if there is one.
 */
import type { S3Options } from "../domain/options.ts";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { unpackExternal, type ExternalOptions, type UnpackedExternal } from "../archive/external/external.ts";
import { checksumKeys, readChecksum } from "../catalog/checksum-file.ts";
import { ActionError, describeError, hasCode, throwIfAborted } from "../domain/errors.ts";
import { locateArchive } from "../config/locations.ts";
import type { Phase } from "../report/port.ts";
import { openFrameSource, type StoredSource } from "../store/frame-source.ts";
import type { ObjectStore } from "../store/port.ts";
import { formatBytes } from "../system/space.ts";
import type { RunContext } from "./context.ts";
import { closeStore } from "./with-store.ts";

export interface ExternalArchive {
  /** Of the file, for people. */
  readonly name: string;
  readonly source: StoredSource;
  /** Hex; undefined: nobody published one. */
  readonly sha256: string | undefined;
  /** Names this version of it on this host. */
  readonly id: string;
  close(): Promise<void>;
}

/** `input` is the one that names it; `expected`: the SHA-256 it must have. Says what was found. CHECKSUM_DIFFERS. */
export async function openExternalArchive(
  ctx: RunContext,
  url: string,
  s3: S3Options,
  input: "snapshot" | "from",
  expected: string | undefined,
): Promise<ExternalArchive> {
  const { report, signal } = ctx;
  const { location, key } = locateArchive(url, s3, input);
  const store = await ctx.openStore(location);
  try {
    const source = await openFrameSource(store, key, signal);
    const name = decoded(key);
    report.info(`Archive: ${source.place}, ${formatBytes(source.size)}.`);
    const sha256 = expected ?? (await findChecksum(ctx, store, key));
    if (sha256 === undefined) requireVersion(source);
    else report.info(`Its SHA-256 ${expected === undefined ? "is published" : "has to be"}: ${sha256}.`);
    // Each of several servers behind a name may have an ETag of its own.
    const told = sha256 ?? source.etag ?? source.modifiedAt?.toISOString() ?? "";
    const version = [store.url, key, source.size, told];
    const id = `external-${createHash("sha256").update(version.join("\n")).digest("hex").slice(0, 12)}`;
    return { name, source, sha256, id, close: async () => await closeStore(ctx, store) };
  } catch (error) {
    await closeStore(ctx, store);
    throw error;
  }
}

/** Reads it through, unpacking what is selected into `target`. `keepIn`: a file for what has come, should the run end before all has. */
export async function unpackExternalArchive(
  ctx: RunContext,
  { source, sha256, id }: Pick<ExternalArchive, "source" | "sha256" | "id">,
  phase: Phase,
  {
    keepIn,
    ...options
  }: Pick<ExternalOptions, "target" | "owner" | "select" | "locateRoot" | "durable"> & {
    readonly keepIn?: string | undefined;
  },
): Promise<UnpackedExternal> {
  const onInfo = (sentence: string): void => ctx.report.info(sentence);
  const unpacked = await unpackExternal({
    ...options,
    keep: keepIn === undefined ? undefined : { file: keepIn, onInfo },
    source,
    sha256,
    spoolFile: join(ctx.host.tempDir, `${id}.spool`),
    signal: ctx.signal,
    onProgress: (progress) => phase.progress(progress),
  });
  ctx.report.info(
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

/**
 * The digest that is published beside it; undefined: there is none, or it could not be found out, which is said. A file that
 * is there and cannot be understood is an error: somebody meant the archive to be checked.
 */
async function findChecksum(
  { report, signal }: RunContext,
  store: ObjectStore,
  key: string,
): Promise<string | undefined> {
  const unknown: string[] = [];
  for (const beside of checksumKeys(key)) {
    const found = await readBeside(store, beside.key, signal);
    if (found.unknown !== undefined) unknown.push(found.unknown);
    if (found.bytes === undefined) continue;
    const where = store.urlOf(beside.key);
    const sha256 = readChecksum(found.bytes, decoded(key), where, beside);
    if (sha256 !== undefined) return sha256;
    unknown.push(`${where} holds no checksum of it`);
  }
  const name = decoded(key);
  const checked =
    "that it is what its maker published is not checked. The chainstate in it is checked all the same.";
  report.warning(
    unknown.length === 0
      ? `${name} has no .sha256 beside it: ${checked}`
      : `Whether there is a .sha256 for ${name} is not known (${unknown.join("; ")}): ${checked}`,
  );
  return undefined;
}

interface Beside {
  readonly bytes?: Uint8Array;
  /** Why nothing can be said. */
  readonly unknown?: string;
}

async function readBeside(store: ObjectStore, key: string, signal: AbortSignal): Promise<Beside> {
  try {
    return { bytes: (await store.get(key, { signal, atMostBytes: checksumAtMostBytes })).bytes };
  } catch (error) {
    throwIfAborted(signal);
    if (hasCode(error, "OBJECT_NOT_FOUND")) return {};
    // Where listing is not allowed, or a signature is for one object, what is not there may not be asked for either.
    return { unknown: describeError(error) };
  }
}

function decoded(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
