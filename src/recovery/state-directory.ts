/**
 * Where this program keeps what must outlive a job: journals, the watchdog's script and log. Never below RUNNER_TEMP,
 * which is wiped. Private to its user, because a journal says what is going to be executed and a recipe holds a node's
 * environment.
 */
import { createHash } from "node:crypto";
import { lstat, mkdir, readdir, readlink, realpath, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ActionError, hasCode } from "../domain/errors.ts";

const folderName = "chainstate-snapshot";

/**
 * Root's state goes where root's belongs, a runner user's below its home; CHAINSTATE_SNAPSHOT_STATE_DIR names another
 * place. `env` is that of the process.
 */
export function defaultStateDirectory(
  env: Readonly<Record<string, string | undefined>>,
  isRoot: boolean,
): string {
  const chosen = env["CHAINSTATE_SNAPSHOT_STATE_DIR"];
  if (chosen !== undefined && chosen.startsWith("/")) return chosen;
  if (isRoot) return join("/var/lib", folderName);
  const xdg = env["XDG_STATE_HOME"];
  if (xdg !== undefined && xdg.startsWith("/")) return join(xdg, folderName);
  const home = env["HOME"];
  if (home === undefined || !home.startsWith("/")) {
    throw new ActionError(
      "STATE_DIRECTORY_UNKNOWN",
      "There is no home directory to keep the restart journal in.",
      {
        hint: "Set HOME or XDG_STATE_HOME for the runner's user.",
      },
    );
  }
  return join(home, ".local", "state", folderName);
}

/** Creates the directory if needed and verifies that nobody but this user (or root) can write to it. */
export async function ensureStateDirectory(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ActionError("STATE_DIRECTORY_UNUSABLE", `The state directory ${path} cannot be created.`, {
      cause,
      hint: "The journal that brings the node back after a crash is kept there: make it writable for the runner's user.",
    });
  }
  const stat = await lstat(path);
  const trusted = stat.uid === 0 || stat.uid === process.geteuid?.();
  if (!stat.isDirectory() || !trusted || (stat.mode & 0o022) !== 0) {
    throw new ActionError(
      "STATE_DIRECTORY_UNUSABLE",
      `The state directory ${path} could be changed by another user.`,
      { hint: `It must be a directory of the runner's own user with mode 0700: \`chmod 700 ${path}\`.` },
    );
  }
  return path;
}

/** So long after it was written last nobody comes back for it. */
const staleMs = 30 * 24 * 3600_000;

/**
 * Removes what nobody comes back for: notes of unpackings that were never gone on with, and copies of the watchdog
 * that no run has armed for as long.
 */
export async function tidyStateDirectory(path: string, nowMs: number): Promise<void> {
  for (const name of await readdir(path)) {
    if (!/^(?:unpack-[0-9a-f]+\.(?:frames|whole)|watchdog-[0-9a-f]+\.mjs)$/.test(name)) continue;
    const file = join(path, name);
    const { mtimeMs } = await lstat(file);
    if (nowMs - mtimeMs > staleMs) await rm(file, { force: true });
  }
}

/** The journal of one chainstate directory; the same file whatever path leads there, and while a swap has moved it away. */
export async function journalPathFor(stateDirectory: string, chainstateDir: string): Promise<string> {
  const real = await canonicalPath(chainstateDir);
  return join(
    stateDirectory,
    `${createHash("sha256").update(Buffer.from(real)).digest("hex").slice(0, 16)}.json`,
  );
}

/** `realpath` that also works for a path whose last components do not exist (yet, or at this moment of a swap). */
export async function canonicalPath(path: string, depth = 0): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch (error) {
    const isAbsent = hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR");
    if (!isAbsent || depth > 40 || absolute === "/") throw error;
  }
  const parent = await canonicalPath(dirname(absolute), depth + 1);
  const own = join(parent, basename(absolute));
  const dangling = await readlink(own).catch(() => undefined);
  return dangling === undefined ? own : await canonicalPath(resolve(parent, dangling), depth + 1);
}
