/** `command: list`. The catalogue, newest first: a table for people, JSON for other jobs. */
import type { CatalogEntry } from "../catalog/catalog.ts";
import { listSnapshots } from "../catalog/read.ts";
import type { ListConfig, ListFilter } from "../config.ts";
import { formatBytes } from "../system/space.ts";
import type { Rooms } from "./rooms.ts";

export async function list(config: ListConfig, rooms: Rooms): Promise<void> {
  const { report } = rooms;
  const store = await rooms.openStore(config.storage);
  try {
    const all = await listSnapshots(store, rooms.signal);
    const shown = all.filter((entry) => config.filters.every((filter) => fits(entry, filter)));
    report.output("snapshots", JSON.stringify(shown));
    const [newest] = shown;
    if (newest !== undefined) report.output("snapshot-id", newest.id);
    report.table(
      `Snapshots in ${store.url}`,
      ["snapshot", "height", "burn", "archive", "sent", "node", "verified", "cut"],
      shown.map(rowOf),
    );
    const filtered = shown.length === all.length ? "" : ` of ${all.length}`;
    const noun = shown.length === 1 && filtered === "" ? "snapshot" : "snapshots";
    report.headline(`${shown.length}${filtered} ${noun} in ${store.url}.`);
  } finally {
    await store.close();
  }
}

function rowOf(entry: CatalogEntry): readonly string[] {
  const { archive } = entry;
  return [
    `${entry.id}${entry.pinned ? " (pinned)" : ""}`,
    String(entry.stacksHeight),
    String(entry.burnHeight ?? "?"),
    archive === null ? entry.volumes.map(({ driver }) => driver).join(", ") : formatBytes(archive.size),
    archive === null ? "" : formatBytes(archive.uploadedBytes),
    entry.nodeVersion ?? "?",
    entry.verified,
    `${entry.cut.method}, ${entry.cut.downtimeSeconds} s`,
  ];
}

function fits(entry: CatalogEntry, { field, operator, value }: ListFilter): boolean {
  const found = {
    network: entry.network,
    height: entry.stacksHeight,
    "node-version": entry.nodeVersion,
    profile: entry.profile,
  }[field];
  if (operator === "=") return String(found) === value;
  return operator === "<=" ? Number(found) <= Number(value) : Number(found) >= Number(value);
}
