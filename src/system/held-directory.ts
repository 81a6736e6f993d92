/**
 * A directory held by a descriptor. Where another user may rename, a path says only what stands at a name at this moment: a
 * directory that was looked at can be a link to anywhere a moment later, and a program that works as root follows it. The
 * way through `/proc` to a descriptor leads to the very directory that was opened, for this process and for those it starts.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync, type Stats } from "node:fs";
import { ActionError, hasCode } from "../domain/errors.ts";
import { fsPath } from "./path-bytes.ts";

/** Names a directory without the right to read it. Node.js has no name for it. */
const openPath = 0o10000000;

export class HeldDirectory {
  /** Its name when it was opened: for people, and for journals. */
  readonly path: string;
  /** Leads to it whatever stands at its name by now. Valid until `close`, and never to be written down. */
  readonly at: string;
  readonly #descriptor: number;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.at = `${descriptors}${descriptor}`;
    this.#descriptor = descriptor;
  }

  stat(): Stats {
    return fstatSync(this.#descriptor);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** This process's, as those it starts see them too. */
const descriptors = `/proc/${process.pid}/fd/`;

/**
 * Opens a directory through its absolute, canonical path (or one that begins with the `at` of another). No link on the way is
 * followed: PATH_EXCHANGED where one is, or something that is no directory. ENOENT, EACCES as they are.
 */
export function holdDirectory(path: string): HeldDirectory {
  const held = /^\/proc\/\d+\/fd\/\d+/.exec(path)?.[0];
  const base = held !== undefined && held.startsWith(descriptors) ? held : "/";
  const names = path
    .slice(base.length)
    .split("/")
    .filter((name) => name !== "" && name !== ".");
  let descriptor = openSync(base, openPath | constants.O_DIRECTORY);
  for (const name of names) {
    const above = descriptor;
    try {
      descriptor = openSync(
        fsPath(`${descriptors}${above}/${name}`),
        openPath | constants.O_DIRECTORY | constants.O_NOFOLLOW,
      );
    } catch (cause) {
      if (!hasCode(cause, "ENOTDIR") && !hasCode(cause, "ELOOP")) throw cause;
      throw exchanged(path, `${name} is a link, or no directory`, cause);
    } finally {
      closeSync(above);
    }
  }
  return new HeldDirectory(path, descriptor);
}

/** Runs `work` while the directory is held. */
export async function withHeld<T>(path: string, work: (held: HeldDirectory) => Promise<T>): Promise<T> {
  const held = holdDirectory(path);
  try {
    return await work(held);
  } finally {
    held.close();
  }
}

export function exchanged(path: string, why: string, cause?: unknown): ActionError {
  return new ActionError("PATH_EXCHANGED", `${nameOf(path)} is not the directory that it was: ${why}.`, {
    hint: "See who may rename in the directories above it: those of a chainstate that root restores should be root's, or the runner's, own.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** For people: what a path through a descriptor leads to. */
export function nameOf(path: string): string {
  return path.replace(/^\/proc\/\d+\/fd\/\d+/, (held) => {
    try {
      return readlinkSync(held);
    } catch {
      return held;
    }
  });
}
