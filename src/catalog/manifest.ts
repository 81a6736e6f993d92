/**
 * The manifest of one snapshot: small, written after archive and index, never changed. What it says is what was
 * checked, not what was hoped. The schema here is the single source: types, validation and the published JSON Schema
 * come from it. Sizes in bytes, times in ISO 8601 UTC, hashes in lower-case hex.
 */
import * as v from "valibot";

const sha256Hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const byteCount = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const utcTime = v.pipe(v.string(), v.isoTimestamp());
/** Ids become object keys and file names: nothing that could leave the prefix. */
export const snapshotIdSchema = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/));
/** No component is "." or "..". */
const relativeKey = v.pipe(
  v.string(),
  v.regex(/^(?!\.{1,2}(?:\/|$))[A-Za-z0-9._+@=-]+(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._+@=-]+)*$/),
);

export const chainFactsSchema = v.strictObject({
  network: v.string(),
  mainnet: v.nullable(v.boolean()),
  chainId: v.nullable(v.number()),
  stacksHeight: byteCount,
  /** Index block hash of the tip. */
  stacksTip: v.nullable(v.string()),
  consensusHash: v.nullable(v.string()),
  burnHeight: v.nullable(byteCount),
  epochEra: v.picklist(["nakamoto", "epoch2", "unknown"]),
  schemas: v.strictObject({
    index: v.nullable(v.number()),
    sortition: v.nullable(v.number()),
    burnchain: v.nullable(v.number()),
    nakamoto: v.nullable(v.number()),
    marf: v.nullable(v.number()),
    headers: v.nullable(v.number()),
  }),
  pruned: v.boolean(),
});

export const checkResultSchema = v.strictObject({
  /** "A" … "G", or "integrity". */
  id: v.string(),
  result: v.picklist(["passed", "failed", "not-made"]),
  detail: v.string(),
});

const archiveSchema = v.strictObject({
  key: relativeKey,
  size: byteCount,
  /** Only where every byte of the archive passed through the run that wrote it. */
  sha256: v.optional(sha256Hex),
  tarSize: byteCount,
  frames: byteCount,
  files: byteCount,
  /** SHA-256 over the frames' digests, as bytes, in archive order. */
  treeSha256: sha256Hex,
  index: v.strictObject({ key: relativeKey, size: byteCount, sha256: sha256Hex }),
  reused: v.optional(v.strictObject({ from: snapshotIdSchema, bytes: byteCount, frames: byteCount })),
  uploadedBytes: byteCount,
});

export const volumeSchema = v.looseObject({
  driver: v.string(),
  source: v.string(),
  snapshot: v.string(),
  createdAt: utcTime,
});

export const manifestSchema = v.strictObject({
  version: v.literal(1),
  id: snapshotIdSchema,
  createdAt: utcTime,
  kind: v.picklist(["archive", "volume", "both"]),
  tool: v.strictObject({ name: v.string(), version: v.string() }),
  host: v.string(),
  node: v.strictObject({
    manager: v.string(),
    name: v.string(),
    versionLine: v.nullable(v.string()),
    version: v.nullable(v.string()),
    commit: v.nullable(v.string()),
  }),
  chain: chainFactsSchema,
  cleanStop: v.nullable(
    v.strictObject({
      result: v.string(),
      exitCode: v.nullable(v.number()),
      signal: v.nullable(v.string()),
      seconds: v.number(),
      evidence: v.array(v.strictObject({ id: v.string(), detail: v.string() })),
    }),
  ),
  checks: v.array(checkResultSchema),
  verified: v.picklist(["none", "checksum", "database"]),
  cut: v.strictObject({
    method: v.picklist(["frozen", "live", "cold"]),
    freezer: v.string(),
    at: utcTime,
    downtimeSeconds: v.number(),
  }),
  archive: v.optional(archiveSchema),
  volumes: v.array(volumeSchema),
  profile: v.picklist(["backup", "share"]),
  excluded: v.array(v.string()),
  pinned: v.optional(v.boolean()),
  /**
   * SHA-256 of the manifest itself: of the JSON text without spaces of everything before this, its last, field. Set by
   * `publish`; a manifest without it, or with another, is not believed.
   */
  digest: v.optional(sha256Hex),
});

export type Manifest = v.InferOutput<typeof manifestSchema>;
export type ArchiveRecord = v.InferOutput<typeof archiveSchema>;
export type VolumeRecord = v.InferOutput<typeof volumeSchema>;
export type ChainFacts = v.InferOutput<typeof chainFactsSchema>;
export type CheckResult = v.InferOutput<typeof checkResultSchema>;
