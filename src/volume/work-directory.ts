/**
 * Restores into a directory, for drivers whose commands run as root on what strangers may have written: everything is done in
 * a directory of mode 0700 beside the staging one (both are in a place that nobody else can enter), and moved to its name when it is whole. Paths of records
 * are looked up there without following links.
 */
import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { VolumeDriver } from "../domain/options.ts";
import { ActionError } from "../domain/errors.ts";
import { mountAt } from "../system/mounts.ts";
import type { Host } from "./host.ts";
import { toolName } from "./names.ts";
import { orTakeBack } from "./outcome.ts";
import { pathBeneath } from "./parts.ts";
import type { PreparedRestore, RestoreRequest } from "./port.ts";

/** For commands that read or write the whole chainstate. */
export const longMs = 6 * 3600_000;

const suffix = "-work";

export class WorkDirectory {
  readonly path: string;
  readonly #host: Host;

  constructor(path: string, host: Host) {
    this.path = path;
    this.#host = host;
  }

  /** Those that a run may have left beside or in the chainstate; they need not exist. */
  static ofRun(chainstateDir: string, runId: string, host: Host): readonly WorkDirectory[] {
    // As `recovery/swap.ts` and `recovery/place.ts` name places and what is in them.
    const nameOf = (run: string): string => `.${toolName}-${run}-new/tree${suffix}`;
    return [
      new WorkDirectory(join(dirname(chainstateDir), nameOf(`${basename(chainstateDir)}~${runId}`)), host),
      new WorkDirectory(join(chainstateDir, nameOf(runId)), host),
    ];
  }

  /** The path of `within` beneath a directory of this one. VOLUME_RECORD_INVALID, as `pathBeneath`. */
  async resolve(root: string, within: string): Promise<string> {
    return await pathBeneath(root, within, async (paths) => {
      const argv = ["find", "-P", ...paths, "-maxdepth", "0", "-printf", "%y\\n"];
      return (await this.#host.ask(argv)).stdout.split("\n");
    });
  }

  async exists(): Promise<boolean> {
    return (await lstat(this.path).catch(() => undefined)) !== undefined;
  }

  async remove(): Promise<void> {
    await removeTree(this.path, this.#host);
  }
}

export async function removeTree(directory: string, host: Host): Promise<void> {
  if ((await lstat(directory).catch(() => undefined)) === undefined) return;
  await host.do(["rm", "--recursive", "--force", "--one-file-system", "--", directory], longMs);
}

export interface DirectoryMaker {
  /** Makes the chainstate in the work directory and returns where. */
  readonly make: (work: WorkDirectory) => Promise<string>;
  /** Removes a directory that may hold what `make` made; there is none: no error. */
  readonly remove: (directory: string) => Promise<void>;
}

/** The chainstate at the request's `staging`, or nothing. */
export async function prepareDirectory(
  { make, remove }: DirectoryMaker,
  { staging }: RestoreRequest,
  host: Host,
): Promise<Extract<PreparedRestore, { kind: "directory" }>> {
  const work = new WorkDirectory(staging + suffix, host);
  let isMoved = false;
  const discard = async (): Promise<void> => {
    await remove(work.path);
    if (isMoved) await remove(staging);
  };
  return await orTakeBack(async () => {
    await host.do(["mkdir", "--mode=0700", "--", work.path]);
    const made = await make(work);
    await host.do(["mv", "--no-target-directory", "--", made, staging]);
    isMoved = true;
    await remove(work.path);
    return { kind: "directory", directory: staging, discard };
  }, discard);
}

/**
 * A manifest alone must not choose the driver: unless the input names it, it has to be the one of the file system that is restored
 * onto. VOLUME_MISMATCH.
 */
export async function requireOwnKind(
  driver: Extract<VolumeDriver, "btrfs" | "xfs">,
  { staging, driverIsNamed }: RestoreRequest,
  host: Host,
): Promise<void> {
  if (driverIsNamed) return;
  const place = await realpath(dirname(staging));
  const mount = mountAt(place, await host.readMounts());
  if (mount?.fsType === driver) return;
  throw new ActionError(
    "VOLUME_MISMATCH",
    `The manifest says that the snapshot was made by ${driver}, but ${place} is on ${mount?.fsType ?? "nothing known"}.`,
    { hint: `If that is what you want, set \`volume-driver: ${driver}\`.` },
  );
}
