import { assert, asyncProperty, nat } from "fast-check";
import { describe, expect, test } from "vitest";
import { archiveName, latestKey, manifestKey, snapshotId } from "../../src/catalog/ids.ts";
import type { Manifest } from "../../src/domain/manifest.ts";
import { readManifest, writeManifest } from "../../src/catalog/manifest-text.ts";
import { publish } from "../../src/catalog/publish.ts";
import { loadManifest, resolveSnapshot } from "../../src/catalog/read.ts";
import { memoryStore, type MemoryStore } from "./memory-store.ts";
import { putObjects, sampleManifest } from "./samples.ts";

const signal = new AbortController().signal;

async function storeWith(...heights: readonly number[]): Promise<MemoryStore> {
  const store = memoryStore();
  for (const [at, height] of heights.entries()) {
    const manifest = sampleManifest({ at: new Date(Date.UTC(2026, 10, at + 1)), height });
    await putObjects(store, manifest, signal);
    await publish(store, manifest, signal);
  }
  return store;
}

describe("a selector", () => {
  test("means the latest, an id, or the highest at or below a height", async () => {
    const store = await storeWith(100, 300, 200);
    const heightOf = async (selector: Parameters<typeof resolveSnapshot>[1]): Promise<number> =>
      (await resolveSnapshot(store, selector, signal)).chain.stacksHeight;
    expect(await heightOf({ kind: "latest" })).toBe(200);
    expect(await heightOf({ kind: "height", atMost: 299 })).toBe(200);
    expect(await heightOf({ kind: "height", atMost: 300 })).toBe(300);
    expect(
      await heightOf({ kind: "id", id: snapshotId("mainnet", 100, new Date(Date.UTC(2026, 10, 1))) }),
    ).toBe(100);
    await expect(heightOf({ kind: "height", atMost: 99 })).rejects.toMatchObject({
      code: "SNAPSHOT_NOT_FOUND",
    });
    await expect(heightOf({ kind: "height", atMost: 99 })).rejects.toThrow("the lowest is at 100");
    await expect(heightOf({ kind: "id", id: "../../etc/passwd" })).rejects.toMatchObject({
      code: "SNAPSHOT_NOT_FOUND",
    });
    await expect(heightOf({ kind: "id", id: "mainnet-5-x" })).rejects.toMatchObject({
      code: "SNAPSHOT_NOT_FOUND",
    });
  });

  test("of a prefix without any snapshot says so", async () => {
    await expect(resolveSnapshot(memoryStore(), { kind: "latest" }, signal)).rejects.toThrow(
      "no snapshot in memory://test yet",
    );
  });

  test("finds the newest where latest.json is missing, damaged or points to what is gone", async () => {
    const store = await storeWith(1, 2);
    for (const text of [
      undefined,
      "{",
      '{"id":"mainnet-9-gone","manifest":"x"}',
      '{"id":"../x","manifest":"x"}',
    ]) {
      if (text === undefined) await store.delete(latestKey, signal);
      else await store.put(latestKey, Buffer.from(text), { signal });
      expect((await resolveSnapshot(store, { kind: "latest" }, signal)).chain.stacksHeight).toBe(2);
    }
  });

  test("by height refuses to choose between networks", async () => {
    const store = await storeWith(10);
    const other = sampleManifest({ at: new Date(), height: 5, network: "testnet" });
    await putObjects(store, other, signal);
    await publish(store, other, signal);
    await expect(resolveSnapshot(store, { kind: "height", atMost: 10 }, signal)).rejects.toMatchObject({
      code: "NETWORK_AMBIGUOUS",
    });
  });
});

describe("a manifest", () => {
  const sample = sampleManifest({ at: new Date(Date.UTC(2026, 10, 22, 2, 0, 14)) });

  test("with any one byte changed is refused, or says exactly the same", async () => {
    const { bytes, manifest } = writeManifest(sample);
    await assert(
      asyncProperty(nat(bytes.length - 1), nat(254), async (at, change) => {
        const flipped = Uint8Array.from(bytes);
        flipped[at] = (flipped[at]! + 1 + change) % 256;
        const outcome = await Promise.resolve()
          .then(() => readManifest(flipped, sample.id, "here"))
          .catch((error: { code: string }) => error.code);
        // White space between tokens is the only thing that may differ without a difference.
        expect([manifest, "MANIFEST_INVALID", "MANIFEST_NEWER"]).toContainEqual(outcome);
      }),
      { numRuns: 2000 },
    );
  });

  const hostile: readonly [string, (manifest: Manifest) => unknown][] = [
    ["of another snapshot", (m) => ({ ...m, id: `${m.id}0` })],
    [
      "with an archive in another folder",
      (m) => ({ ...m, archive: { ...m.archive, key: "snapshots/other/x.tar.zst" } }),
    ],
    [
      "with a key that climbs out",
      (m) => ({ ...m, archive: { ...m.archive, key: `snapshots/${m.id}/../../x.tar.zst` } }),
    ],
    [
      "with an index elsewhere",
      (m) => ({ ...m, archive: { ...m.archive!, index: { ...m.archive!.index, key: "index.json.zst" } } }),
    ],
    ["with a negative size", (m) => ({ ...m, archive: { ...m.archive, size: -1 } })],
    ["with a field nobody knows", (m) => ({ ...m, extra: 1 })],
    ["with neither archive nor volume", (m) => ({ ...m, archive: undefined })],
  ];
  test.each(hostile)("%s is refused when read and when written", (_, change) => {
    const changed = change(writeManifest(sample).manifest);
    expect(() => readManifest(Buffer.from(JSON.stringify(changed)), sample.id, "here")).toThrow(
      "no manifest",
    );
    const { digest: _digest, ...rest } = changed as Manifest;
    const written = (): unknown => readManifest(writeManifest(rest).bytes, sample.id, "here");
    expect(written).toThrow("no manifest");
  });

  test("with a number that is none is refused", () => {
    const { bytes } = writeManifest(sample);
    const text = Buffer.from(bytes).toString();
    for (const [field, value] of [
      ["downtimeSeconds", "1e999"],
      ["chainId", "-1e999"],
      ["stacksHeight", "1e999"],
    ] as const) {
      const changed = text.replace(new RegExp(`"${field}":\\s*[\\d.]+`), `"${field}":${value}`);
      expect(changed).not.toBe(text);
      // For that, and before its digest is looked at.
      expect(() => readManifest(Buffer.from(changed), sample.id, "here")).toThrow(`.${field}: Invalid`);
    }
  });

  test("is believed in whatever order its writer put the fields", () => {
    const reused = { frames: 1, from: "mainnet-1-20261121T020014Z", bytes: 10 };
    const volume = { zebra: 1, createdAt: sample.createdAt, snapshot: "s", source: "v", driver: "zfs" };
    const { archive, ...rest } = { ...sample, volumes: [volume] };
    if (archive === undefined) throw new Error("the sample has an archive");
    const unusual: Manifest = { archive: { ...archive, reused }, ...rest };
    const { bytes, manifest } = writeManifest(unusual);
    expect(readManifest(bytes, sample.id, "here")).toEqual(manifest);
  });

  test("without its digest is not believed, and one of the future is named as such", () => {
    const { digest: _, ...rest } = writeManifest(sample).manifest;
    expect(() => readManifest(Buffer.from(JSON.stringify(rest)), sample.id, "here")).toThrow("digest");
    expect(() => readManifest(Buffer.from('{"version":2}'), sample.id, "here")).toThrow("newer");
  });

  test("that is absurdly large is not read", async () => {
    const store = memoryStore();
    await store.put(manifestKey("mainnet-1-x"), Buffer.alloc(17 * 1024 * 1024), { signal });
    await expect(loadManifest(store, "mainnet-1-x", signal)).rejects.toThrow("larger than any manifest");
  });
});

test("names are safe whatever a directory is called", () => {
  const at = new Date(Date.UTC(2026, 10, 22, 2, 0, 14, 999));
  expect(snapshotId("mainnet", 57, at)).toBe("mainnet-57-20261122T020014Z");
  expect(archiveName("main net/../ü", "4.0.2", at)).toBe(
    "main_net_.._-4.0.2-20261122T020014Z.tar.zst".replace("_.._", "_.._"),
  );
  expect(archiveName("..", "No Version", at)).toBe("unknown-No_Version-20261122T020014Z.tar.zst");
});
