/**
 * Unpacks an archive that was made elsewhere: `.tar.zst`, `.tar.gz` or `.tar`, by whatever tool. There is no index, so it
 * is read once from first byte to last, and what it holds is believed of nobody: see `tree.ts` for what is refused.
 */
import { createHash, type Hash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { ActionError, throwIfAborted } from "../../domain/errors.ts";
import { runOk } from "../../system/exec.ts";
import { nameOf } from "../../system/held-directory.ts";
import { decompress } from "./decompress.ts";
import { entryLimits, ExternalBudget, type EntryLimits } from "./limits.ts";
import { ExternalTar } from "./tar.ts";
import { ExternalTree } from "./tree.ts";
import { KeptBytes, type KeptOptions } from "./kept-bytes.ts";
import { LateAttributes } from "../read/late-attributes.ts";
import { readInOrder } from "./ordered-reads.ts";
import type { FrameSource } from "../transport.ts";
import { show } from "../format/tree-check.ts";
import type { OwnerPolicy } from "../workers/worker-protocol.ts";

export interface ExternalOptions {
  readonly source: FrameSource;
  /** What the whole archive must have, hex; undefined: nobody says. */
  readonly sha256?: string | undefined;
  /** Absolute; absent or empty. After a failure it is incomplete, for the caller to remove. */
  readonly target: string;
  readonly owner: OwnerPolicy;
  /** Which files are written, by their path below the archive's root; the others are read and checked only. Default: all. */
  readonly select?: (path: string, size: number) => boolean;
  /** Finds the directory that is wanted, below `target`; "" for `target` itself. */
  readonly locateRoot: (target: string, signal: AbortSignal) => Promise<string>;
  /** Where what comes is kept for another run, see `kept-bytes.ts`. Default: nowhere. */
  readonly keep?: Pick<KeptOptions, "file" | "onInfo"> | undefined;
  /** A file that does not exist, for what has to wait; removed again. */
  readonly spoolFile: string;
  /** Return only when everything is on disk. */
  readonly durable: boolean;
  readonly limits?: EntryLimits;
  readonly signal: AbortSignal;
  /** Bytes of the archive. */
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void;
}

export interface UnpackedExternal {
  /** What `locateRoot` found. */
  readonly root: string;
  readonly entries: number;
  /** Bytes of the files that were written. */
  readonly contentSize: number;
  readonly tarSize: number;
  readonly sha256: string;
}

const syncTimeoutMs = 60 * 60 * 1000;

/**
 * Throws ARCHIVE_TRUNCATED, ARCHIVE_DAMAGED, ARCHIVE_FORMAT, ARCHIVE_UNREADABLE, ARCHIVE_UNSAFE, TOO_MANY_ENTRIES,
 * CHECKSUM_DIFFERS (the archive), TARGET_NOT_EMPTY, SPACE_MISSING, DISK_FULL, OWNER_DENIED, TARGET_UNWRITABLE (the
 * target), what the source or `locateRoot` throws, or the signal's reason.
 */
export async function unpackExternal(options: ExternalOptions): Promise<UnpackedExternal> {
  const { source, target, spoolFile } = options;
  await prepareTarget(target);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const late = new LateAttributes(spoolFile);
  // Without ranges there is no rest that could be fetched.
  const keep = source.whole === undefined ? options.keep : undefined;
  const unpackedBytes = (): number => tree.contentSize;
  const kept = keep && (await KeptBytes.open({ ...keep, size: source.size, unpackedBytes, signal }));
  const makeRoom = async (): Promise<boolean> => (await kept?.makeRoom()) ?? false;
  let isOfUse = false;
  const tree = new ExternalTree({
    directory: target,
    owner: options.owner,
    select: options.select,
    budget: new ExternalBudget(target, source.size, options.limits ?? entryLimits, makeRoom),
    late,
  });
  try {
    const { sha256, tarSize } = await readThrough({ ...options, kept }, tree, signal);
    const root = await options.locateRoot(target, signal);
    tree.finish(root);
    if (options.durable) await runOk(["sync", "-f", target], { signal, timeoutMs: syncTimeoutMs });
    return { root, entries: tree.entries, contentSize: tree.contentSize, tarSize, sha256 };
  } catch (error) {
    isOfUse = options.signal.aborted || isOfSource(error);
    throwIfAborted(options.signal);
    throw error;
  } finally {
    stop.abort();
    await kept?.close(isOfUse);
    await tree.close();
    late.close();
    await rm(spoolFile, { force: true });
  }
}

/** Nothing is wrong with what came so far. */
function isOfSource(error: unknown): boolean {
  return error instanceof ActionError && error.code.startsWith("STORE_");
}

type Reading = ExternalOptions & { readonly kept: KeptBytes | undefined };

async function readThrough(
  options: Reading,
  tree: ExternalTree,
  signal: AbortSignal,
): Promise<{ readonly sha256: string; readonly tarSize: number }> {
  const { source } = options;
  const hash = createHash("sha256");
  const tar = new ExternalTar();
  let tarSize = 0;
  for await (const bytes of decompress(observed(options, hash, signal))) {
    throwIfAborted(signal);
    tarSize += bytes.length;
    for (const event of tar.push(bytes)) await tree.handle(event);
  }
  tar.finish();
  const sha256 = hash.digest("hex");
  if (options.sha256 !== undefined && options.sha256 !== sha256) {
    throw new ActionError(
      "CHECKSUM_DIFFERS",
      `${source.url} has the SHA-256 ${sha256}, and ${options.sha256} was published for it or expected.`,
      {
        hint: "It is damaged, or one of the two was replaced in the meantime. Try again, or use another one.",
      },
    );
  }
  return { sha256, tarSize };
}

async function* observed(
  { source, kept, onProgress }: Reading,
  hash: Hash,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let doneBytes = 0;
  const seen = (bytes: Uint8Array): Uint8Array => {
    hash.update(bytes);
    doneBytes += bytes.length;
    onProgress?.({ doneBytes, totalBytes: source.size });
    return bytes;
  };
  if (kept !== undefined) for await (const bytes of kept.read()) yield seen(bytes);
  for await (const bytes of readInOrder(source, signal, doneBytes)) {
    await kept?.append(bytes);
    yield seen(bytes);
  }
}

async function prepareTarget(target: string): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o700 });
  if ((await readdir(target)).length === 0) return;
  throw new ActionError("TARGET_NOT_EMPTY", `${show(nameOf(target))} is not an empty directory.`, {
    hint: "Restore into a directory that is absent or empty.",
  });
}
