/**
 * A snapshot that comes out of the Actions cache where that has it. What comes is a directory like any that an interrupted
 * restore left: every byte of it is hashed against the snapshot's own digests, and what differs is fetched. So an
 * archive made elsewhere, which has no digests of its own, is not kept there.
 */
import { takeInventory } from "../cache/inventory.ts";
import { largestArchiveBytes, openGithubCache, type GithubCache } from "../cache/github.ts";
import { describeError, throwIfAborted } from "../errors.ts";
import { formatBytes } from "../system/space.ts";
import type { Cacheable, RestoreSource, UnpackRequest } from "./restore-source.ts";
import type { Rooms } from "./rooms.ts";

export function cacheAtGithub(source: RestoreSource, rooms: Rooms): RestoreSource {
  return {
    id: source.id,
    name: source.name,
    chain: source.chain,
    get network() {
      return source.network;
    },
    neededBytes: source.neededBytes,
    introduce: () => source.introduce(),
    async unpack(request) {
      const { report } = rooms;
      const cache = await openFor(source, rooms);
      if (typeof cache === "string") {
        report.notice(`The Actions cache is not used: ${cache}.`);
        report.fact("Cache", `not used: ${cache}`);
        report.output("cache-hit", "false");
        return await source.unpack(request);
      }
      const cached = { source, cacheable: cache.cacheable, service: cache.service, rooms };
      const hit = await tryRestore(cached, request);
      report.output("cache-hit", String(hit));
      if (!hit) {
        await source.unpack(request);
        await trySave(cached, request);
      }
    },
    close: async () => await source.close(),
  };
}

interface Cached {
  readonly source: RestoreSource;
  readonly cacheable: Cacheable;
  readonly service: GithubCache;
  readonly rooms: Rooms;
}

/** Why it cannot be used, in words, where it cannot. */
async function openFor(
  { cacheable }: RestoreSource,
  { signal }: Rooms,
): Promise<string | { readonly cacheable: Cacheable; readonly service: GithubCache }> {
  if (cacheable === undefined) return "an archive made elsewhere has no digests to check a copy by";
  if (cacheable.archiveBytes > largestArchiveBytes) {
    const [size, most] = [cacheable.archiveBytes, largestArchiveBytes].map(formatBytes);
    return `the snapshot has ${size}, and of the 10 GB that a repository has ${most} are the most that make sense`;
  }
  const service = await openGithubCache(signal);
  return service === undefined ? "there is no cache service here" : { cacheable, service };
}

async function tryRestore(
  { source, cacheable, service, rooms }: Cached,
  request: UnpackRequest,
): Promise<boolean> {
  const { report, signal } = rooms;
  const { staging, files } = request;
  try {
    await files.removeTree(staging);
    if (!(await service.restore(staging, keyFor(cacheable)))) {
      await files.removeTree(staging);
      return false;
    }
  } catch (error) {
    throwIfAborted(signal);
    report.notice(`The Actions cache failed, so the snapshot is fetched: ${describeError(error)}`);
    await files.removeTree(staging);
    return false;
  }
  await source.unpack({ ...request, claimed: true });
  const { entries } = await takeInventory(staging, signal);
  if (entries === cacheable.entries) {
    report.fact("Cache", "hit: from the Actions cache, every byte checked");
    return true;
  }
  report.warning(
    `What the Actions cache gave holds ${entries} entries instead of ${cacheable.entries}; it is not used.`,
  );
  await files.removeTree(staging);
  return false;
}

async function trySave({ cacheable, service, rooms }: Cached, { staging }: UnpackRequest): Promise<void> {
  const { report, signal } = rooms;
  try {
    const saved = await service.save(staging, keyFor(cacheable));
    report.fact("Cache", saved ? "saved to the Actions cache" : "miss; the Actions cache did not take it");
  } catch (error) {
    throwIfAborted(signal);
    report.notice(`The snapshot could not be put into the Actions cache: ${describeError(error)}`);
  }
}

function keyFor({ key }: Cacheable): string {
  return `chainstate-snapshot-${key}`;
}
