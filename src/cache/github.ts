/**
 * The Actions cache, through `@actions/cache`, which is only loaded here. What comes out of it is not believed: anybody
 * who can run a workflow on the branch can have put it there. It saves the download, no more.
 */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { quote } from "../system/shell-quote.ts";
import { awaitWithin } from "../system/deadline.ts";
import { putFirstInPath, withVariables } from "../system/environment.ts";

export interface GithubCache {
  /** Puts the archive of what was saved from `directory` under this key at `file`, as it came; false: there is none. */
  fetch(directory: string, key: string, file: string): Promise<boolean>;
  /**
   * `pinned`: the same directory by a way that nobody can exchange. False: it was not kept, for reasons that are in the log (another job
   * was faster, the token may only read …).
   */
  save(directory: string, pinned: string, key: string): Promise<boolean>;
}

/**
 * A repository has 10 GB of cache altogether (https://docs.github.com/actions/reference/workflows-and-actions/dependency-caching),
 * and what goes in pushes older caches out: more than this is no use to anybody.
 */
export const largestArchiveBytes = 8e9;

/** 8 GB at 5 MB/s, and some. */
const limitMs = 45 * 60_000;

/**
 * Undefined where there is no cache service, as outside GitHub's own runners and on some GitHub Enterprise Servers.
 * `tempDir`: of this run.
 */
export async function openGithubCache(
  signal: AbortSignal,
  tempDir: string,
): Promise<GithubCache | undefined> {
  const service = await import("@actions/cache");
  if (!service.isFeatureAvailable()) return undefined;
  const kept = join(tempDir, "actions-cache");
  // For good, and not for the time of a call: a call that took too long goes on, and must not find the other one then.
  putFirstInPath(await makeKeepingTar(tempDir, kept));
  const calling = async <T>(variables: Record<string, string>, work: () => Promise<T>): Promise<T> =>
    await withVariables(variables, async () => await bounded(work(), signal));
  return {
    async fetch(directory, key, file) {
      await rm(kept, { force: true });
      // Made where it is missing, and nothing comes to stand in it.
      const variables = { GITHUB_WORKSPACE: tempDir };
      const hit = await calling(variables, async () => await service.restoreCache([directory], key));
      if (hit === undefined) return false;
      await rename(kept, file);
      return true;
    },
    async save(directory, pinned, key) {
      // Its names are below the directory's parent then, and lead nowhere else.
      const variables = { GITHUB_WORKSPACE: dirname(directory), [packedFrom]: dirname(pinned) };
      return (await calling(variables, async () => await service.saveCache([directory], key))) !== -1;
    },
  };
}

/** Names the variable with the directory that is packed from. */
const packedFrom = "CHAINSTATE_SNAPSHOT_PACKED_FROM";

/**
 * The library unpacks with `tar -P`, under whatever names somebody has packed, and as whoever runs this. A `tar` before the
 * real one puts the archive aside instead, for our own reader. The library packs what has the directory's name; this one, which works for
 * root, goes another way to it than by names that another user may exchange. Returns the directory that it is in.
 */
async function makeKeepingTar(tempDir: string, kept: string): Promise<string> {
  const directory = join(tempDir, "actions-cache-tar");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const script = `#!/bin/sh
case "$1 $3" in
"-xf -P") exec mv -- "$2" ${quote(kept)} ;;
"-tf -P") exit 0 ;;
esac
before=
for each do
  shift
  [ "$before" != -C ] || each=$${packedFrom}
  set -- "$@" "$each"
  before=$each
done
PATH=\${PATH#*:}
exec tar "$@"
`;
  await writeFile(join(directory, "tar"), script, { mode: 0o700 });
  return directory;
}

/** Neither call can be cancelled, but no run waits for it. */
async function bounded<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const limit = { ms: limitMs, code: "CACHE_SERVICE_SLOW", what: "The Actions cache" } as const;
  const hint = "Run this again, or without `cache: github`.";
  return await awaitWithin({ ...limit, hint, signal }, work);
}
