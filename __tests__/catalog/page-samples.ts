/** Catalogues for looking at the page: made up, but shaped like years of nights. */
import type { PageEntry } from "../../src/catalog/page/entry.ts";

const dayMs = 86_400_000;
const newest = Date.UTC(2026, 10, 22, 2, 0, 14);

export function sampleEntry(nightsAgo = 0, change: Partial<PageEntry> = {}): PageEntry {
  const at = new Date(newest - nightsAgo * dayMs);
  const stacksHeight = 8_112_233 - nightsAgo * 5200 + ((nightsAgo * 7919) % 400);
  const stamp = at.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const id = `mainnet-${stacksHeight}-${stamp}`;
  // Pruned once, half a year ago.
  const size = Math.round((208 - nightsAgo * 0.11 + (nightsAgo > 180 ? 60 : 0)) * 2 ** 30);
  const full = nightsAgo % 30 === 29;
  return {
    id,
    createdAt: at.toISOString(),
    kind: "archive",
    network: "mainnet",
    stacksHeight,
    burnHeight: 924_567 - nightsAgo * 144,
    nodeVersion: nightsAgo > 200 ? "3.4.0.0.1" : "4.0.2",
    profile: "backup",
    pinned: nightsAgo === 3,
    pruned: false,
    cut: { method: "frozen", downtimeSeconds: 4 + (nightsAgo % 9) },
    verified: "database",
    checks: ["files", "A", "B", "C", "D", "E", "F", "G", "H"].map((check) => ({
      id: check,
      result: "passed",
    })),
    manifest: `snapshots/${id}/manifest.json`,
    archive: {
      key: `snapshots/${id}/mainnet-4.0.2-${stamp}.tar.zst`,
      size,
      tarSize: size * 3,
      uploadedBytes: full ? size : Math.round(size * 0.017),
      reusedBytes: full ? 0 : Math.round(size * 0.983),
      sha256: full ? "a1".repeat(32) : null,
    },
    volumes: [],
    ...change,
  };
}

export function manyEntries(count: number): readonly PageEntry[] {
  return Array.from({ length: count }, (_, nightsAgo) => sampleEntry(nightsAgo));
}

/** Two networks, snapshots of volumes with and without an archive, a failed check, one that was never made. */
export function mixedEntries(): readonly PageEntry[] {
  const volumes = [{ driver: "aws-ebs", snapshot: "snap-0a1b2c3d4e5f60718" }];
  const results = { D: "not-made", F: "failed" } as Readonly<Record<string, string>>;
  const checks = ["files", "A", "B", "C", "D", "E", "F", "G", "H"];
  const testnet = { network: "testnet", profile: "share" };
  return [
    sampleEntry(0, { kind: "both", volumes }),
    sampleEntry(1, { kind: "volume", volumes, archive: null, verified: "none" }),
    sampleEntry(2, { checks: checks.map((id) => ({ id, result: results[id] ?? "passed" })) }),
    sampleEntry(4, { cut: { method: "live", downtimeSeconds: 0 }, nodeVersion: null, burnHeight: null }),
    ...[0.5, 7, 14].map((nightsAgo) =>
      sampleEntry(nightsAgo, {
        ...testnet,
        id: `testnet-${210_000 - nightsAgo * 100}-x`,
        stacksHeight: 210_000 - nightsAgo * 100,
        verified: "checksum",
        checks: [],
      }),
    ),
  ];
}

export const markupText = `"><img src=x onerror="window.stolen=1"><script>window.stolen=1</script></pre>'\`\${1}&lt;`;

/** Every text that a manifest could bring along is markup. */
export function hostileEntry(): PageEntry {
  return sampleEntry(0, {
    id: markupText,
    createdAt: markupText,
    network: markupText,
    nodeVersion: markupText,
    profile: markupText,
    cut: { method: markupText, downtimeSeconds: 1 },
    manifest: `javascript:${markupText}`,
    checks: [{ id: markupText, result: "failed" }],
    archive: { key: markupText, size: 1, tarSize: 1, sha256: markupText, uploadedBytes: 1, reusedBytes: 0 },
    volumes: [{ driver: markupText, snapshot: markupText }],
  });
}
