import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { catalogKey, latestKey, manifestKey } from "../../src/catalog/ids.ts";
import { manifestSchema, type Manifest } from "../../src/domain/manifest.ts";
import { claimSnapshotId, publish, reconcile } from "../../src/catalog/publish.ts";
import { listSnapshots, loadManifest, resolveSnapshot } from "../../src/catalog/read.ts";
import { openFileStore } from "../../src/store/file/file-store.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { systemClock, type Clock } from "../../src/system/clock.ts";
import { is } from "valibot";
import { Crashed, memoryStore, mortalStore, type MemoryStore } from "./memory-store.ts";
import { putObjects, sampleManifest, type Sample } from "./samples.ts";

const signal = new AbortController().signal;
/** Waits as long as it takes others to get a turn, not as long as it says. */
const hasty: Clock = { now: () => Date.now(), sleep: async (ms) => await systemClock.sleep(ms / 50) };

async function publishSample(store: ObjectStore, sample: Sample): Promise<Manifest> {
  const manifest = sampleManifest(sample);
  await putObjects(store, manifest, signal);
  return await publish(store, manifest, signal, hasty);
}

function day(number: number): Date {
  return new Date(Date.UTC(2026, 10, number, 2));
}

async function text(store: ObjectStore, key: string): Promise<string> {
  return Buffer.from((await store.get(key, { signal })).bytes).toString();
}

async function idsOf(store: ObjectStore): Promise<string[]> {
  return (await listSnapshots(store, signal)).map(({ id }) => id);
}

describe("publishing", () => {
  test("makes a snapshot that is listed, latest, and reads back as it was written", async () => {
    const store = memoryStore();
    const published = await publishSample(store, { at: day(1) });
    expect(published.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(is(manifestSchema, published)).toBe(true);
    expect(await loadManifest(store, published.id, signal)).toEqual(published);
    expect(JSON.parse(await text(store, latestKey))).toEqual({
      id: published.id,
      manifest: manifestKey(published.id),
    });
    expect(await idsOf(store)).toEqual([published.id]);
  });

  test("writes nothing that anybody could see before archive and index stand", async () => {
    const store = memoryStore();
    await expect(publish(store, sampleManifest({ at: day(1) }), signal, hasty)).rejects.toMatchObject({
      code: "SNAPSHOT_INCOMPLETE",
    });
    expect([...store.objects.keys()]).toEqual([]);
  });

  test("leaves latest where it is when an older snapshot comes late", async () => {
    const store = memoryStore();
    const newer = await publishSample(store, { at: day(2) });
    const older = await publishSample(store, { at: day(1) });
    expect((await resolveSnapshot(store, { kind: "latest" }, signal)).id).toBe(newer.id);
    expect(await idsOf(store)).toEqual([newer.id, older.id]);
  });

  test("never overwrites a snapshot, and takes its own retried request for what it is", async () => {
    const store = memoryStore();
    const first = await publishSample(store, { at: day(1), host: "host-a" });
    await expect(publishSample(store, { at: day(1), host: "host-b" })).rejects.toMatchObject({
      code: "SNAPSHOT_EXISTS",
    });
    expect(await publishSample(store, { at: day(1), host: "host-a" })).toEqual(first);
    expect((await loadManifest(store, first.id, signal)).host).toBe("host-a");
  });

  test.each([
    ["that enforces conditions", true],
    ["that only looks at conditions", false],
  ])(
    "by a dozen hosts at once on a store %s loses none, and latest is the newest",
    async (_, conditionalWrites) => {
      for (let round = 0; round < 5; round += 1) {
        const store = memoryStore({ conditionalWrites });
        const days = Array.from({ length: 12 }, (_, at) => at + 1).sort(() => Math.random() - 0.5);
        const all = await Promise.all(
          days.map(
            async (number) => await publishSample(store.again(), { at: day(number), height: 100 + number }),
          ),
        );
        const wanted = all.map(({ id }) => id).sort((a, b) => (a < b ? 1 : -1));
        expect(await idsOf(store)).toEqual(wanted);
        expect((await resolveSnapshot(store, { kind: "latest" }, signal)).id).toBe(wanted[0]);
      }
    },
  );

  test("by four hosts at once to one real directory loses none", async () => {
    const directory = mkdtempSync(join(tmpdir(), "publish-"));
    try {
      const numbers = [3, 1, 4, 2];
      await Promise.all(
        numbers.map(
          async (number) =>
            await publishSample(openFileStore(directory), { at: day(number), height: number }),
        ),
      );
      const store = openFileStore(directory);
      expect((await listSnapshots(store, signal)).map(({ stacksHeight }) => stacksHeight)).toEqual([
        4, 3, 2, 1,
      ]);
      expect((await resolveSnapshot(store, { kind: "latest" }, signal)).chain.stacksHeight).toBe(4);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("that dies at any point leaves nothing listed that is not whole, and the next one repairs the rest", async () => {
    for (let left = 0; left < 8; left += 1) {
      const store = memoryStore();
      await publishSample(store, { at: day(1) });
      const manifest = sampleManifest({ at: day(2) });
      await putObjects(store, manifest, signal);
      const outcome = await publish(mortalStore(store, left), manifest, signal, hasty).then(
        () => "done",
        (error: unknown) => error,
      );
      if (outcome !== "done" && !(outcome instanceof Crashed)) throw outcome;
      for (const id of await idsOf(store)) await loadManifest(store, id, signal);
      await resolveSnapshot(store, { kind: "latest" }, signal);
      await reconcile(store, hasty, signal);
      const present = store.objects.has(manifestKey(manifest.id));
      expect((await idsOf(store)).includes(manifest.id)).toBe(present);
      expect((await resolveSnapshot(store, { kind: "latest" }, signal)).id === manifest.id).toBe(present);
    }
  });
});

describe("an id", () => {
  test("is given to one host only, even at the same height in the same second", async () => {
    const store = memoryStore();
    const claims = await Promise.all(
      Array.from(
        { length: 5 },
        async (_, at) =>
          await claimSnapshotId(store, { network: "mainnet", stacksHeight: 7 }, day(1), `run${at}`, signal),
      ),
    );
    expect(new Set(claims.map(({ id }) => id)).size).toBe(5);
    const manifest = sampleManifest({ at: claims[0]!.at, height: 7 });
    expect(manifest.id).toBe(claims[0]!.id);
    await putObjects(store, manifest, signal);
    await publish(store, manifest, signal, hasty);
    expect([...store.objects.keys()].filter((key) => key.includes(`${manifest.id}/claim`))).toEqual([]);
    const late = await claimSnapshotId(
      store,
      { network: "mainnet", stacksHeight: 7 },
      claims[0]!.at,
      "late",
      signal,
    );
    expect(claims.map(({ id }) => id)).not.toContain(late.id);
  });
});

describe("the catalogue", () => {
  async function three(): Promise<MemoryStore> {
    const store = memoryStore();
    for (const number of [1, 2, 3]) await publishSample(store, { at: day(number), height: number });
    return store;
  }

  test.each([
    ["is missing", (store: MemoryStore) => store.objects.delete(catalogKey)],
    [
      "is damaged",
      (store: MemoryStore) => void store.put(catalogKey, Buffer.from('{"version":1,"snap'), { signal }),
    ],
    [
      "is of another shape",
      (store: MemoryStore) => void store.put(catalogKey, Buffer.from("[]"), { signal }),
    ],
  ])("that %s is made again from the manifests", async (_, damage) => {
    const store = await three();
    const before = await listSnapshots(store, signal);
    damage(store);
    expect(await listSnapshots(store, signal)).toEqual(before);
    await publishSample(store, { at: day(4), height: 4 });
    const stored = JSON.parse(await text(store, catalogKey)) as { snapshots: { stacksHeight: number }[] };
    expect(stored.snapshots.map(({ stacksHeight }) => stacksHeight)).toEqual([4, 3, 2, 1]);
  });

  test("that disagrees with the manifests is put right, and what cannot be believed is named", async () => {
    const store = await three();
    const [third, second, first] = await idsOf(store);
    await store.delete(manifestKey(second!), signal);
    await store.put(manifestKey(third!), Buffer.from("{}"), { signal });
    const { entries, refused, repaired } = await reconcile(store, hasty, signal);
    expect(entries.map(({ id }) => id)).toContain(first);
    expect(entries.map(({ id }) => id)).not.toContain(second);
    expect(refused.map(({ id }) => id)).toEqual([third]);
    expect(new Set(repaired)).toEqual(new Set([second, third]));
    expect((await resolveSnapshot(store, { kind: "latest" }, signal)).id).toBe(first);
  });

  test("that tells something else of a snapshot than its manifest does is put right", async () => {
    const store = await three();
    const catalog = (await text(store, catalogKey)).replaceAll('"stacksHeight": 2', '"stacksHeight": 999');
    await store.put(catalogKey, Buffer.from(catalog), { signal });
    expect((await reconcile(store, hasty, signal)).repaired).toHaveLength(1);
    expect((await listSnapshots(store, signal)).map(({ stacksHeight }) => stacksHeight)).toEqual([3, 2, 1]);
    expect((await reconcile(store, hasty, signal)).repaired).toEqual([]);
  });

  test("of a newer version is not touched", async () => {
    const store = await three();
    await store.put(catalogKey, Buffer.from('{"version":2}'), { signal });
    await expect(publishSample(store, { at: day(4) })).rejects.toMatchObject({ code: "CATALOG_NEWER" });
    expect(await text(store, catalogKey)).toBe('{"version":2}');
  });

  test("keeps fields that a later version has added", async () => {
    const store = await three();
    const catalog = JSON.parse(await text(store, catalogKey)) as { snapshots: Record<string, unknown>[] };
    catalog.snapshots[0]!["colour"] = "blue";
    await store.put(catalogKey, Buffer.from(JSON.stringify(catalog)), { signal });
    await publishSample(store, { at: day(4) });
    expect(await text(store, catalogKey)).toContain('"colour": "blue"');
  });
});
