/**
 * The manifest of one snapshot: small, written after archive and index, never changed. What it says is what was
 * checked, not what was hoped. The schema here is the single source: types, validation and the published JSON Schema
 * come from it. Sizes in bytes, times in ISO 8601 UTC, hashes in lower-case hex.
 */
import * as v from "valibot";

const sha256Hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const byteCount = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** `1e999` of JSON is none. */
const finite = v.pipe(v.number(), v.finite());
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
  chainId: v.nullable(finite),
  stacksHeight: byteCount,
  /** Index block hash of the tip. */
  stacksTip: v.nullable(v.string()),
  consensusHash: v.nullable(v.string()),
  burnHeight: v.nullable(byteCount),
  epochEra: v.picklist(["nakamoto", "epoch2", "unknown"]),
  schemas: v.strictObject({
    index: v.nullable(finite),
    sortition: v.nullable(finite),
    burnchain: v.nullable(finite),
    nakamoto: v.nullable(finite),
    marf: v.nullable(finite),
    headers: v.nullable(finite),
  }),
  pruned: v.boolean(),
  /** `max(rowid)` of the tables that are keyed by hashes, by database and table; null where it has none, or cannot be asked. */
  largestRowids: v.optional(v.record(v.string(), v.nullable(v.pipe(v.number(), v.safeInteger())))),
});

export const checkResultSchema = v.strictObject({
  /** "A" … "G", or "integrity". */
  id: v.string(),
  result: v.picklist(["passed", "failed", "not-made"]),
  detail: v.string(),
});

/** All blocks up to this one are proven by the chain (docs/checks.md), by this version of the proof. */
export const proofRecordSchema = v.strictObject({
  upTo: v.strictObject({ height: byteCount, id: sha256Hex }),
  version: byteCount,
});

/**
 * The signers of a reward cycle. The digest is the hash by which the state keeps their list (SHA-512/256 of the value's hex
 * text, as `/v2/map_entry/…/signers/cycle-signer-set` of a node gives it).
 */
export const signerSetSchema = v.strictObject({ cycle: byteCount, digest: sha256Hex });

/** "nodes": others have this block; "signer-set": signers who follow from a trusted set; "own-set": those of the chainstate itself. */
export const confirmationSchema = v.strictObject({
  by: v.picklist(["nodes", "signer-set", "own-set"]),
  /** In words. */
  detail: v.string(),
});

/** Below the mode directory, with no component that is empty, "." or "..". */
const plainPath = v.pipe(
  v.string(),
  v.regex(/^(?!\.{0,2}(?:\/|$))[^/\0]+(?:\/(?!\.{0,2}(?:\/|$))[^/\0]+)*$/),
);

/** A database by its pages as SQLite reads them, those in its WAL included; how it was archived; see docs/format.md. */
export const databaseRecordSchema = v.strictObject({
  path: plainPath,
  pageSize: byteCount,
  pages: byteCount,
  /** SHA-256 over the first 16 bytes of each page's SHA-256, in order. */
  sha256: sha256Hex,
  /** Bytes of its `-wal` in the archive up to the last commit. */
  walBytes: byteCount,
  /** Its file has the bytes that it had in snapshot `since`; what changed in the `nights` after that is in its WAL. */
  carried: v.optional(
    v.strictObject({ since: snapshotIdSchema, nights: byteCount, changedPages: byteCount }),
  ),
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
  /** Of the larger databases, where snapshots are made of changed pages (`rebase-above`). */
  databases: v.optional(v.array(databaseRecordSchema)),
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
  /**
   * One more than the highest that stood in the catalogue when this snapshot was cut: the order of snapshots, whatever the
   * clocks of their hosts said. Set by `publish`.
   */
  sequence: v.optional(byteCount),
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
      exitCode: v.nullable(finite),
      signal: v.nullable(v.string()),
      seconds: finite,
      evidence: v.array(v.strictObject({ id: v.string(), detail: v.string() })),
    }),
  ),
  checks: v.array(checkResultSchema),
  verified: v.picklist(["none", "checksum", "database"]),
  /** What need not be proven again; another version than one's own is not believed. */
  proof: v.optional(proofRecordSchema),
  /** By whom it was confirmed that the tip is the chain's, when the snapshot was made; believed of nobody: for people. */
  confirmation: v.optional(confirmationSchema),
  cut: v.strictObject({
    method: v.picklist(["frozen", "live", "cold"]),
    freezer: v.string(),
    at: utcTime,
    downtimeSeconds: finite,
  }),
  archive: v.optional(archiveSchema),
  volumes: v.array(volumeSchema),
  profile: v.picklist(["backup", "share"]),
  excluded: v.array(v.string()),
  pinned: v.optional(v.boolean()),
  /** Fingerprint of the key whose signature stands beside it ("SHA256:…"). Believed of nobody: for people. */
  signedBy: v.optional(v.pipe(v.string(), v.regex(/^SHA256:[A-Za-z0-9+/]{43}$/))),
  /**
   * SHA-256 of the manifest itself: of the JSON text without spaces of everything before this, its last, field. Set by
   * `publish`; a manifest without it, or with another, is not believed.
   */
  digest: v.optional(sha256Hex),
});

/** In the place of a freezer's name, in the manifest of a snapshot that was an archive made elsewhere. */
export const importedBy = "import";

export type Manifest = v.InferOutput<typeof manifestSchema>;
export type ArchiveRecord = v.InferOutput<typeof archiveSchema>;
export type DatabaseRecord = v.InferOutput<typeof databaseRecordSchema>;
export type VolumeRecord = v.InferOutput<typeof volumeSchema>;
export type ChainFacts = v.InferOutput<typeof chainFactsSchema>;
export type ProofRecord = v.InferOutput<typeof proofRecordSchema>;
export type Confirmation = v.InferOutput<typeof confirmationSchema>;
export type SignerSetName = v.InferOutput<typeof signerSetSchema>;
export type CheckResult = v.InferOutput<typeof checkResultSchema>;

/** Bytes of the WALs that hold what changed in databases since an earlier snapshot. */
export function carriedWalBytes(databases: readonly DatabaseRecord[] = []): number {
  return databases.reduce((sum, { carried, walBytes }) => sum + (carried === undefined ? 0 : walBytes), 0);
}
