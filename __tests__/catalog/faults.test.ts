/** The store fails at every call there is: nothing ends well with something missing, and the next run repairs the rest. */
import { expect, test } from "vitest";
import { claimSnapshotId, publish } from "../../src/catalog/publish.ts";
import { prune } from "../../src/catalog/prune.ts";
import { listSnapshots, loadManifest, resolveSnapshot } from "../../src/catalog/read.ts";
import type { Manifest } from "../../src/domain/manifest.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { failEachCall } from "../store/every-call.ts";
import { memoryStore, type MemoryStore } from "./memory-store.ts";
import { putObjects, sampleManifest } from "./samples.ts";

const signal = new AbortController().signal;
const start = Date.UTC(2026, 10, 1, 2);
const clock = { now: () => start + 10 * 86_400_000, sleep: async () => await Promise.resolve() };
const manifestOf = (night: number) =>
  sampleManifest({ at: new Date(start + night * 86_400_000), height: 100 + night });

async function nights(count: number): Promise<MemoryStore> {
  const store = memoryStore({ now: clock.now });
  for (let night = 0; night < count; night += 1) {
    await putObjects(store, manifestOf(night), signal);
    await publish(store, manifestOf(night), signal, clock);
  }
  return store;
}

async function claim(store: ObjectStore, { chain, createdAt }: Manifest): Promise<void> {
  await claimSnapshotId(store, chain, new Date(createdAt), "r", signal);
}

/** Returns the ids. */
async function requireWhole(store: ObjectStore, where: string): Promise<readonly string[]> {
  const ids = (await listSnapshots(store, signal)).map(({ id }) => id);
  for (const id of ids) {
    const { archive } = await loadManifest(store, id, signal);
    for (const key of archive === undefined ? [] : [archive.key, archive.index.key])
      expect(await store.head(key, signal), `${key}: ${where}`).toBeDefined();
  }
  const latest = await resolveSnapshot(store, { kind: "latest" }, signal, clock);
  expect(await store.head(latest.archive?.key ?? "", signal), where).toBeDefined();
  return ids;
}

test("publishing either has published or says that it has not", async () => {
  const next = manifestOf(5);
  const failed = await failEachCall(
    async () => {
      const store = await nights(2);
      await claim(store, next);
      await putObjects(store, next, signal);
      return store;
    },
    async (store) => await publish(store, next, signal, clock),
    async ({ store, where, outcome }) => {
      const ids = await requireWhole(store, where);
      const latest = await resolveSnapshot(store, { kind: "latest" }, signal, clock);
      const isDone = outcome.status === "fulfilled";
      expect(!isDone || (ids.includes(next.id) && latest.id === next.id), where).toBe(true);
      // A day later the next one is published, and with it what this one had not finished.
      const later = manifestOf(6);
      await claim(store, later);
      await putObjects(store, later, signal);
      await publish(store, later, signal, clock);
      const present = store.objects.has(`snapshots/${next.id}/manifest.json`);
      expect((await requireWhole(store, where)).includes(next.id), where).toBe(present);
      expect((await resolveSnapshot(store, { kind: "latest" }, signal, clock)).id, where).toBe(later.id);
    },
  );
  expect(failed).toBeGreaterThan(50);
});

test("pruning never loses what stays, and is finished by the next one", async () => {
  const options = { retention: { keepLast: 2 }, dryRun: false, signal, clock };
  const failed = await failEachCall(
    async () => await nights(5),
    async (store) => await prune(store, options),
    async ({ store, where, outcome }) => {
      const ids = await requireWhole(store, where);
      for (const night of [3, 4]) expect(ids, where).toContain(manifestOf(night).id);
      const removed = outcome.status === "fulfilled" ? outcome.value.removed : [];
      expect(
        ids.filter((id) => removed.includes(id)),
        where,
      ).toEqual([]);
      await prune(store, options);
      expect((await requireWhole(store, where)).length, where).toBe(2);
      const folders = new Set([...store.objects.keys()].map((key) => key.split("/")[1]).filter(Boolean));
      expect(folders.size, where).toBe(2);
    },
  );
  expect(failed).toBeGreaterThan(100);
});
