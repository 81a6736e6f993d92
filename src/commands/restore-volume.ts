/**
 * Restores a snapshot of a volume: its driver makes a volume (or a directory) of it beside the running node, which takes
 * the place of the old one when it has passed its checks. What takes an exchange back stands in the journal before it.
 */
import type { Manifest } from "../catalog/manifest.ts";
import { tryAnnounceRestore, type Announcement } from "../catalog/readers.ts";
import type { RestoreConfig } from "../config.ts";
import { ActionError } from "../errors.ts";
import type { Journal } from "../recovery/journal.ts";
import type { VolumeSwapRecord } from "../recovery/content.ts";
import type { PreparedRestore, VolumeSnapshotter } from "../volume/port.ts";
import { openSnapshot, type OpenSnapshot } from "./open-snapshot.ts";
import type { Origin, Staged, StageRequest } from "./restore-origin.ts";
import type { Rooms } from "./rooms.ts";
import { stagedDirectory } from "./staged-directory.ts";

export async function openVolumeOrigin(config: RestoreConfig, rooms: Rooms): Promise<Origin> {
  const { storage, snapshot } = config;
  if (storage === undefined) throw new RangeError("the manifest of a volume snapshot is on a store");
  const opened = await openSnapshot(rooms, storage, snapshot);
  try {
    return new VolumeOrigin(config, rooms, opened, driverOf(opened.manifest, config.volumeDriver));
  } catch (error) {
    await opened.store.close();
    throw error;
  }
}

/** The one driver of all its volumes. NO_VOLUME, VOLUME_MISMATCH. */
export function driverOf({ id, volumes }: Manifest, wanted: RestoreConfig["volumeDriver"] = "auto"): string {
  const [driver, ...others] = new Set(volumes.map((volume) => volume.driver));
  if (driver === undefined || others.length > 0) {
    throw new ActionError("NO_VOLUME", `Snapshot ${id} is an archive and names no volume snapshot.`, {
      hint: "Set `method: archive`, or choose another snapshot.",
    });
  }
  if (wanted === "auto" || wanted === driver) return driver;
  throw new ActionError(
    "VOLUME_MISMATCH",
    `The volume snapshot of ${id} was made by ${driver}, not by ${wanted}.`,
    {
      hint: "Correct `volume-driver` or leave it out.",
    },
  );
}

class VolumeOrigin implements Origin {
  readonly id: string;
  readonly #config: RestoreConfig;
  readonly #rooms: Rooms;
  readonly #opened: OpenSnapshot;
  readonly #driver: string;
  readonly #snapshotter: VolumeSnapshotter;
  #announcement: Announcement | undefined;

  constructor(config: RestoreConfig, rooms: Rooms, opened: OpenSnapshot, driver: string) {
    this.#config = config;
    this.#rooms = rooms;
    this.#opened = opened;
    this.#driver = driver;
    const privilege = rooms.privilege(config.node.sudo);
    this.#snapshotter = rooms.volumes.snapshotter(driver, config.volumes, { privilege, store: opened.store });
    // Nothing of it can be gone on with, and whoever cleans up after this run goes by the run.
    this.id = rooms.host.runId;
  }

  get name(): string {
    return this.#opened.manifest.id;
  }

  get chain(): Manifest["chain"] {
    return this.#opened.manifest.chain;
  }

  introduce(): void {
    const { id, chain, cut, volumes } = this.#opened.manifest;
    const { report } = this.#rooms;
    const names = volumes.map(({ snapshot }) => snapshot).join(", ");
    report.info(
      `Snapshot ${id}: Stacks height ${chain.stacksHeight}, taken ${cut.at}, by ${this.#driver} (${names}).`,
    );
    report.output("snapshot-id", id);
  }

  /** Drivers look for room and rights themselves before they make anything. */
  preflight(): Promise<void> {
    return Promise.resolve();
  }

  async stage(request: StageRequest): Promise<Staged> {
    const { host, signal, clock, report } = this.#rooms;
    const { chainstateDir, volumes: named, storage: location } = this.#config;
    const { store, manifest } = this.#opened;
    const { swap, journal, files, replaces } = request;
    const entry = { driver: this.#driver, runId: host.runId, named: [...named], location, snapshotId: null };
    this.#announcement = await tryAnnounceRestore(store, manifest.id, host.runId, clock, signal);
    await journal.update((now) => ({
      ...now,
      volumes: [...now.volumes, entry],
      staging: [...now.staging, swap.staging],
    }));
    const prepared = await report.phase(
      "download",
      `Make it stand beside ${swap.target} by ${this.#driver}`,
      () =>
        this.#snapshotter.restore(manifest.volumes, {
          chainstateDir,
          runId: host.runId,
          stateDir: host.stateDir,
          signal,
          staging: swap.staging,
        }),
    );
    if (prepared.kind === "volume") return this.#stagedVolume(prepared, swap.target, journal);
    if (replaces) {
      await files.copyOwnerToTree(swap.target, swap.staging);
      // The old one goes once this is in its place, so it has to be on disk by then.
      await files.syncFileSystem(swap.staging);
    }
    return stagedDirectory(swap, request, async () => await prepared.discard());
  }

  async close(): Promise<void> {
    await this.#announcement?.withdraw(AbortSignal.timeout(10_000));
    await this.#opened.store.close();
  }

  #stagedVolume(
    prepared: Extract<PreparedRestore, { kind: "volume" }>,
    target: string,
    journal: Journal,
  ): Staged {
    const { keepPrevious } = this.#config;
    const { undo } = prepared;
    const at = async (step: VolumeSwapRecord["step"]): Promise<void> =>
      await journal.update({
        volumeSwap: { target, driver: this.#driver, step, keepPrevious, undo: [...undo] },
      });
    return {
      directory: prepared.directory,
      elsewhere: prepared.elsewhere,
      discard: async () => await prepared.discard(),
      async swap() {
        await at("begun");
        await prepared.swap();
        await at("swapped");
      },
      prove: async () => await at("proved"),
      finish: async (keep) => {
        const { host, signal } = this.#rooms;
        const request = { runId: host.runId, keepPrevious: keep, signal };
        const kept = await this.#snapshotter.commit?.(undo, request);
        await journal.update({ volumeSwap: null });
        return kept ?? [];
      },
    };
  }
}
