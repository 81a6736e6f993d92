/** Snapshots for the catalogue's tests: small, whole, and different in what a test says. */
import { archiveName, snapshotFolder, snapshotId } from "../../src/catalog/ids.ts";
import type { Manifest } from "../../src/domain/manifest.ts";
import type { ObjectStore } from "../../src/store/port.ts";

export interface Sample {
  readonly at: Date;
  readonly height?: number;
  readonly network?: string;
  readonly host?: string;
  readonly verified?: Manifest["verified"];
  readonly profile?: Manifest["profile"];
  readonly pinned?: boolean;
  readonly volumes?: Manifest["volumes"];
}

export function sampleManifest(sample: Sample): Manifest {
  const { at, height = 1000, network = "mainnet", volumes = [] } = sample;
  const id = snapshotId(network, height, at);
  const digest = "ab".repeat(32);
  return {
    version: 1,
    id,
    createdAt: at.toISOString(),
    kind: volumes.length > 0 ? "both" : "archive",
    tool: { name: "chainstate-snapshot", version: "0.1.0" },
    host: sample.host ?? "host-a",
    node: {
      manager: "systemd",
      name: "stacks-node.service",
      versionLine: null,
      version: "4.0.2",
      commit: null,
    },
    chain: {
      network,
      mainnet: true,
      chainId: 1,
      stacksHeight: height,
      stacksTip: "12".repeat(32),
      consensusHash: null,
      burnHeight: 900_000,
      epochEra: "nakamoto",
      schemas: { index: 14, sortition: 11, burnchain: 3, nakamoto: 5, marf: 3, headers: 3 },
      pruned: false,
    },
    cleanStop: null,
    checks: [{ id: "A", result: "passed", detail: "" }],
    verified: sample.verified ?? "database",
    cut: { method: "frozen", freezer: "sqlite", at: at.toISOString(), downtimeSeconds: 1.25 },
    archive: {
      key: `${snapshotFolder(id)}/${archiveName(network, "4.0.2", at)}`,
      size: archiveBytes.length,
      tarSize: 10_240,
      frames: 2,
      files: 5,
      treeSha256: digest,
      index: { key: `${snapshotFolder(id)}/index.json.zst`, size: indexBytes.length, sha256: digest },
      uploadedBytes: archiveBytes.length,
    },
    volumes,
    profile: sample.profile ?? "backup",
    excluded: [],
    ...(sample.pinned === undefined ? {} : { pinned: sample.pinned }),
  };
}

const archiveBytes = Buffer.from("archive");
const indexBytes = Buffer.from("index");

/** Puts what has to stand before `publish`. */
export async function putObjects(store: ObjectStore, manifest: Manifest, signal: AbortSignal): Promise<void> {
  if (manifest.archive === undefined) return;
  await store.put(manifest.archive.key, archiveBytes, { signal });
  await store.put(manifest.archive.index.key, indexBytes, { signal });
}
