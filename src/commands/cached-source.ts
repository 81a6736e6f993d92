/**
 * A restore's source with a cache before it: a directory on the runner, out of which each job gets a clone, or GitHub's.
 * What is fetched, checked, staged and swapped stays as it is without one.
 */
import { readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { openCache, type Cache, type FillRequest, type Seed } from "../cache/cache.ts";
import { assertConsistent, inspectChainstate } from "../chainstate/inspect.ts";
import type { CheckDepth, RestoreConfig } from "../config.ts";
import { hasCode } from "../errors.ts";
import { canonicalPath } from "../recovery/state-directory.ts";
import { sameFileSystem } from "../system/mounts.ts";
import { formatBytes } from "../system/space.ts";
import { cacheAtGithub } from "./github-source.ts";
import type { RestoreSource, UnpackRequest } from "./restore-source.ts";
import type { Rooms } from "./rooms.ts";

/** Takes the source over: it is closed with what is returned, or at once when this fails. */
export async function withCache(
  source: RestoreSource,
  config: RestoreConfig,
  rooms: Rooms,
): Promise<RestoreSource> {
  // A dry run changes nothing, the cache included.
  if (config.cache.kind === "none" || config.dryRun) return source;
  if (config.cache.kind === "github") return cacheAtGithub(source, rooms);
  const { path } = config.cache;
  try {
    const { clock, signal, report } = rooms;
    const cache = await openCache(path, { clock, signal, onInfo: (message) => report.info(message) });
    const seed = await cache.take(keyOf(source));
    const isFree = seed !== undefined && cache.sharesBlocks && (await isBeside(path, config.chainstateDir));
    return new DirectoryCachedSource(source, config, rooms, cache, seed, isFree ? 0 : source.neededBytes);
  } catch (error) {
    await source.close();
    throw error;
  }
}

function keyOf({ cacheable, id }: RestoreSource): string {
  return cacheable?.key ?? id;
}

class DirectoryCachedSource implements RestoreSource {
  readonly neededBytes: number;
  readonly #source: RestoreSource;
  readonly #config: RestoreConfig;
  readonly #rooms: Rooms;
  readonly #cache: Cache;
  #seed: Seed | undefined;
  #filledHere = false;

  constructor(
    source: RestoreSource,
    config: RestoreConfig,
    rooms: Rooms,
    cache: Cache,
    seed: Seed | undefined,
    neededBytes: number,
  ) {
    this.#source = source;
    this.#config = config;
    this.#rooms = rooms;
    this.#cache = cache;
    this.#seed = seed;
    this.neededBytes = neededBytes;
  }

  get id(): string {
    return this.#source.id;
  }

  get name(): string {
    return this.#source.name;
  }

  get chain(): RestoreSource["chain"] {
    return this.#source.chain;
  }

  get network(): string | undefined {
    return this.#seed?.notes["network"] ?? this.#source.network;
  }

  get proved(): CheckDepth | undefined {
    return this.#seed?.notes["proved"] as CheckDepth | undefined;
  }

  introduce(): void {
    this.#source.introduce();
    if (this.#seed !== undefined) this.#rooms.report.info("The cache has it; nothing will be fetched.");
  }

  async unpack(request: UnpackRequest): Promise<void> {
    const { report } = this.#rooms;
    const seed = this.#seed ?? (await this.#fill(request));
    this.#seed = seed;
    report.output("cache-hit", String(seed !== undefined && !this.#filledHere));
    if (seed === undefined) return await this.#source.unpack(request);
    const { staging, files, owner, phase, replaces } = request;
    const startedAt = performance.now();
    await files.removeTree(staging);
    const method = await seed.clone({
      into: staging,
      owner: owner === "archived" ? "kept" : "mine",
      mayBeSubvolume: dirname(staging) !== (await canonicalPath(this.#config.chainstateDir)),
    });
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    if (replaces) await files.syncFileSystem(staging);
    phase.bytes(seed.bytes);
    const from = this.#filledHere ? "filled by this run, then cloned" : "hit: cloned";
    report.fact("Cache", `${from} (${method}) in ${seconds} s, ${formatBytes(seed.bytes)}`);
  }

  async close(): Promise<void> {
    this.#seed?.release();
    await this.#source.close();
  }

  /** Undefined: the cache has no room, and the restore goes on without it. */
  async #fill(request: UnpackRequest): Promise<Seed | undefined> {
    const { report } = this.#rooms;
    try {
      const { seed, filledHere } = await this.#cache.fill(keyOf(this.#source), {
        neededBytes: this.#source.neededBytes,
        make: async (tree) => await this.#make(tree, request),
      });
      this.#filledHere = filledHere;
      return seed;
    } catch (error) {
      if (!hasCode(error, "CACHE_FULL")) throw error;
      report.warning(`${error.message} Restoring without it.`);
      report.fact("Cache", "not used: no room");
      return undefined;
    }
  }

  async #make(tree: string, request: UnpackRequest): ReturnType<FillRequest["make"]> {
    const source = this.#source;
    const { privilege, host } = this.#rooms;
    const owner = privilege("never").isRoot ? "archived" : "mine";
    const another = source.cacheable === undefined ? undefined : await this.#cache.takeAnother(keyOf(source));
    try {
      const seeds = another === undefined ? request.seeds : [...request.seeds, another.tree];
      const common = { ...request, owner, seeds, replaces: true } as const;
      if (source.cacheable === undefined) {
        // Nobody can go on with what is left of it, and a journal may name it for removal: a place of this run alone.
        const place = dirname(tree);
        for (const name of await readdir(place)) await rm(join(place, name), { recursive: true });
        const staging = join(place, `${host.runId}-new`);
        await source.unpack({ ...common, staging });
        await rename(staging, tree);
      } else {
        await source.unpack({ ...common, staging: tree });
      }
    } finally {
      another?.release();
    }
    await this.#check(tree);
    const { network } = source;
    return { proved: this.#config.check, ...(network === undefined ? {} : { network }) };
  }

  /** What does not pass is no seed; what has passed need not be read whole again in each clone. */
  async #check(dir: string): Promise<void> {
    const { check: depth, chainstateDir } = this.#config;
    if (depth === "none") return;
    const { chain, network = basename(chainstateDir) } = this.#source;
    const { signal } = this.#rooms;
    assertConsistent(await inspectChainstate({ dir, depth, network: chain?.network ?? network, signal }));
  }
}

/** Where the target will be is on the cache's own file system; some of the way there may not exist yet. */
async function isBeside(cache: string, chainstateDir: string): Promise<boolean> {
  for (let path = dirname(await canonicalPath(chainstateDir)); ; path = dirname(path)) {
    try {
      return await sameFileSystem(cache, path);
    } catch (error) {
      if (!hasCode(error, "ENOENT") || path === "/") throw error;
    }
  }
}
