/**
 * Restores a snapshot of a volume: its driver makes a volume (or a directory) of it beside the running node, which takes
 * the place of the old one when it has passed its checks. What takes an exchange back stands in the journal before it.
 */
import type { Manifest } from "../../domain/manifest.ts";
import { tryAnnounceRestore, type Announcement } from "../../catalog/readers.ts";
import type { RestoreConfig } from "../../config/config.ts";
import { ActionError } from "../../domain/errors.ts";
import type { Journal } from "../../recovery/journal.ts";
import { openPlace, partOf, removePlace } from "../../recovery/place.ts";
import type { VolumeSwapRecord } from "../../recovery/content.ts";
import type { PreparedRestore, VolumeSnapshotter } from "../../volume/port.ts";
import { requireKnownMaker } from "../manifest-trust.ts";
import { openSnapshot, type OpenSnapshot } from "../open-snapshot.ts";
import type { HeldDirectory } from "../../system/held-directory.ts";
import { stagedDirectory } from "./target-directory.ts";
import type { RestoreTarget, Staged, StageRequest } from "./target.ts";
import type { RunContext } from "../context.ts";
import type { SourceFacts } from "./sources/source.ts";
import { closeStore } from "../with-store.ts";

export async function openVolumeTarget(config: RestoreConfig, ctx: RunContext): Promise<RestoreTarget> {
  const { storage } = config;
  if (storage === undefined) throw new RangeError("the manifest of a volume snapshot is on a store");
  const opened = await openSnapshot(ctx, { ...config, storage });
  try {
    requireKnownMaker(opened.manifest, config, ctx);
    return new VolumeTarget(config, ctx, opened, driverOf(opened.manifest, config.volumeDriver));
  } catch (error) {
    await closeStore(ctx, opened.store);
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

class VolumeTarget implements RestoreTarget {
  readonly source: SourceFacts;
  readonly #config: RestoreConfig;
  readonly #ctx: RunContext;
  readonly #opened: OpenSnapshot;
  readonly #driver: string;
  readonly #snapshotter: VolumeSnapshotter;
  #announcement: Announcement | undefined;
  #place: HeldDirectory | undefined;

  constructor(config: RestoreConfig, ctx: RunContext, opened: OpenSnapshot, driver: string) {
    this.#config = config;
    this.#ctx = ctx;
    this.#opened = opened;
    this.#driver = driver;
    const privilege = ctx.privilege(config.node.sudo);
    this.#snapshotter = ctx.volumes.snapshotter(driver, config.volumes, { privilege, store: opened.store });
    const { id, chain, node, proof, cut, volumes } = opened.manifest;
    const names = volumes.map(({ snapshot }) => snapshot).join(", ");
    this.source = {
      // Nothing of it can be gone on with, and whoever cleans up after this run goes by the run.
      id: ctx.host.runId,
      name: id,
      about: `Snapshot ${id}: Stacks height ${chain.stacksHeight}, taken ${cut.at}, by ${driver} (${names}).`,
      chain,
      producer: node.version,
      proof,
      snapshotId: id,
    };
  }

  /** Drivers look for space and rights themselves before they make anything. */
  readonly preflight = async (): Promise<void> => await Promise.resolve();

  readonly stage = async (request: StageRequest): Promise<Staged> => {
    const { host, signal, report } = this.#ctx;
    const { chainstateDir, volumes: named, storage: location } = this.#config;
    const { store, manifest } = this.#opened;
    const { swap, journal, files, replaces } = request;
    const entry = { driver: this.#driver, runId: host.runId, named: [...named], location, snapshotId: null };
    this.#announcement = await tryAnnounceRestore(store, manifest.id, host.runId, this.#ctx);
    await journal.update((now) => ({
      ...now,
      volumes: [...now.volumes, entry],
      staging: [...now.staging, swap.place],
    }));
    this.#place = await openPlace(swap.place, files);
    const pinned = partOf(this.#place.at, "tree");
    const prepared = await report.phase(
      "download",
      `Make it stand beside ${swap.target} by ${this.#driver}`,
      () =>
        this.#snapshotter.restore(manifest.volumes, {
          chainstateDir,
          runId: host.runId,
          stateDir: host.stateDir,
          signal,
          staging: pinned,
          driverIsNamed: this.#config.volumeDriver !== "auto",
        }),
    );
    if (prepared.kind === "volume") {
      // Nothing is in the place then, and a directory that is held keeps the old volume from being unmounted.
      this.#letGo();
      await removePlace(swap.place, files);
      return this.#stagedVolume(prepared, swap.target, journal);
    }
    if (replaces) {
      await files.copyOwnerToTree(swap.target, pinned);
      // The old one goes once this is in its place, so it has to be on disk by then.
      await files.syncFileSystem(pinned);
    }
    return stagedDirectory(swap, { ...request, pinned }, async () => await prepared.discard());
  };

  readonly close = async (): Promise<void> => {
    this.#letGo();
    await this.#announcement?.withdraw();
    await closeStore(this.#ctx, this.#opened.store);
  };

  #letGo(): void {
    this.#place?.close();
    this.#place = undefined;
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
        ...(step === "committed" ? { confirm: null } : {}),
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
      commit: async () => await at("committed"),
      finish: async (keep) => {
        const { host, signal } = this.#ctx;
        const request = { runId: host.runId, keepPrevious: keep, signal };
        const kept = await this.#snapshotter.commit?.(undo, request);
        await journal.update({ volumeSwap: null });
        return kept ?? [];
      },
    };
  }
}
