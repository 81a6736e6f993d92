/**
 * `catalog.json`: what a list, the page and retention need of every snapshot, in one object. It says nothing that the
 * manifests do not say, and can be made from them again. Entries are newest first.
 */
import * as v from "valibot";
import { ActionError } from "../domain/errors.ts";
import { carriedWalBytes, importedBy, type Manifest } from "../domain/manifest.ts";
import { firstIssueAlone, parseJson } from "./small-objects.ts";
import { manifestKey } from "./ids.ts";
import { snapshotIdSchema } from "../domain/manifest.ts";

const text = v.string();
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** `1e999` of JSON is no number of seconds. */
const seconds = v.pipe(v.number(), v.finite());
const time = v.pipe(v.string(), v.isoTimestamp());

/** Loose: what a later version adds must survive an earlier one's change. */
export const catalogEntrySchema = v.looseObject({
  id: snapshotIdSchema,
  createdAt: time,
  /** See the manifest; absent in what was published before there was one. */
  sequence: v.optional(count),
  /** An archive made elsewhere: it never becomes `latest` beside a snapshot of one's own. */
  imported: v.optional(v.boolean()),
  kind: v.picklist(["archive", "volume", "both"]),
  network: text,
  stacksHeight: count,
  stacksTip: v.nullable(text),
  burnHeight: v.nullable(count),
  epochEra: text,
  pruned: v.boolean(),
  host: text,
  nodeVersion: v.nullable(text),
  profile: v.picklist(["backup", "share"]),
  verified: v.picklist(["none", "checksum", "database"]),
  checks: v.array(v.looseObject({ id: text, result: text })),
  cut: v.looseObject({ method: text, downtimeSeconds: seconds, at: v.optional(time) }),
  manifest: text,
  archive: v.nullable(
    v.looseObject({
      key: text,
      size: count,
      tarSize: count,
      files: count,
      sha256: v.nullable(text),
      uploadedBytes: count,
      reusedBytes: count,
      /** Bytes of WALs that hold what changed in databases since an earlier snapshot; absent: none do. */
      carriedWalBytes: v.optional(count),
    }),
  ),
  volumes: v.array(
    v.looseObject({
      driver: text,
      snapshot: text,
      /** Snapshots that this one cannot be restored without. */
      requires: v.optional(v.array(text)),
    }),
  ),
  pinned: v.boolean(),
  signedBy: v.optional(text),
});

const catalogSchema = v.looseObject({
  version: v.literal(1),
  updatedAt: time,
  snapshots: v.array(catalogEntrySchema),
});

export type CatalogEntry = v.InferOutput<typeof catalogEntrySchema>;
export type Catalog = v.InferOutput<typeof catalogSchema>;

export function entryOf(manifest: Manifest): CatalogEntry {
  const { chain, archive } = manifest;
  const carried = carriedWalBytes(archive?.databases);
  return {
    id: manifest.id,
    createdAt: manifest.createdAt,
    ...(manifest.sequence === undefined ? {} : { sequence: manifest.sequence }),
    ...(manifest.cut.freezer === importedBy ? { imported: true } : {}),
    kind: manifest.kind,
    network: chain.network,
    stacksHeight: chain.stacksHeight,
    stacksTip: chain.stacksTip,
    burnHeight: chain.burnHeight,
    epochEra: chain.epochEra,
    pruned: chain.pruned,
    host: manifest.host,
    nodeVersion: manifest.node.version,
    profile: manifest.profile,
    verified: manifest.verified,
    checks: manifest.checks.map(({ id, result }) => ({ id, result })),
    cut: {
      method: manifest.cut.method,
      downtimeSeconds: manifest.cut.downtimeSeconds,
      at: manifest.cut.at,
    },
    manifest: manifestKey(manifest.id),
    archive:
      archive === undefined
        ? null
        : {
            key: archive.key,
            size: archive.size,
            tarSize: archive.tarSize,
            files: archive.files,
            sha256: archive.sha256 ?? null,
            uploadedBytes: archive.uploadedBytes,
            reusedBytes: archive.reused?.bytes ?? 0,
            ...(carried === 0 ? {} : { carriedWalBytes: carried }),
          },
    volumes: manifest.volumes.map(({ driver, snapshot, requires }) => ({
      driver,
      snapshot,
      ...needs(requires),
    })),
    pinned: manifest.pinned ?? false,
    ...(manifest.signedBy === undefined ? {} : { signedBy: manifest.signedBy }),
  };
}

function needs(requires: unknown): { readonly requires?: string[] } {
  const ids = v.safeParse(v.array(text), requires);
  return ids.success && ids.output.length > 0 ? { requires: ids.output } : {};
}

/** What the order of snapshots rests on. */
export type Ordered = Pick<CatalogEntry, "id" | "createdAt" | "sequence" | "imported"> & {
  readonly cut?: { readonly at?: string | undefined };
};

/** When it was cut, in milliseconds; by the clock of its host. */
export function takenAt({ cut, createdAt }: Ordered): number {
  return Date.parse(cut?.at ?? createdAt);
}

/**
 * Newest cut first: by sequence, which rests on no clock; among snapshots that were cut without knowing of each other by
 * time, and among equals by id, so that every host puts them in the same order.
 */
export function byNewest(a: Ordered, b: Ordered): number {
  return (
    (b.sequence ?? 0) - (a.sequence ?? 0) ||
    takenAt(b) - takenAt(a) ||
    (a.id < b.id ? 1 : a.id > b.id ? -1 : 0)
  );
}

/** The clocks of two hosts may differ by so much without anybody having to hear of it. */
export const clocksDifferMs = 5 * 60_000;

/** The clock of the host that took it was ahead, or ours is behind. */
export function isAfter(entry: Ordered, now: number): boolean {
  return takenAt(entry) > now + clocksDifferMs;
}

/** As `byNewest`, but for which one `latest` is: an own snapshot before imports, one dated after now only where there is no other. */
export function byLatest(now: number): (a: Ordered, b: Ordered) => number {
  const rank = (one: Ordered): number => (one.imported === true ? 2 : isAfter(one, now) ? 1 : 0);
  return (a, b) => rank(a) - rank(b) || byNewest(a, b);
}

/** What to say of snapshots dated after now; undefined where there are none. */
export function describeAfterNow(entries: readonly Ordered[], now: number): string | undefined {
  const ids = entries.filter((entry) => isAfter(entry, now)).map(({ id }) => id);
  if (ids.length === 0) return undefined;
  return `${ids.join(", ")}: dated after now, so the clock of the host that took it was ahead, or the clock of this one is behind. It does not count as the newest snapshot.`;
}

export function writeCatalog(snapshots: readonly CatalogEntry[], updatedAt: Date): Uint8Array {
  const catalog: Catalog = {
    version: 1,
    updatedAt: updatedAt.toISOString(),
    snapshots: [...snapshots].sort(byNewest),
  };
  return Buffer.from(`${JSON.stringify(catalog, undefined, 1)}\n`);
}

/** Undefined when it is damaged: it can be made again. CATALOG_NEWER when it must not be. */
export function readCatalog(bytes: Uint8Array, where: string): Catalog | undefined {
  const value = parseJson(bytes);
  const versioned = v.safeParse(v.looseObject({ version: v.number() }), value);
  if (versioned.success && versioned.output.version > 1) {
    throw new ActionError(
      "CATALOG_NEWER",
      `${where} has format ${versioned.output.version}, newer than this version reads.`,
      {
        hint: "Use a newer version of this action on every host that publishes to this prefix.",
      },
    );
  }
  const parsed = v.safeParse(catalogSchema, value, firstIssueAlone);
  return parsed.success ? parsed.output : undefined;
}
