/**
 * The proof that an archive holds the moment it was cut at: the databases' frames are read back from where they were
 * written, opened in a scratch directory as a restored node would open them, checked again, and compared with what was
 * said inside the cut. Between the two lie the freezer, the reading, the compression, the network and the store.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { openIndex } from "../archive/index-reader.ts";
import type { ArchiveIndex } from "../archive/index-reader.ts";
import { unpackArchive } from "../archive/reader.ts";
import type { ReadArchiveOptions } from "../archive/reader.ts";
import { assertConsistent, inspectChainstate } from "../chainstate/inspect.ts";
import type { Inspection } from "../chainstate/inspect.ts";
import { isBlobs, isNeededForChecks } from "../chainstate/layout.ts";
import { ActionError } from "../errors.ts";
import { formatBytes, spaceAt } from "../system/space.ts";

export interface ProofOptions extends ReadArchiveOptions {
  /** A directory is made in it, and removed. */
  readonly scratchParent: string;
  readonly depth: "tips" | "quick" | "full";
  /** What was found inside the cut. */
  readonly cut: Pick<Inspection, "facts" | "checks">;
}

export type Proof =
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
 * moment than the cut's, and whatever reading an archive throws.
 */
export async function proveArchive(options: ProofOptions): Promise<Proof> {
  const { indexFile, indexDigest, signal, scratchParent, depth, cut } = options;
  const index = await openIndex(indexFile, {
    signal,
    ...(indexDigest === undefined ? {} : { expect: indexDigest }),
  });
  const needed = (path: string): boolean => isNeededForChecks(path, depth);
  const sizes = await measure(index, needed, signal);
  const { freeBytes } = await spaceAt(scratchParent);
  if (freeBytes < sizes.neededBytes + reserveBytes) {
    return {
      made: false,
      reason: `the databases take ${formatBytes(sizes.neededBytes)}, ${scratchParent} has ${formatBytes(freeBytes)} free`,
    };
  }
  const scratch = await mkdtemp(join(scratchParent, "proof-"));
  try {
    const dir = join(scratch, "databases");
    const { fetchedBytes } = await unpackArchive({
      ...options,
      target: dir,
      owner: "mine",
      select: needed,
      durable: false,
    });
    const inspection = await inspectChainstate({
      dir,
      depth,
      signal,
      network: cut.facts.network,
      ...(depth === "full" ? {} : { blobs: { sizeOf: async (path) => sizes.blobs.get(path) } }),
    });
    assertConsistent(inspection);
    requireSame(cut, inspection);
    return { made: true, inspection, fetchedBytes };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
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

function requireSame(cut: ProofOptions["cut"], archived: Inspection): void {
  const lost = cut.checks.filter(
    ({ id, result }) =>
      result === "passed" && archived.checks.some((check) => check.id === id && check.result !== "passed"),
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
    `The archive holds another moment than the one that was held still: ${differences.join("; ")}.`,
    {
      hint: "Nothing was published. Something wrote to the chainstate that should not have; run again with `cut: cold`, and report this.",
    },
  );
}
