/**
 * Clones the chainstate on a file system that shares blocks between files (XFS, btrfs, bcachefs): a clone takes the same
 * short time whatever its size, and what the node writes later goes elsewhere. `-shm` files are not cloned, they only
 * mean something to the processes that share them; files that are written once are read where they are.
 */
import { constants, copyFile, mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ViewEntry } from "../archive/view.ts";
import { ActionError, describeError, hasCode, throwIfAborted } from "../domain/errors.ts";
import { bestEffort } from "../system/best-effort.ts";
import { Limiter } from "../system/concurrency.ts";
import { query } from "../system/exec.ts";
import type { HeldDirectory } from "../system/held-directory.ts";
import { mountOf } from "../system/mounts.ts";
import { fsPath } from "../system/path-bytes.ts";
import { listEntries, viewOfListing } from "./listing.ts";
import type { ListedEntry } from "./listing.ts";
import type { FreezeRequest, Freezer, FrozenView, ViewOf } from "./port.ts";
import {
  makeDirectory,
  makeHeldDirectory,
  placesOnSameFileSystem,
  removeDirectory,
  scratchName,
  spoolDirectory,
  withoutScratch,
} from "./scratch.ts";
import { surveyTree } from "./survey.ts";
import { withWriteOnce } from "./write-once.ts";

/** More than libuv's four threads have no use for. */
const clonesAtOnce = 16;

export function reflinkFreezer({ viewOf }: { readonly viewOf: ViewOf }): Freezer {
  return {
    name: "reflink",
    triesOnDisk: true,
    async probe(request) {
      const { fsType } = await mountOf(request.chainstateDir);
      const found = await findPlace(request);
      if (found.place === undefined)
        return { usable: false, reason: `no clones on ${fsType}: ${found.reason}` };
      const { elsewhere } = request.survey ?? (await surveyTree(viewOf, request));
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
            hint: "`downtime: none` works with `freeze-with: sqlite` alone.",
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
  let held: HeldDirectory | undefined;
  const release = async (): Promise<void> => {
    held?.close();
    held = undefined;
    try {
      await removeDirectory(directory);
    } finally {
      await removeDirectory(spool);
    }
  };
  const clones = new Limiter({ count: clonesAtOnce, signal });
  try {
    await makeDirectory(spool);
    held = await makeHeldDirectory(directory);
    const { at: clone } = held;
    const listing = await listEntries({
      viewOf,
      chainstateDir,
      spoolPath: join(spool, "entries"),
      selection,
      // A clone needs no knowledge of what the files are to each other.
      rules: { appendOnlyFileOf: () => undefined },
      signal,
      onEntry: (listed) => cloneEntry(listed, clone, clones),
    });
    await clones.drain();
    const { ino } = held.stat();
    const at = new Date();
    return {
      view: withWriteOnce(
        viewOfListing(listing, ({ kind, entry }) => (kind === "shm" ? undefined : entry)),
        { chainstateDir, selection, viewOf, at, deferred: listing.deferred },
      ),
      method: "reflink",
      at,
      directory,
      broken: Promise.withResolvers<never>().promise,
      async assertFrozen() {
        const now = await stat(fsPath(directory)).catch(() => undefined);
        if (now?.ino === ino) return;
        throw new ActionError("FREEZE_BROKEN", `The clone in ${directory} was removed by another process.`);
      },
      release,
    };
  } catch (error) {
    // What is still being cloned would otherwise appear behind the removal.
    await clones.idle();
    // The first error counts; what stays is in the run's journal, whose clean-up says so.
    await bestEffort({ warning: () => undefined }, "remove the clone", release);
    throwIfAborted(signal);
    throw error;
  }
}

async function cloneEntry(
  { kind, entry }: ListedEntry,
  directory: string,
  clones: Limiter,
): Promise<ViewEntry> {
  const clone = join(directory, entry.path);
  if (entry.type === "directory") await mkdir(fsPath(clone), { mode: 0o700 });
  if (entry.source === undefined || kind === "write-once" || kind === "shm") return entry;
  const { source } = entry;
  await clones.add(async () => await cloneFile(source, clone));
  return { ...entry, source: clone, guard: "prefix" };
}

async function cloneFile(source: string, target: string): Promise<void> {
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
    let held: HeldDirectory | undefined;
    try {
      held = await makeHeldDirectory(directory);
      const [a, b] = [join(held.at, "a"), join(held.at, "b")];
      // Larger than what btrfs keeps inline, so that blocks have to be shared.
      await writeFile(a, Buffer.alloc(64 * 1024, 1));
      await copyFile(a, b, constants.COPYFILE_FICLONE_FORCE);
      return { place, reason: "" };
    } catch (error) {
      throwIfAborted(request.signal);
      // libuv's words for ENOTSUP speak of sockets.
      reason = hasCode(error, "ENOTSUP") ? "it cannot share blocks between files" : describeError(error);
    } finally {
      held?.close();
      await removeDirectory(directory);
    }
  }
  return { place: undefined, reason };
}
