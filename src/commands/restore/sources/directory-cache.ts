/**
 * A restore's source with a cache before it: a directory on the runner, out of which each job gets a clone, or GitHub's.
 * What is fetched, checked, staged and swapped stays as it is without one.
 */
import type { CheckDepth } from "../../../domain/options.ts";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { openCache, type Cache, type FillRequest, type Seed } from "../../../cache/cache.ts";
import { assertConsistent, inspectChainstate } from "../../../chainstate/inspect.ts";
import type { RestoreConfig } from "../../../config/config.ts";
import { hasCode } from "../../../domain/errors.ts";
import { partOf } from "../../../recovery/place.ts";
import { canonicalPath } from "../../../recovery/state-directory.ts";
import { sameFileSystem } from "../../../system/mounts.ts";
import { formatBytes } from "../../../system/space.ts";
import { cacheAtGithub } from "./github-cache.ts";
import type { Fetched, FetchRequest, RestoreSource } from "./source.ts";
import type { RunContext } from "../../context.ts";

/** Takes the source over: it is closed with what is returned, or at once when this fails. */
export async function withCache(
  source: RestoreSource,
  config: RestoreConfig,
  ctx: RunContext,
): Promise<RestoreSource> {
  // A dry run changes nothing, the cache included.
  if (config.cache.kind === "none" || config.dryRun) return source;
  if (config.cache.kind === "github") return cacheAtGithub(source, ctx);
  const { path } = config.cache;
  try {
    const { clock, signal, report } = ctx;
    const cache = await openCache(path, { clock, signal, onInfo: (message) => report.info(message) });
    const seed = await cache.take(keyOf(source));
    const isFree = seed !== undefined && cache.sharesBlocks && (await isBeside(path, config.chainstateDir));
    const cached = new DirectoryCache(source, config, ctx, cache, seed);
    return {
      ...source,
      about: seed === undefined ? source.about : `${source.about} The cache has it; nothing will be fetched.`,
      neededBytes: isFree ? 0 : source.neededBytes,
      fetch: async (request) => await cached.fetch(request),
      close: async () => await cached.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function keyOf({ cacheable, id }: RestoreSource): string {
  return cacheable?.key ?? id;
}

class DirectoryCache {
  readonly #source: RestoreSource;
  readonly #config: RestoreConfig;
  readonly #ctx: RunContext;
  readonly #cache: Cache;
  #seed: Seed | undefined;

  constructor(
    source: RestoreSource,
    config: RestoreConfig,
    ctx: RunContext,
    cache: Cache,
    seed: Seed | undefined,
  ) {
    this.#source = source;
    this.#config = config;
    this.#ctx = ctx;
    this.#cache = cache;
    this.#seed = seed;
  }

  async fetch(request: FetchRequest): Promise<Fetched> {
    const { report } = this.#ctx;
    let filledHere = false;
    if (this.#seed === undefined) {
      const filled = await this.#fill(request);
      this.#seed = filled?.seed;
      filledHere = filled?.filledHere ?? false;
    }
    const seed = this.#seed;
    report.output("cache-hit", String(seed !== undefined && !filledHere));
    if (seed === undefined) return await this.#source.fetch(request);
    const { staging, pinned, files, owner, phase, replaces } = request;
    const startedAt = performance.now();
    await files.removeTree(pinned);
    const method = await seed.clone({
      into: pinned,
      owner: owner === "archived" ? "kept" : "mine",
      mayBeSubvolume: dirname(dirname(staging)) !== (await canonicalPath(this.#config.chainstateDir)),
    });
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    if (replaces) await files.syncFileSystem(pinned);
    phase.bytes(seed.bytes);
    const from = filledHere ? "filled by this run, then cloned" : "hit: cloned";
    report.fact("Cache", `${from} (${method}) in ${seconds} s, ${formatBytes(seed.bytes)}`);
    const { network, verifiedDepth } = seed.notes;
    return { network, verifiedDepth: verifiedDepth as CheckDepth | undefined };
  }

  async close(): Promise<void> {
    this.#seed?.release();
    await this.#source.close();
  }

  /** Undefined: the cache has no space, and the restore goes on without it. */
  async #fill(
    request: FetchRequest,
  ): Promise<{ readonly seed: Seed; readonly filledHere: boolean } | undefined> {
    const { report } = this.#ctx;
    try {
      return await this.#cache.fill(keyOf(this.#source), {
        neededBytes: this.#source.neededBytes,
        make: async (tree) => await this.#make(tree, request),
      });
    } catch (error) {
      if (!hasCode(error, "CACHE_FULL")) throw error;
      report.warning(`${error.message} Restoring without it.`);
      report.fact("Cache", "not used: no space");
      return undefined;
    }
  }

  async #make(tree: string, request: FetchRequest): ReturnType<FillRequest["make"]> {
    const source = this.#source;
    const { privilege, host } = this.#ctx;
    const owner = privilege("never").isRoot ? "archived" : "mine";
    const another = source.cacheable === undefined ? undefined : await this.#cache.takeAnother(keyOf(source));
    let network: string | undefined;
    try {
      const seeds = another === undefined ? request.seeds : [...request.seeds, another.tree];
      const common = { ...request, owner, seeds, replaces: true } as const;
      if (source.cacheable === undefined) {
        // Nobody can go on with what is left of it, and a journal may name it for removal: a place of this run alone.
        const filling = dirname(tree);
        for (const name of await readdir(filling)) await rm(join(filling, name), { recursive: true });
        const place = join(filling, host.runId);
        await mkdir(place, { mode: 0o700 });
        const staging = partOf(place, "tree");
        const { network: named, kept } = await source.fetch({ ...common, staging, pinned: staging });
        network = named;
        await kept?.forget();
        await rename(staging, tree);
        await rm(place, { recursive: true });
      } else {
        const { network: named, kept } = await source.fetch({ ...common, staging: tree, pinned: tree });
        network = named;
        await kept?.forget();
      }
    } finally {
      another?.release();
    }
    await this.#check(tree, network);
    return { verifiedDepth: this.#config.check, ...(network === undefined ? {} : { network }) };
  }

  /** What does not pass is no seed; what has passed need not be read whole again in each clone. */
  async #check(dir: string, network: string | undefined): Promise<void> {
    const { check: depth, chainstateDir } = this.#config;
    if (depth === "none") return;
    const named = this.#source.chain?.network ?? network ?? basename(chainstateDir);
    const { signal } = this.#ctx;
    assertConsistent(await inspectChainstate({ dir, depth, network: named, signal }));
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
