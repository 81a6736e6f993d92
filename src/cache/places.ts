/**
 * The directories of a cache. Nothing counts by half: what is being made, what counts and what is going are in three
 * places on one file system, and only a rename leads from one to the next.
 *
 *   filling/<key>/tree   being filled, by whoever has the key's lock alone
 *   seeds/<key>/         whole: `tree`, which is never written again, and `seed.json`
 *   going/<name>/        set aside, to be removed by anybody
 *   locks/<key>.lock     empty and kept for ever (see recovery/lock.ts): shared by users, alone by who fills or removes
 */
import { lstat, mkdir, readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { ActionError } from "../domain/errors.ts";
import { ownPrefix } from "../recovery/swap.ts";

export interface Places {
  readonly root: string;
  readonly filling: string;
  readonly seeds: string;
  readonly going: string;
  readonly locks: string;
}

const folders = ["filling", "seeds", "going", "locks"] as const;

/** What may stand in a cache's directory without making it another program's. */
function isKnown(name: string): boolean {
  return (folders as readonly string[]).includes(name) || name.startsWith(ownPrefix) || name === "lost+found";
}

/** CACHE_UNUSABLE: it holds something else, or others can change what is in it. */
export async function openPlaces(root: string): Promise<Places> {
  try {
    await mkdir(root, { recursive: true, mode: 0o700 });
    const { uid, mode } = await lstat(root);
    // What is in there is handed to nodes without reading it again, so nobody else may have had a hand in it.
    if (uid !== process.geteuid?.() || (mode & 0o022) !== 0) {
      throw unusable(root, "another user could change what is in it", {
        hint: `It must belong to the runner's own user and be writable for nobody else: \`chmod go-w ${root}\`.`,
      });
    }
    const stranger = (await readdir(root)).find((name) => !isKnown(name));
    if (stranger !== undefined) {
      throw unusable(root, `it holds ${stranger}, which no cache put there`, {
        hint: "Name a directory of its own, absent or empty.",
      });
    }
    for (const name of folders) await mkdir(join(root, name), { recursive: true, mode: 0o700 });
    // Canonical, as what a journal names for removal.
    const real = await realpath(root);
    return {
      root,
      filling: join(real, "filling"),
      seeds: join(real, "seeds"),
      going: join(real, "going"),
      locks: join(real, "locks"),
    };
  } catch (cause) {
    if (cause instanceof ActionError) throw cause;
    throw unusable(root, "it cannot be made or read", {
      cause,
      hint: "The directory must be writable for the runner's user, on a local disk.",
    });
  }
}

function unusable(
  root: string,
  why: string,
  details: ConstructorParameters<typeof ActionError>[2],
): ActionError {
  return new ActionError("CACHE_UNUSABLE", `The cache directory ${root} cannot be used: ${why}.`, details);
}

/** Keys become file names. */
export function requireKey(key: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,239}$/.test(key)) throw new RangeError(`${key} cannot name a seed.`);
}
