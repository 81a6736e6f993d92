/** One level of a dump: the record of it, `xfsdump` to the store in frames, `xfsrestore` of it from there. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import * as v from "valibot";
import { ActionError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../store/port.ts";
import { readFromCommand, writeToCommand } from "../../system/byte-pipe.ts";
import { spaceAt } from "../../system/space.ts";
import type { Host } from "../host.ts";
import type { ChainstatePart } from "../mounts/locate.ts";
import { syncFileSystem } from "../mounts/mounting.ts";
import { nameFor, runIdOf } from "../names.ts";
import type { RestoreRequest, SnapshotRequest, VolumeRecord } from "../port.ts";
import { byteCount, commonFields } from "../records.ts";
import { decodeFrames, encodeFrames } from "./frame-stream.ts";

const key = v.pipe(v.string(), v.regex(/^snapshots\/[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+\.xfsdump\.zst$/));
const dumpSchema = v.object({
  key,
  level: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(9)),
  /** What xfsdump's inventory on the host calls it; the next level is based on it. */
  sessionId: v.pipe(v.string(), v.regex(/^[0-9a-f-]{36}$/)),
  snapshotId: v.string(),
  createdAt: v.string(),
  sizeBytes: byteCount,
  dumpBytes: byteCount,
  /** Of the plain dump. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});
type Dump = v.InferOutput<typeof dumpSchema>;

export const xfsSchema = v.looseObject({
  ...commonFields,
  driver: v.literal("xfs"),
  snapshot: key,
  /** Level 0 first; the last one is this snapshot's own. */
  chain: v.pipe(v.array(dumpSchema), v.minLength(1), v.maxLength(10)),
  /** Snapshots that must be kept as long as this one. */
  requires: v.array(v.string()),
});

/** What the driver needs of the store layer, which it may not import. */
export interface DumpStore {
  readonly store: ObjectStore;
  /** Sends a stream as one object that appears when it is whole; resolves with its size. */
  readonly send: (
    key: string,
    chunks: AsyncIterable<Uint8Array>,
    options: { readonly expectedSizeBytes: number; readonly signal: AbortSignal },
  ) => Promise<number>;
}

const suffix = ".xfsdump.zst";
const highestLevel = 9;
/** xfsdump reads its list of inodes before the first byte comes: minutes on a large file system. */
const noProgressMs = 30 * 60_000;

export async function dump(
  main: ChainstatePart,
  request: SnapshotRequest,
  host: Host,
  dumps: DumpStore,
  compressionLevel: number,
): Promise<VolumeRecord> {
  const { facts, signal } = request;
  if (facts === undefined)
    throw new ActionError("OPEN_UNSUPPORTED", "An XFS dump cannot serve as a frozen view.");
  const chain = baseOf(request, main, await host.do(["xfsdump", "-I"])) ?? [];
  const objectKey = `snapshots/${facts.snapshotId}/${nameFor(request.runId)}${suffix}`;
  const createdAt = new Date(host.clock.now()).toISOString();
  // xfsdump finds inodes as they are on disk.
  await syncFileSystem(main.mount.mountPoint);
  const argv = dumpArgv(main, chain.length, chain.at(-1)?.sessionId, request.runId);
  const output = await readFromCommand(host.privilege.elevate(argv), { signal, noProgressMs });
  const hash = createHash("sha256");
  let dumpBytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of output.chunks) {
      hash.update(chunk);
      dumpBytes += chunk.length;
      yield chunk;
    }
    // Before the object is completed: a dump that failed must never become one.
    const end = await output.ended;
    const written = /media file size (\d+) bytes/.exec(end.stderr)?.[1];
    if (end.exitCode !== 0 || Number(written) !== dumpBytes) throw dumpFailed(main, end.stderr);
  };
  const options = { expectedSizeBytes: await usedBytes(main), signal };
  const sizeBytes = await dumps.send(objectKey, encodeFrames(counted(), compressionLevel, signal), options);
  const { stderr } = await output.ended;
  const sessionId = /session id:\s*([0-9a-f-]{36})/.exec(stderr)?.[1];
  if (sessionId === undefined) throw dumpFailed(main, stderr);
  const sha256 = hash.digest("hex");
  const own: Dump = {
    key: objectKey,
    level: chain.length,
    sessionId,
    snapshotId: facts.snapshotId,
    createdAt,
    sizeBytes,
    dumpBytes,
    sha256,
  };
  return {
    driver: "xfs",
    source: main.mount.mountPoint,
    snapshot: objectKey,
    createdAt,
    runId: request.runId,
    parts: [{ at: "", within: main.within }],
    mountPoint: main.mount.mountPoint,
    fsType: "xfs",
    chain: [...chain, own],
    requires: chain.map((each) => each.snapshotId),
  };
}

/** The chain that a dump can be based on: of the same directory, not full, and its last session in this host's inventory. */
export function baseOf(
  request: SnapshotRequest,
  main: ChainstatePart,
  inventory: string,
): readonly Dump[] | undefined {
  const [previous] = request.previous ?? [];
  const parsed = v.safeParse(xfsSchema, previous);
  if (!parsed.success || parsed.output.source !== main.mount.mountPoint) return undefined;
  const { chain, parts } = parsed.output;
  const last = chain.at(-1);
  const sameTree = parts.some((part) => part.at === "" && part.within === main.within);
  if (!sameTree || last === undefined || last.level >= highestLevel || !inventory.includes(last.sessionId))
    return undefined;
  return chain;
}

export function dumpArgv(
  main: ChainstatePart,
  level: number,
  base: string | undefined,
  runId: string,
): readonly string[] {
  return [
    "xfsdump",
    "-l",
    String(level),
    ...(base === undefined ? [] : ["-B", base]),
    "-L",
    nameFor(runId),
    "-M",
    "object",
    ...(main.within === "" ? [] : ["-s", main.within]),
    "-",
    main.mount.mountPoint,
  ];
}

/** Restores one level of a dump, on top of those before. DUMP_CORRUPT unless it is the dump that the manifest names. */
export async function restoreLevel(
  dump: Dump,
  directory: string,
  { signal }: RestoreRequest,
  host: Host,
  store: ObjectStore,
): Promise<void> {
  const { chunks } = await store.stream(dump.key, { signal });
  const plain = verifiedChunks(dump, decodeFrames(chunks), store);
  // "-A": no extended attributes, file capabilities among them.
  const argv = host.privilege.elevate(["xfsrestore", "-r", "-A", "-J", "-F", "-", directory]);
  const end = await writeToCommand(argv, plain, { signal, noProgressMs });
  if (end.exitCode !== 0) throw restoreFailed(store.urlOf(dump.key), end.stderr);
}

/** The chunks; DUMP_CORRUPT at their end unless they are what the manifest says. */
async function* verifiedChunks(
  dump: Dump,
  chunks: AsyncIterable<Uint8Array>,
  store: ObjectStore,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash("sha256");
  for await (const bytes of chunks) {
    hash.update(bytes);
    yield bytes;
  }
  if (hash.digest("hex") === dump.sha256) return;
  throw new ActionError("DUMP_CORRUPT", `${store.urlOf(dump.key)} is not the dump that the manifest names.`, {
    hint: "Choose another snapshot.",
  });
}

function restoreFailed(url: string, stderr: string): ActionError {
  return new ActionError("RESTORE_FAILED", `xfsrestore of ${url} failed: ${stderr.trim().slice(-300)}`, {
    hint: "See whether the disk is full and whether the directory is on a local file system.",
  });
}

function dumpFailed(main: ChainstatePart, stderr: string): ActionError {
  return new ActionError(
    "DUMP_FAILED",
    `xfsdump of ${main.mount.mountPoint} failed: ${stderr.trim().slice(-300)}`,
    {
      hint: "The node is brought back and nothing is published. Try it by hand: `xfsdump -l 0 -J - <mount point> >/dev/null`.",
    },
  );
}

export async function usedBytes(main: ChainstatePart): Promise<number> {
  const { totalBytes, freeBytes } = await spaceAt(main.mount.mountPoint);
  return totalBytes - freeBytes;
}

export function runOf(key: string): string | undefined {
  return key.endsWith(suffix) ? runIdOf(basename(key).slice(0, -suffix.length)) : undefined;
}
