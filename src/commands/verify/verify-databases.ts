/**
 * Verifies that an archive holds the state it was cut at: the databases' frames are read back from where they were
 * written, opened in a scratch directory as a restored node would open them, checked again, and compared with what was
 * said inside the cut. Between the two lie the freezer, the reading, the compression, the network and the store.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { openIndex } from "../../archive/format/index-reader.ts";
import type { ArchiveIndex } from "../../archive/format/index-reader.ts";
import { unpackArchive } from "../../archive/read/reader.ts";
import type { ReadArchiveOptions } from "../../archive/read/reader.ts";
import { assertConsistent, inspectChainstate } from "../../chainstate/inspect.ts";
import type { AskSigners, Inspection } from "../../chainstate/inspect.ts";
import { foldWals } from "../../chainstate/fold.ts";
import { isBlobs, isNeededForChecks } from "../../chainstate/layout.ts";
import type { DatabaseRecord, ProofRecord } from "../../domain/manifest.ts";
import { ActionError } from "../../domain/errors.ts";
import { differentPages } from "../../pages/verify-pages.ts";
import { formatBytes, spaceAt } from "../../system/space.ts";
import type { Copy } from "./trials.ts";

export interface VerifyArchiveOptions extends ReadArchiveOptions {
  /** A directory is made in it, and removed. */
  readonly scratchParent: string;
  readonly depth: "tips" | "quick" | "proof" | "full";
  /** What need not be proven again. */
  readonly proven?: ProofRecord | undefined;
  readonly signers?: AskSigners;
  /** The databases whose pages the manifest tells. */
  readonly records: readonly DatabaseRecord[];
  /** What was found inside the cut. */
  readonly cut: Pick<Inspection, "facts" | "checks">;
  /** Hint of ARCHIVE_DIFFERS: only the caller knows whether the archive is published. */
  readonly ifDifferent: string;
  /** What is done with the databases when they have passed, while they are there. */
  readonly next?: NextStep | undefined;
}

export interface NextStep {
  /** Which entries of the archive have to be there, beside those that the checks read. */
  needs(path: string): boolean;
  run(inspection: Inspection, place: Pick<Copy, "dir" | "work">): Promise<void>;
}

export type VerifiedDatabases =
  | {
      readonly made: true;
      readonly inspection: Inspection;
      /** Of the archive, for the databases. */
      readonly fetchedBytes: number;
    }
  /** The databases do not fit into the scratch space; in words for the log. */
  | { readonly made: false; readonly reason: string };

/** Left free for everybody else. */
const reserveBytes = 1024 ** 3;

/**
 * Throws CHAINSTATE_INCONSISTENT when the databases of the archive disagree, ARCHIVE_DIFFERS when they agree on another
 * state than the cut's, and whatever reading an archive throws.
 */
export async function verifyDatabases(options: VerifyArchiveOptions): Promise<VerifiedDatabases> {
  const { indexFile, indexDigest, signal, scratchParent, depth, cut, next } = options;
  const index = await openIndex(indexFile, {
    signal,
    ...(indexDigest === undefined ? {} : { expect: indexDigest }),
  });
  const paged = new Set(options.records.flatMap(({ path }) => [path, `${path}-wal`]));
  const needed = (path: string): boolean =>
    isNeededForChecks(path, depth) || paged.has(path) || next?.needs(path) === true;
  const sizes = await measure(index, needed, signal);
  const { freeBytes } = await spaceAt(scratchParent);
  if (freeBytes < sizes.neededBytes + reserveBytes) {
    return {
      made: false,
      reason: `the databases take ${formatBytes(sizes.neededBytes)}, ${scratchParent} has ${formatBytes(freeBytes)} free`,
    };
  }
  const scratch = await mkdtemp(join(scratchParent, "verify-"));
  try {
    const dir = join(scratch, "databases");
    const { fetchedBytes } = await unpackArchive({
      ...options,
      target: dir,
      owner: "mine",
      select: needed,
      durable: false,
    });
    await requirePages(options, dir);
    const inspection = await inspectChainstate({
      dir,
      depth,
      signal,
      network: cut.facts.network,
      hasBlockFiles: false,
      proven: options.proven,
      ...(options.signers === undefined ? {} : { signers: options.signers }),
      ...(depth === "full" || depth === "proof"
        ? {}
        : { blobs: { sizeOf: async (path) => sizes.blobs.get(path) } }),
    });
    assertConsistent(inspection);
    requireSame(cut, inspection, options.ifDifferent);
    await next?.run(inspection, { dir, work: scratch });
    return { made: true, inspection, fetchedBytes };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** ARCHIVE_DIFFERS. Folds the WALs of these databases, as a restore does. */
async function requirePages(
  { records, concurrency, signal, ifDifferent }: VerifyArchiveOptions,
  directory: string,
): Promise<void> {
  await foldWals(
    directory,
    records.map(({ path }) => path),
    signal,
  );
  const [different] = await differentPages({ directory, records, concurrency, signal });
  if (different === undefined) return;
  throw new ActionError(
    "ARCHIVE_DIFFERS",
    `The archive holds other pages than those that were frozen: ${different}.`,
    { hint: ifDifferent },
  );
}

/** What the entries of an archive that `needed` names take when they are unpacked. */
export async function neededBytes(
  { indexFile, indexDigest, signal }: ReadArchiveOptions,
  needed: (path: string) => boolean,
): Promise<number> {
  const expect = indexDigest === undefined ? {} : { expect: indexDigest };
  const index = await openIndex(indexFile, { signal, ...expect });
  return (await measure(index, needed, signal)).neededBytes;
}

async function measure(
  index: ArchiveIndex,
  needed: (path: string) => boolean,
  signal: AbortSignal,
): Promise<{ readonly neededBytes: number; readonly blobs: ReadonlyMap<string, number> }> {
  let neededBytes = 0;
  const blobs = new Map<string, number>();
  for await (const batch of index.entries(signal)) {
    for (const { path, size } of batch) {
      if (needed(path)) neededBytes += size;
      if (isBlobs(path)) blobs.set(path, size);
    }
  }
  return { neededBytes, blobs };
}

function requireSame(cut: VerifyArchiveOptions["cut"], archived: Inspection, hint: string): void {
  const lost = cut.checks.filter(
    ({ id, result }) =>
      // Without the tries nothing is proven again; that the tip's are there is said by their lengths.
      id !== "proof" &&
      result === "passed" &&
      archived.checks.some((check) => check.id === id && check.result !== "passed"),
  );
  const differences = [
    ...lost.map(({ id }) => `check ${id} could not be made again`),
    ...(["stacksHeight", "stacksTip", "consensusHash", "burnHeight", "chainId", "schemas"] as const)
      .filter((name) => JSON.stringify(cut.facts[name]) !== JSON.stringify(archived.facts[name]))
      .map(
        (name) =>
          `${name} is ${JSON.stringify(archived.facts[name])}, was ${JSON.stringify(cut.facts[name])}`,
      ),
  ];
  if (differences.length === 0) return;
  throw new ActionError(
    "ARCHIVE_DIFFERS",
    `The archive holds another state than the one that was frozen: ${differences.join("; ")}.`,
    { hint },
  );
}
