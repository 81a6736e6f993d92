/** Restores an archive: fetched, verified and unpacked beside the target, into a directory that takes its place. */
import type { RestoreConfig } from "../../config/config.ts";
import type { FileOperations } from "../../recovery/file-operations.ts";
import type { Journal } from "../../recovery/journal.ts";
import { openPlace, partOf, removePlace, tidyPlaceOf, withPlace } from "../../recovery/place.ts";
import { commitSwap, finishSwap, swapIn, type RecordSwap, type SwapPlan } from "../../recovery/swap.ts";
import { bestEffort } from "../../system/best-effort.ts";
import type { HeldDirectory } from "../../system/held-directory.ts";
import type { RunContext } from "../context.ts";
import { withCache } from "./sources/directory-cache.ts";
import { openExternalSource } from "./sources/external.ts";
import { openOwnSource } from "./sources/own.ts";
import type { Kept, RestoreSource } from "./sources/source.ts";
import { givingBack, removeOtherStaging, requireSpace } from "./staging.ts";
import type { RestoreTarget, Staged, StageRequest } from "./target.ts";

export async function openDirectoryTarget(config: RestoreConfig, ctx: RunContext): Promise<RestoreTarget> {
  const source = await withCache(await openSource(config, ctx), config, ctx);
  let place: HeldDirectory | undefined;
  return {
    source,
    sizes: source,
    preflight: async (swap) => await requireSpace(swap, source.neededBytes),
    stage: async (request) => {
      await removeOtherStaging(request.swap, request.files, ctx);
      // Whoever comes after a run that died here knows of it; what is in it by then stays for the next restore.
      await request.journal.update((now) => ({ ...now, places: withPlace(now.places, request.swap.place) }));
      place = await openPlace(request.swap.place, request.files);
      return await stage(source, place, request, config, ctx);
    },
    close: async () => {
      place?.close();
      await source.close();
    },
  };
}

async function openSource(config: RestoreConfig, ctx: RunContext): Promise<RestoreSource> {
  const { storage, snapshot, s3, expectDigest } = config;
  if (snapshot.kind === "external") return await openExternalSource(ctx, snapshot.url, s3, expectDigest);
  if (storage === undefined) throw new RangeError("a snapshot is on a store");
  return await openOwnSource(ctx, { ...config, storage });
}

/** Into a directory named by the snapshot, so that a restore that was interrupted goes on where it stopped. */
async function stage(
  source: RestoreSource,
  place: HeldDirectory,
  { swap, replaces, scratch, files, journal }: StageRequest,
  { seedFrom, concurrency, node }: RestoreConfig,
  ctx: RunContext,
): Promise<Staged> {
  const pinned = partOf(place.at, "tree");
  // A run that came as far as the stop has given it to the node's user.
  if (replaces && (await files.exists(pinned))) await files.copyOwnerToTree(scratch, pinned);
  return await ctx.report.phase("download", `Fetch and unpack beside ${swap.target}`, async (phase) => {
    const request = {
      staging: swap.staging,
      pinned,
      keepIn: partOf(place.at, "fetched"),
      owner: ctx.privilege(node.sudo).isRoot && !replaces ? "archived" : "mine",
      replaces,
      // Read while the node writes to it: a piece that is not what it should be is fetched instead.
      seeds: seedFrom ?? (replaces ? [swap.target] : []),
      scratch,
      concurrency,
      files,
      journal,
      phase,
    } as const;
    const fetched = await givingBack(swap, files, ctx, () => source.fetch(request)).catch(
      async (error: unknown) => {
        await bestEffort(ctx.report, `remove ${swap.place}`, () => tidyPlaceOf(swap.staging, files));
        throw error;
      },
    );
    if (replaces) await files.copyOwnerToTree(swap.target, pinned);
    const discard = async (): Promise<void> => {
      await removePlace(swap.place, files);
      await fetched.kept?.forget();
    };
    return { ...fetched, ...stagedDirectory(swap, { journal, files, pinned, kept: fetched.kept }, discard) };
  });
}

interface DirectoryFacts {
  readonly journal: Journal;
  readonly files: FileOperations;
  /** The plan's `staging`, by a way that nobody can exchange. */
  readonly pinned: string;
  readonly kept?: Kept | undefined;
}

/** A chainstate in a directory beside the old one, exchanged by renames; see `recovery/swap.ts`. */
export function stagedDirectory(
  plan: SwapPlan,
  { journal, files, pinned, kept }: DirectoryFacts,
  discard: () => Promise<void>,
): Staged {
  const record: RecordSwap = async (swap) => {
    const isOpen = swap !== null && swap.step !== "committed";
    await journal.update(isOpen ? { swap } : { swap, confirm: null });
  };
  return {
    directory: pinned,
    discard,
    async swap() {
      // From here on a node may work on it.
      if (kept?.hasDigests === false) await kept.forget();
      await swapIn({ ...plan, keepStaging: kept?.hasDigests === true }, record, files, pinned);
    },
    async commit() {
      const { swap } = journal.content;
      if (swap !== null) await commitSwap(swap, record);
      await kept?.forget();
    },
    async finish(keepPrevious) {
      const { swap } = journal.content;
      if (swap === null) return [];
      await finishSwap(swap, keepPrevious, record, files);
      return keepPrevious && swap.hadTarget ? [swap.aside] : [];
    },
  };
}
