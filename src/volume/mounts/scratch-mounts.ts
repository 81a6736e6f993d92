/**
 * Where snapshots and restored volumes are mounted while this run looks at them: directories below the state directory,
 * named by run, so that a later run finds and unmounts what a dead one left.
 */
import { mkdir, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hasCode } from "../../domain/errors.ts";
import type { Host } from "../host.ts";
import { mountVolume, unmountPoint, type MountPlan } from "./mounting.ts";
import { nameFor } from "../names.ts";

export interface ScratchPlace {
  readonly stateDir: string;
  readonly runId: string;
}

function directoryOf({ stateDir, runId }: ScratchPlace): string {
  return join(stateDir, "volumes", nameFor(runId));
}

/** Mounts a device at `<state>/volumes/<run>/<name>` and returns that path. Nothing on it can be executed. */
export async function mountScratch(
  place: ScratchPlace,
  name: string,
  plan: Omit<MountPlan, "mountPoint">,
  host: Host,
): Promise<string> {
  const mountPoint = join(directoryOf(place), name);
  await mkdir(mountPoint, { recursive: true, mode: 0o700 });
  await unmountPoint(mountPoint, host);
  // A snapshot has the UUID of its origin, which XFS refuses to mount a second time.
  const unique = plan.fsType === "xfs" ? ["nouuid"] : [];
  await mountVolume(
    { ...plan, mountPoint, options: [...plan.options, "nodev", "nosuid", "noexec", ...unique] },
    host,
  );
  return mountPoint;
}

/** Unmounts it and removes its directory; nothing there is no error. */
export async function unmountScratch(mountPoint: string, host: Host): Promise<void> {
  await unmountPoint(mountPoint, host);
  await removeEmpty(mountPoint);
  await removeEmpty(dirname(mountPoint));
}

/** Everything a run has mounted. */
export async function unmountAllScratch(place: ScratchPlace, host: Host): Promise<void> {
  const directory = directoryOf(place);
  const mounts = (await host.readMounts()).filter((mount) => mount.mountPoint.startsWith(`${directory}/`));
  for (const mount of mounts.toReversed()) await unmountScratch(mount.mountPoint, host);
}

async function removeEmpty(directory: string): Promise<void> {
  await rmdir(directory).catch((error: unknown) => {
    if (!hasCode(error, "ENOENT") && !hasCode(error, "ENOTEMPTY")) throw error;
  });
}
