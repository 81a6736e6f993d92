/** `command: prune`, and the retention at the end of a snapshot: the same rules, the same order, the same report. */
import { prune as pruneStore, type VolumeRemover } from "../catalog/prune.ts";
import type { PruneConfig, Retention } from "../config.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Rooms } from "./rooms.ts";
import { writePage } from "./write-page.ts";

export async function prune(config: PruneConfig, rooms: Rooms): Promise<void> {
  const store = await rooms.openStore(config.storage);
  try {
    const removed = await applyRetention(rooms, store, config.retention, config.dryRun);
    const would = config.dryRun ? "Dry run: " : "";
    rooms.report.headline(
      `${would}${removed} snapshots ${config.dryRun ? "would be" : "were"} removed from ${store.url}.`,
    );
  } finally {
    await store.close();
  }
}

/** Returns how many went (or, dry, would go). Without any rule only what dead runs left is cleaned. */
export async function applyRetention(
  rooms: Rooms,
  store: ObjectStore,
  retention: Retention,
  dryRun: boolean,
): Promise<number> {
  const { report, signal, clock } = rooms;
  return await report.phase(
    "retention",
    dryRun ? "Decide what stays" : "Keep what retention says",
    async () => {
      const volumes = volumeRemover(rooms, store);
      const pruned = await pruneStore(store, { retention, dryRun, signal, clock, volumes });
      const going = pruned.decisions.filter(({ keep }) => !keep);
      report.table(
        "Retention",
        ["snapshot", "", "why"],
        pruned.decisions.map(({ id, keep, reasons }) => [id, keep ? "stays" : "goes", reasons.join(", ")]),
      );
      for (const key of pruned.leftovers)
        report.info(`Left by a dead run${dryRun ? "" : ", removed"}: ${key}`);
      for (const { id, error } of pruned.refused) report.warning(`${id} is left alone: ${error.message}`);
      report.output("pruned", JSON.stringify(dryRun ? going.map(({ id }) => id) : pruned.removed));
      // Also where nothing went: the catalogue may have been repaired.
      if (!dryRun) await writePage(store, signal);
      return dryRun ? going.length : pruned.removed.length;
    },
  );
}

/** Local snapshots are removed on the host that made them; those in a cloud or on the store from anywhere. */
function volumeRemover(rooms: Rooms, store: ObjectStore): VolumeRemover {
  const { host, signal, volumes } = rooms;
  return {
    hinders: (driver, madeOn) =>
      volumes.isLocal(driver) && madeOn !== host.hostName
        ? `its ${driver} snapshot is on ${madeOn}: prune there`
        : undefined,
    async remove(volume) {
      const access = { privilege: rooms.privilege("auto"), store };
      await volumes.snapshotter(volume.driver, [], access).delete(volume, signal);
    },
  };
}
