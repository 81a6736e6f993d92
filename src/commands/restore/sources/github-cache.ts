/**
 * A snapshot that comes out of the Actions cache where that has it. What comes is unpacked like any archive of a stranger, and
 * is a directory like any that an interrupted restore left then: every byte of it is hashed against the snapshot's own
 * digests, what differs is fetched, and what does not belong there is removed. So an archive made elsewhere, which has no digests of its own, is not kept there.
 */
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { largestArchiveBytes, openGithubCache, type GithubCache } from "../../../cache/github.ts";
import { describeError, throwIfAborted } from "../../../domain/errors.ts";
import { openFrameSource } from "../../../store/frame-source.ts";
import { formatBytes } from "../../../system/space.ts";
import type { Cacheable, Fetched, FetchRequest, RestoreSource } from "./source.ts";
import type { RunContext } from "../../context.ts";
import { closeStore } from "../../with-store.ts";
import { unpackBeside } from "./external.ts";

export function cacheAtGithub(source: RestoreSource, ctx: RunContext): RestoreSource {
  return {
    ...source,
    async fetch(request) {
      const { report } = ctx;
      const cache = await openFor(source, ctx);
      if (typeof cache === "string") {
        report.notice(`The Actions cache is not used: ${cache}.`);
        report.fact("Cache", `not used: ${cache}`);
        report.output("cache-hit", "false");
        return await source.fetch(request);
      }
      const cached = { source, cacheable: cache.cacheable, service: cache.service, ctx };
      const hit = await tryRestore(cached, request);
      report.output("cache-hit", String(hit !== undefined));
      if (hit !== undefined) return hit;
      const fetched = await source.fetch(request);
      await trySave(cached, request);
      return fetched;
    },
  };
}

interface Cached {
  readonly source: RestoreSource;
  readonly cacheable: Cacheable;
  readonly service: GithubCache;
  readonly ctx: RunContext;
}

/** Why it cannot be used, in words, where it cannot. */
async function openFor(
  { cacheable }: RestoreSource,
  { signal, host }: RunContext,
): Promise<string | { readonly cacheable: Cacheable; readonly service: GithubCache }> {
  if (cacheable === undefined) return "an archive made elsewhere has no digests to check a copy by";
  if (cacheable.archiveBytes > largestArchiveBytes) {
    const [size, most] = [cacheable.archiveBytes, largestArchiveBytes].map(formatBytes);
    return `the snapshot has ${size}, and of the 10 GB that a repository has ${most} are the most that make sense`;
  }
  const service = await openGithubCache(signal, host.tempDir);
  return service === undefined ? "there is no cache service here" : { cacheable, service };
}

/** Undefined: the cache did not have it. */
async function tryRestore(
  { source, cacheable, service, ctx }: Cached,
  request: FetchRequest,
): Promise<Fetched | undefined> {
  const { report, signal } = ctx;
  const { staging, pinned, files } = request;
  try {
    await files.removeTree(pinned);
    const file = join(ctx.host.tempDir, "actions-cache.tar");
    if (!(await service.fetch(staging, keyFor(cacheable), file))) return undefined;
    await unpackCached(file, request, ctx);
  } catch (error) {
    throwIfAborted(signal);
    report.notice(`The Actions cache failed, so the snapshot is fetched: ${describeError(error)}`);
    await files.removeTree(pinned);
    return undefined;
  }
  const fetched = await source.fetch({ ...request, claimed: true });
  ctx.report.fact("Cache", "hit: from the Actions cache, every byte checked");
  return fetched;
}

async function unpackCached(file: string, request: FetchRequest, ctx: RunContext): Promise<void> {
  const directory = dirname(file);
  const store = await ctx.openStore({ scheme: "file", url: pathToFileURL(directory).href, directory });
  try {
    const source = await openFrameSource(store, basename(file), ctx.signal);
    await unpackBeside(
      ctx,
      { source, sha256: undefined, id: "actions-cache" },
      { ...request, keepIn: undefined },
    );
  } finally {
    await closeStore(ctx, store);
    await rm(file, { force: true });
  }
}

async function trySave(
  { cacheable, service, ctx }: Cached,
  { staging, pinned }: FetchRequest,
): Promise<void> {
  const { report, signal } = ctx;
  try {
    const saved = await service.save(staging, pinned, keyFor(cacheable));
    report.fact("Cache", saved ? "saved to the Actions cache" : "miss; the Actions cache did not take it");
  } catch (error) {
    throwIfAborted(signal);
    report.notice(`The snapshot could not be put into the Actions cache: ${describeError(error)}`);
  }
}

function keyFor({ key }: Cacheable): string {
  return `chainstate-snapshot-${key}`;
}
