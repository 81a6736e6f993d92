/** Restores an archive: fetched, verified and unpacked beside the target, into a directory that takes its place. */
import { basename, dirname, join } from "node:path";
import type { RestoreConfig } from "../config.ts";
import { ActionError } from "../errors.ts";
import type { FileOperations } from "../recovery/file-operations.ts";
import { ownPrefix, type SwapPlan } from "../recovery/swap.ts";
import { formatBytes, spaceAt } from "../system/space.ts";
import { withCache } from "./cached-source.ts";
import { openForeignSource } from "./foreign-source.ts";
import { openOwnSource } from "./own-source.ts";
import type { Origin, Staged, StageRequest } from "./restore-origin.ts";
import type { RestoreSource } from "./restore-source.ts";
import type { Rooms } from "./rooms.ts";
import { stagedDirectory } from "./staged-directory.ts";

export async function openArchiveOrigin(config: RestoreConfig, rooms: Rooms): Promise<Origin> {
  return new ArchiveOrigin(config, rooms, await withCache(await openSource(config, rooms), config, rooms));
}

async function openSource({ storage, snapshot, s3 }: RestoreConfig, rooms: Rooms): Promise<RestoreSource> {
  if (snapshot.kind === "foreign") return await openForeignSource(rooms, snapshot.url, s3);
  if (storage === undefined) throw new RangeError("a snapshot is on a store");
  return await openOwnSource(rooms, storage, snapshot);
}

class ArchiveOrigin implements Origin {
  readonly #config: RestoreConfig;
  readonly #rooms: Rooms;
  readonly #source: RestoreSource;

  constructor(config: RestoreConfig, rooms: Rooms, source: RestoreSource) {
    this.#config = config;
    this.#rooms = rooms;
    this.#source = source;
  }

  get id(): string {
    return this.#source.id;
  }

  get name(): string {
    return this.#source.name;
  }

  get chain(): Origin["chain"] {
    return this.#source.chain;
  }

  get network(): string | undefined {
    return this.#source.network;
  }

  get proved(): Origin["proved"] {
    return this.#source.proved;
  }

  introduce(): void {
    this.#source.introduce();
  }

  async preflight(swap: SwapPlan): Promise<void> {
    const directory = dirname(swap.staging);
    const needed = this.#source.neededBytes;
    const { freeBytes } = await spaceAt(directory);
    if (freeBytes >= needed * 1.01) return;
    throw new ActionError(
      "SPACE_MISSING",
      `${directory} has ${formatBytes(freeBytes)} free; the chainstate needs ${formatBytes(needed)} beside the old one.`,
      { hint: "Free some space. The old chainstate is only dropped when the node runs on the new one." },
    );
  }

  /** Into a directory named by the snapshot, so that a restore that was interrupted goes on where it stopped. */
  async stage({ swap, replaces, scratch, files, journal }: StageRequest): Promise<Staged> {
    const { report } = this.#rooms;
    const { seedFrom, concurrency, node } = this.#config;
    await this.#removeOtherStaging(swap, files);
    await report.phase("download", `Fetch and unpack beside ${swap.target}`, async (phase) => {
      await this.#source.unpack({
        staging: swap.staging,
        owner: this.#rooms.privilege(node.sudo).isRoot && !replaces ? "archived" : "mine",
        replaces,
        // Read while the node writes to it: a piece that is not what it should be is fetched instead.
        seeds: seedFrom ?? (replaces ? [swap.target] : []),
        scratch,
        concurrency,
        files,
        journal,
        phase,
      });
      if (replaces) await files.copyOwnerToTree(swap.target, swap.staging);
    });
    return stagedDirectory(swap, { journal, files });
  }

  async close(): Promise<void> {
    await this.#source.close();
  }

  /** What an interrupted restore of another snapshot left beside this target is of no use any more. */
  async #removeOtherStaging(swap: SwapPlan, files: FileOperations): Promise<void> {
    const container = dirname(swap.staging);
    const ours = `${ownPrefix}${swap.layout === "contents" ? "" : `${basename(swap.target)}-`}`;
    for (const name of await files.names(container)) {
      const path = join(container, name);
      if (!name.startsWith(ours) || !name.endsWith("-new") || path === swap.staging) continue;
      this.#rooms.report.info(`Removing ${path}, left by an interrupted restore of another snapshot.`);
      await files.removeTree(path);
    }
  }
}
