/**
 * Lets the snapshotters of local volumes serve as freezers: the chainstate is archived from a snapshot, which is there
 * for that alone, or (`method: both`) stays.
 */
import type { VolumeRecord } from "../domain/manifest.ts";
import { ActionError } from "../domain/errors.ts";
import type { Freezer, FrozenView, ViewOf } from "../freeze/port.ts";
import type { FreezeRequest } from "../freeze/port.ts";
import type { Clock } from "../system/clock.ts";
import { orTakeBack } from "./outcome.ts";
import { blobsElsewhere, mainOf } from "./parts.ts";
import type { OpenSnapshot, VolumeSnapshotter } from "./port.ts";
import { viewOfParts } from "./snapshot-view.ts";

type ViewDriver = "zfs" | "btrfs" | "lvm";
export type ViewSnapshotter = VolumeSnapshotter & { readonly driver: ViewDriver };

export interface VolumeFreezerOptions {
  readonly viewOf: ViewOf;
  readonly clock: Clock;
}

const lookEveryMs = 5_000;

export function volumeFreezer(snapshotter: ViewSnapshotter, options: VolumeFreezerOptions): Freezer {
  return {
    name: snapshotter.driver,
    async probe(request) {
      const { usable, reason, hint, risk } = await snapshotter.probe(request);
      if (risk !== undefined) return { usable: false, reason: `${reason}, but ${risk}` };
      return { usable, reason, ...(hint === undefined ? {} : { hint }) };
    },
    async freeze(request, nodeDown) {
      if (!nodeDown) {
        throw new ActionError(
          "FREEZE_UNSUPPORTED",
          "A volume snapshot of a running node may hold half of a block.",
          {
            hint: "`downtime: none` works with `freeze-with: sqlite` alone.",
          },
        );
      }
      const records = await snapshotter.freeze(request);
      const release = async (): Promise<void> => {
        // Not under the run's signal: a cancelled run gives its snapshot back as well.
        const signal = new AbortController().signal;
        for (const record of records) await snapshotter.delete(record, signal);
      };
      return await orTakeBack(
        async () => await openFrozenView(snapshotter, records, request, { ...options, release }),
        release,
      );
    },
    cleanUp: async (runId, request) => await snapshotter.cleanUp(runId, request),
  };
}

/**
 * A frozen view of snapshots that were taken before. `release` closes it and then calls the option of that name, if
 * there is one; without it the snapshots stay.
 */
export async function openFrozenView(
  snapshotter: ViewSnapshotter,
  records: readonly VolumeRecord[],
  request: FreezeRequest,
  options: VolumeFreezerOptions & { readonly release?: () => Promise<void> },
): Promise<FrozenView> {
  const open = await snapshotter.open(records, request);
  const view = await orTakeBack(
    async () => await viewOfParts(open.parts, request.selection, options.viewOf),
    async () => await open.close(),
  );
  const elsewhere = blobsElsewhere(open.parts);
  const watch = watchSnapshot(open, options.clock);
  let released: Promise<void> | undefined;
  return {
    view,
    method: snapshotter.driver,
    at: new Date(records[0]?.createdAt ?? options.clock.now()),
    ...(elsewhere === undefined ? {} : { directory: mainOf(open.parts), elsewhere }),
    broken: watch.broken,
    assertFrozen: async () => await open.assertFrozen(),
    release: async () =>
      await (released ??= (async () => {
        await watch.stop();
        await open.close();
        await options.release?.();
      })()),
  };
}

/** Looks every few seconds whether the snapshot still holds: a thick one may run full at any time. */
function watchSnapshot(
  open: OpenSnapshot,
  clock: Clock,
): { readonly broken: Promise<never>; stop(): Promise<void> } {
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined);
  const stopping = new AbortController();
  const look = async (): Promise<void> => {
    // No `poll`: there is nothing to wait for and no limit, it looks until it is stopped.
    while (!stopping.signal.aborted) {
      await clock.sleep(lookEveryMs, stopping.signal).catch(() => undefined);
      if (stopping.signal.aborted) return;
      await open.assertFrozen();
    }
  };
  const looking = look().catch((error: unknown) => broken.reject(error));
  return {
    broken: broken.promise,
    async stop() {
      stopping.abort();
      await looking;
    },
  };
}
