/** Keeps file systems flushed and frozen while a cloud takes its snapshots. */
import { stat } from "node:fs/promises";
import { describeError } from "../../domain/errors.ts";
import type { Mount } from "../../system/mounts.ts";
import type { Host } from "../host.ts";
import { freezeFileSystem, syncFileSystem, thawFileSystem } from "../mounts/mounting.ts";
import { CollectedErrors, withLater } from "../outcome.ts";
import type { SnapshotRequest, UndoStep } from "../port.ts";

/** Mount points to freeze: not the root, and not where this program keeps its journal, or nobody could thaw. */
export async function frozenPoints(
  mounts: readonly Mount[],
  request: SnapshotRequest,
  host: Host,
): Promise<readonly string[]> {
  const own = new Set<number>();
  for (const path of [request.stateDir, process.cwd(), process.execPath]) {
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined) own.add(found.dev);
  }
  const rootDevices = (await host.readMounts())
    .filter(({ mountPoint }) => mountPoint === "/")
    .map(({ device }) => device);
  const frozen: string[] = [];
  for (const [point, { device }] of new Map(mounts.map((mount) => [mount.mountPoint, mount]))) {
    const isRoot = point === "/" || rootDevices.includes(device);
    if (!isRoot && !own.has((await stat(point)).dev)) frozen.push(point);
  }
  return frozen;
}

/**
 * Flushes every file system and freezes what can be frozen safely while `work` runs. The thaw is in the journal before
 * the freeze, done in `finally`, and not under the run's signal.
 */
export async function whileFrozen<T>(
  mounts: readonly Mount[],
  request: SnapshotRequest,
  host: Host,
  work: () => Promise<T>,
): Promise<T> {
  const points = await frozenPoints(mounts, request, host);
  for (const mountPoint of new Set(mounts.map((mount) => mount.mountPoint))) await syncFileSystem(mountPoint);
  const steps: readonly UndoStep[] = points.map((mountPoint) => ({ do: "thaw", mountPoint }));
  await request.journal?.(steps);
  const frozen: string[] = [];
  const thaw = async (): Promise<void> => {
    const failures = new CollectedErrors("A file system could not be thawed");
    for (const point of frozen.toReversed())
      await failures.attempt(async () => await thawFileSystem(point, host));
    failures.finish();
    await request.journal?.([]);
  };
  let result: T;
  try {
    for (const point of points) {
      frozen.push(point);
      await freezeFileSystem(point, host);
    }
    result = await work();
  } catch (error) {
    throw await thaw().then(
      () => error,
      // Both have to be said: until it is thawed nothing can write there, the node included.
      (still: unknown) => withLater(error, describeError(still), "See `fsfreeze --unfreeze` at once."),
    );
  }
  await thaw();
  return result;
}
