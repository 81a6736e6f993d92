/** `command: list`. The catalogue, newest first: a table for people, JSON for other jobs. */
import type { ListFilter } from "../domain/options.ts";
import { byLatest, describeAfterNow, takenAt, type CatalogEntry } from "../catalog/catalog.ts";
import { listSnapshots, rebuildEntries } from "../catalog/read.ts";
import type { ListConfig } from "../config/config.ts";
import { ActionError } from "../domain/errors.ts";
import type { ObjectStore } from "../store/port.ts";
import { formatBytes } from "../system/space.ts";
import type { RunContext } from "./context.ts";
import { requireAge } from "./manifest-trust.ts";
import { withStore } from "./with-store.ts";

export async function list(config: ListConfig, ctx: RunContext): Promise<void> {
  const { report, clock } = ctx;
  await withStore(ctx, config, async (store) => {
    const all = await entriesOf(store, config, ctx);
    const shown = all.filter((entry) => config.filters.every((filter) => fits(entry, filter)));
    report.output("snapshots", JSON.stringify(shown));
    const [newest] = shown.toSorted(byLatest(clock.now()));
    if (newest !== undefined) {
      report.output("newest-id", newest.id);
      report.output("newest-created-at", newest.createdAt);
    }
    report.table(
      `Snapshots in ${store.url}`,
      columns.map(([title]) => title),
      shown.map((entry) => columns.map(([, cellOf]) => cellOf(entry))),
    );
    const afterNow = describeAfterNow(all, clock.now());
    if (afterNow !== undefined) report.warning(afterNow);
    const filtered = shown.length === all.length ? "" : ` of ${all.length}`;
    const noun = shown.length === 1 && filtered === "" ? "snapshot" : "snapshots";
    if (config.maxAgeMs !== undefined && newest === undefined) {
      throw new ActionError(
        "SNAPSHOT_NOT_FOUND",
        `There is no such snapshot in ${store.url}, and \`max-age\` is set.`,
      );
    }
    if (newest !== undefined) requireAge(newest, config.maxAgeMs, clock.now());
    report.headline(`${shown.length}${filtered} ${noun} in ${store.url}.`);
  });
}

/** Nobody signs the catalogue: with `trusted-signers` it is made of the manifests whose signatures are right. */
async function entriesOf(
  store: ObjectStore,
  { trustedSigners }: ListConfig,
  { report, signal }: RunContext,
): Promise<readonly CatalogEntry[]> {
  if (trustedSigners === undefined) return await listSnapshots(store, signal);
  const { entries, refused } = await rebuildEntries(store, signal);
  for (const { id, error } of refused) report.warning(`${id} is not listed: ${error.message}`);
  return entries;
}

const columns: readonly (readonly [string, (entry: CatalogEntry) => string])[] = [
  ["snapshot", ({ id }) => id],
  ["taken (UTC)", (entry) => new Date(takenAt(entry)).toISOString().slice(0, 16).replace("T", " ")],
  ["network", ({ network }) => network],
  ["height", ({ stacksHeight }) => String(stacksHeight)],
  ["burn", ({ burnHeight }) => String(burnHeight ?? "?")],
  [
    "archive",
    ({ archive, volumes }) =>
      archive === null ? volumes.map(({ driver }) => driver).join(", ") : formatBytes(archive.size),
  ],
  ["sent", ({ archive }) => (archive === null ? "" : formatBytes(archive.uploadedBytes))],
  ["profile", ({ profile }) => profile],
  ["host", ({ host }) => host],
  ["node", ({ nodeVersion }) => nodeVersion ?? "?"],
  ["verified", ({ verified }) => verified],
  ["cut", ({ cut }) => `${cut.method}, ${cut.downtimeSeconds} s`],
  ["pin", ({ pinned }) => (pinned ? "pinned" : "")],
  ["signed with", ({ signedBy }) => signedBy ?? "–"],
];

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
