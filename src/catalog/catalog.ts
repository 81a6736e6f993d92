/**
 * `catalog.json`: what a list, the page and retention need of every snapshot, in one object. It says nothing that the
 * manifests do not say, and can be made from them again. Entries are newest first.
 */
import * as v from "valibot";
import { ActionError } from "../errors.ts";
import type { Manifest } from "./manifest.ts";
import { manifestKey } from "./ids.ts";
import { snapshotIdSchema } from "./manifest.ts";

const text = v.string();
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const time = v.pipe(v.string(), v.isoTimestamp());

/** Loose: what a later version adds must survive an earlier one's change. */
export const catalogEntrySchema = v.looseObject({
  id: snapshotIdSchema,
  createdAt: time,
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
  cut: v.looseObject({ method: text, downtimeSeconds: v.number() }),
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
  return {
    id: manifest.id,
    createdAt: manifest.createdAt,
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
    cut: { method: manifest.cut.method, downtimeSeconds: manifest.cut.downtimeSeconds },
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
          },
    volumes: manifest.volumes.map(({ driver, snapshot, requires }) => ({
      driver,
      snapshot,
      ...needs(requires),
    })),
    pinned: manifest.pinned ?? false,
  };
}

function needs(requires: unknown): { readonly requires?: string[] } {
  const ids = v.safeParse(v.array(text), requires);
  return ids.success && ids.output.length > 0 ? { requires: ids.output } : {};
}

/** Newest first; among equals by id, so that every host puts them in the same order. */
export function byNewest(
  a: { readonly id: string; readonly createdAt: string },
  b: { readonly id: string; readonly createdAt: string },
): number {
  return Date.parse(b.createdAt) - Date.parse(a.createdAt) || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
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
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
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
  const parsed = v.safeParse(catalogSchema, value);
  return parsed.success ? parsed.output : undefined;
}
