/**
 * The Actions cache, through `@actions/cache`, which is only loaded here. What comes out of it is not believed: anybody
 * who can run a workflow on the branch can have put it there. It saves the download, no more.
 */
import { setTimeout as delay } from "node:timers/promises";
import { ActionError, throwIfAborted } from "../errors.ts";

export interface GithubCache {
  /** Puts what was saved from `directory` under this key back there; false: there is nothing. */
  restore(directory: string, key: string): Promise<boolean>;
  /** False: it was not kept, for reasons that are in the log (another job was faster, the token may only read …). */
  save(directory: string, key: string): Promise<boolean>;
}

/**
 * A repository has 10 GB of cache altogether (https://docs.github.com/actions/reference/workflows-and-actions/dependency-caching),
 * and what goes in pushes older caches out: more than this is no use to anybody.
 */
export const largestArchiveBytes = 8e9;

/** 8 GB at 5 MB/s, and some. */
const limitMs = 45 * 60_000;

/** Undefined where there is no cache service, as outside GitHub's own runners and on some GitHub Enterprise Servers. */
export async function openGithubCache(signal: AbortSignal): Promise<GithubCache | undefined> {
  const service = await import("@actions/cache");
  if (!service.isFeatureAvailable()) return undefined;
  return {
    async restore(directory, key) {
      return (await bounded(service.restoreCache([directory], key), signal)) !== undefined;
    },
    async save(directory, key) {
      return (await bounded(service.saveCache([directory], key), signal)) !== -1;
    },
  };
}

/** Neither call can be cancelled, but nobody has to wait for it. */
async function bounded<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const over = new AbortController();
  try {
    const limit = delay(limitMs, undefined, { signal: AbortSignal.any([signal, over.signal]) });
    return await Promise.race([work, limit.then(() => Promise.reject(tooSlow()))]);
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    over.abort();
  }
}

function tooSlow(): ActionError {
  return new ActionError(
    "CACHE_SERVICE_SLOW",
    `The Actions cache did not finish within ${limitMs / 60_000} min.`,
    {
      hint: "Run this again, or without `cache: github`.",
    },
  );
}
