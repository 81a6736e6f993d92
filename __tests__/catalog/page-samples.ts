/** Catalogues for looking at the page: made up, but shaped like years of nights. */
import type { PageEntry } from "../../src/catalog/page.ts";

const dayMs = 86_400_000;
const newest = Date.UTC(2026, 10, 22, 2, 0, 14);

export function sampleEntry(nightsAgo = 0, change: Partial<PageEntry> = {}): PageEntry {
  const at = new Date(newest - nightsAgo * dayMs);
  const stacksHeight = 8_112_233 - nightsAgo * 5200 + ((nightsAgo * 7919) % 400);
  const stamp = at.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const id = `mainnet-${stacksHeight}-${stamp}`;
  const size = Math.round((208 - nightsAgo * 0.11) * 2 ** 30);
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
    checks: ["A", "B", "C", "D", "E", "F", "G"].map((check) => ({ id: check, result: "passed" })),
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
