/**
 * Clones the chainstate on a file system that shares blocks between files (XFS, btrfs, bcachefs): a clone takes the same
 * short time whatever its size, and what the node writes later goes elsewhere. `-shm` files are not cloned, they only
 * mean something to the processes that share them; files that are written once are read where they are.
 */
import { constants, copyFile, mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ViewEntry } from "../archive/view.ts";
import { ActionError, CancelledError, describeError, hasCode, throwIfAborted } from "../errors.ts";
import { query } from "../system/exec.ts";
import { mountOf } from "../system/mounts.ts";
import { fsPath } from "../system/path-bytes.ts";
import { listEntries, viewOfListing } from "./listing.ts";
import type { ListedEntry } from "./listing.ts";
import type { FreezeRequest, Freezer, FrozenView, ViewOf } from "./port.ts";
import {
  makeDirectory,
  placesOnSameFileSystem,
  removeDirectory,
  scratchName,
  spoolDirectory,
  withoutScratch,
} from "./scratch.ts";
import { withoutWriteOnce, withWriteOnce } from "./write-once.ts";

/** More than libuv's four threads have no use for. */
const clonesAtOnce = 16;

export function reflinkFreezer({ viewOf }: { readonly viewOf: ViewOf }): Freezer {
  return {
    name: "reflink",
    async probe(request) {
      const { fsType } = await mountOf(request.chainstateDir);
      const found = await findPlace(request);
      if (found.place === undefined)
        return { usable: false, reason: `no clones on ${fsType}: ${found.reason}` };
      const elsewhere = await onOtherFileSystem(viewOf, request);
      if (elsewhere !== undefined) {
        return {
          usable: false,
          reason: `${elsewhere} is on another file system and cannot be cloned with the rest`,
        };
      }
      // A clone waits for its source's unwritten pages; what is written now need not be while the node is down.
      await query(["sync", "-f", request.chainstateDir]);
      return { usable: true, reason: `${fsType} clones files` };
    },
    async freeze(request, nodeDown) {
      if (!nodeDown) {
        throw new ActionError(
          "FREEZE_UNSUPPORTED",
          "A running node's files cannot be cloned at one moment.",
          {
            hint: "`cut: live` works with `freeze-with: sqlite` alone.",
          },
        );
      }
      const { place, reason } = await findPlace(request);
      if (place === undefined) throw new ActionError("FREEZE_UNSUPPORTED", `No clones here: ${reason}.`);
      return cloneAll(request, join(place, scratchName(request.runId)), viewOf);
    },
    async cleanUp(runId, { chainstateDir, stateDir }) {
      for (const place of await placesOnSameFileSystem(chainstateDir)) {
        await removeDirectory(join(place, scratchName(runId)));
        await removeDirectory(trialDirectory(place, runId));
      }
      await removeDirectory(spoolDirectory({ stateDir, runId }));
    },
  };
}

async function cloneAll(request: FreezeRequest, directory: string, viewOf: ViewOf): Promise<FrozenView> {
  const { chainstateDir, signal } = request;
  const selection = withoutScratch(request.selection);
  const spool = spoolDirectory(request);
  const release = async (): Promise<void> => {
    await removeDirectory(directory);
    await removeDirectory(spool);
  };
  const clones = new Clones(signal);
  try {
    await makeDirectory(spool);
    await makeDirectory(directory);
    const listing = await listEntries(await viewOf(chainstateDir, withoutWriteOnce(selection)), {
      spoolPath: join(spool, "entries"),
      selection,
      // A clone needs no knowledge of what the files are to each other.
      rules: { appendOnlyFileOf: () => undefined },
      signal,
      onEntry: (listed) => cloneEntry(listed, directory, clones),
    });
    await clones.finish();
    const { ino } = await stat(fsPath(directory));
    const at = new Date();
    return {
      view: withWriteOnce(
        viewOfListing(listing, ({ kind, entry }) => (kind === "shm" ? undefined : entry)),
        { chainstateDir, selection, viewOf, at },
      ),
      method: "reflink",
      at,
      directory,
      broken: Promise.withResolvers<never>().promise,
      async assertHeld() {
        const now = await stat(fsPath(directory)).catch(() => undefined);
        if (now?.ino === ino) return;
        throw new ActionError("FREEZE_BROKEN", `The clone in ${directory} was removed by somebody else.`);
      },
      release,
    };
  } catch (error) {
    // What is still being cloned would otherwise appear behind the removal.
    await clones.settle();
    await release();
    throwIfAborted(signal);
    throw error;
  }
}

async function cloneEntry(
  { kind, entry }: ListedEntry,
  directory: string,
  clones: Clones,
): Promise<ViewEntry> {
  const clone = join(directory, entry.path);
  if (entry.type === "directory") await mkdir(fsPath(clone), { mode: 0o700 });
  if (entry.source === undefined || kind === "write-once" || kind === "shm") return entry;
  await clones.add(entry.source, clone);
  return { ...entry, source: clone, guard: "prefix" };
}

/** Clones under way; `add` waits while there are enough of them. */
class Clones {
  readonly #running = new Set<Promise<void>>();
  readonly #signal: AbortSignal;
  #failure: unknown;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async add(source: string, target: string): Promise<void> {
    while (this.#running.size >= clonesAtOnce) await Promise.race(this.#running);
    this.#throwFailure();
    const running: Promise<void> = clone(source, target)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async finish(): Promise<void> {
    await this.settle();
    this.#throwFailure();
  }

  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  #throwFailure(): void {
    throwIfAborted(this.#signal);
    if (this.#failure !== undefined) throw this.#failure;
  }
}

async function clone(source: string, target: string): Promise<void> {
  try {
    await copyFile(
      fsPath(source),
      fsPath(target),
      constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL,
    );
  } catch (cause) {
    throw new ActionError("FREEZE_FAILED", `${source} could not be cloned: ${describeError(cause)}.`, {
      cause,
      hint: hasCode(cause, "EACCES")
        ? "Run the runner as a user who may read the chainstate."
        : "Use `freeze-with: sqlite`.",
    });
  }
}

function trialDirectory(place: string, runId: string): string {
  return join(place, `${scratchName(runId)}-clone`);
}

/** The first place on the chainstate's file system where this user can clone files. */
async function findPlace(
  request: FreezeRequest,
): Promise<
  { readonly place: string; readonly reason: string } | { readonly place: undefined; readonly reason: string }
> {
  let reason = "";
  for (const place of await placesOnSameFileSystem(request.chainstateDir)) {
    const directory = trialDirectory(place, request.runId);
    try {
      await makeDirectory(directory);
      // Larger than what btrfs keeps inline, so that blocks have to be shared.
      await writeFile(join(directory, "a"), Buffer.alloc(64 * 1024, 1));
      await copyFile(join(directory, "a"), join(directory, "b"), constants.COPYFILE_FICLONE_FORCE);
      return { place, reason: "" };
    } catch (error) {
      if (error instanceof CancelledError) throw error;
      // libuv's words for ENOTSUP speak of sockets.
      reason = hasCode(error, "ENOTSUP") ? "it cannot share blocks between files" : describeError(error);
    } finally {
      await removeDirectory(directory);
    }
  }
  return { place: undefined, reason };
}

/** A file that a symlink or a mount below the chainstate puts elsewhere. Those read where they are may be anywhere. */
async function onOtherFileSystem(
  viewOf: ViewOf,
  { chainstateDir, selection, signal }: FreezeRequest,
): Promise<string | undefined> {
  const { dev } = await stat(fsPath(chainstateDir));
  const view = await viewOf(chainstateDir, withoutWriteOnce(withoutScratch(selection)));
  for await (const { path, source } of view.entries(signal)) {
    if (source !== undefined && (await stat(fsPath(source))).dev !== dev) return path;
  }
  return undefined;
}
