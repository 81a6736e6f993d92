/** `delete` and `unpin`: what a person asks of one snapshot, done by the same removal as retention's. */
import { describe, expect, test } from "vitest";
import { latestKey, manifestKey, tombstoneKey, unpinnedKey } from "../../src/catalog/ids.ts";
import type { Manifest, VolumeRecord } from "../../src/domain/manifest.ts";
import { prune, type Pruned, type PruneOptions } from "../../src/catalog/prune.ts";
import { publish, reconcile } from "../../src/catalog/publish.ts";
import { tryAnnounceRestore } from "../../src/catalog/readers.ts";
import {
  listSnapshots,
  loadManifest,
  readLatest,
  rebuildEntries,
  resolveSnapshot,
} from "../../src/catalog/read.ts";
import { withMembers } from "../../src/system/with-members.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { Crashed, memoryStore, mortalStore, type MemoryStore } from "./memory-store.ts";
import { putObjects, sampleManifest, type Sample } from "./samples.ts";

const signal = new AbortController().signal;
const start = Date.UTC(2026, 10, 1, 2);
const dayMs = 86_400_000;
const clock = { now: () => start + 30 * dayMs, sleep: async () => await Promise.resolve() };
const announcing = { clock, signal, report: { warning: () => undefined, notice: () => undefined } };

/** One snapshot a night, oldest first. */
async function publishEach(samples: readonly Partial<Sample>[]) {
  const store = memoryStore({ now: clock.now });
  const manifests: Manifest[] = [];
  for (const [night, sample] of samples.entries()) {
    const manifest = sampleManifest({ at: new Date(start + night * dayMs), height: 100 + night, ...sample });
    await putObjects(store, manifest, signal);
    manifests.push(await publish(store, manifest, signal, clock));
  }
  return { store, ids: manifests.map(({ id }) => id) as [string, string, string], manifests };
}

async function run(store: MemoryStore, options: Partial<PruneOptions>): Promise<Pruned> {
  return await prune(store, { retention: {}, dryRun: false, signal, clock, ...options });
}

const idsOf = async (store: MemoryStore): Promise<string[]> =>
  (await listSnapshots(store, signal)).map(({ id }) => id);

const latestOf = async (store: MemoryStore): Promise<string | undefined> =>
  readLatest((await store.get(latestKey, { signal, atMostBytes: 9999 })).bytes);

describe("delete", () => {
  test("removes that snapshot whole and no other", async () => {
    const { store, ids } = await publishEach([{}, {}, {}]);
    const { removed, decisions } = await run(store, { delete: [ids[1]] });
    expect(removed).toEqual([ids[1]]);
    expect(decisions.map(({ id, keep }) => [id, keep])).toEqual([
      [ids[2], true],
      [ids[1], false],
      [ids[0], true],
    ]);
    expect(decisions[1]?.reasons).toEqual(["named by `delete`"]);
    expect(await idsOf(store)).toEqual([ids[2], ids[0]]);
    expect([...store.objects.keys()].filter((key) => key.includes(ids[1]))).toEqual([]);
    expect(await latestOf(store)).toBe(ids[2]);
  });

  test("moves `latest` to the next newest, and takes it away with the last", async () => {
    const { store, ids } = await publishEach([{}, {}]);
    await run(store, { delete: [ids[1]] });
    expect(await latestOf(store)).toBe(ids[0]);
    expect((await resolveSnapshot(store, { kind: "latest" }, signal, clock)).id).toBe(ids[0]);
    await run(store, { delete: [ids[0]] });
    expect([...store.objects.keys()].filter((key) => !/^(catalog|index)/.test(key))).toEqual([]);
    await expect(resolveSnapshot(store, { kind: "latest" }, signal, clock)).rejects.toMatchObject({
      code: "SNAPSHOT_NOT_FOUND",
    });
  });

  test("counts what it names as gone before retention looks: the next newest stays instead", async () => {
    const { store, ids } = await publishEach([{}, {}, {}]);
    const { removed } = await run(store, { delete: [ids[2]], retention: { keepLast: 1 } });
    expect(removed).toEqual([ids[2], ids[0]]);
    expect(await idsOf(store)).toEqual([ids[1]]);
  });

  test("of several names removes all or, where one cannot go, none", async () => {
    const { store, ids } = await publishEach([{}, { pinned: true }, {}]);
    await expect(run(store, { delete: [ids[0], ids[1]] })).rejects.toMatchObject({ code: "SNAPSHOT_PINNED" });
    expect(await idsOf(store)).toEqual(ids.toReversed());
    expect((await run(store, { delete: [ids[0], ids[2]] })).removed).toEqual([ids[2], ids[0]]);
  });

  test("leaves alone what is pinned, until `unpin` names it too", async () => {
    const { store, ids } = await publishEach([{ pinned: true }, {}]);
    await expect(run(store, { delete: [ids[0]] })).rejects.toMatchObject({
      code: "SNAPSHOT_PINNED",
      hint: expect.stringContaining("unpin") as string,
    });
    expect(await idsOf(store)).toEqual([ids[1], ids[0]]);
    expect((await run(store, { delete: [ids[0]], unpin: [ids[0]] })).removed).toEqual([ids[0]]);
  });

  test("leaves alone what a restore reads, also one that begins at the last moment", async () => {
    const { store, ids } = await publishEach([{}, {}]);
    const announcement = await tryAnnounceRestore(store, ids[1], "r", announcing);
    await expect(run(store, { delete: [ids[1]] })).rejects.toMatchObject({ code: "SNAPSHOT_IN_USE" });
    await announcement?.withdraw();
    const late = withMembers<ObjectStore>(store, {
      async put(key, ...rest) {
        if (key === tombstoneKey(ids[1])) await tryAnnounceRestore(store, ids[1], "r", announcing);
        return await store.put(key, ...rest);
      },
    });
    const { removed, refused } = await prune(late, {
      retention: {},
      dryRun: false,
      signal,
      clock,
      delete: [ids[1]],
    });
    expect(removed).toEqual([]);
    expect(refused).toMatchObject([{ id: ids[1], error: { code: "SNAPSHOT_IN_USE" } }]);
    expect(await idsOf(store)).toEqual([ids[1], ids[0]]);
    expect(await latestOf(store)).toBe(ids[1]);
  });

  test("leaves alone what another snapshot cannot be restored without", async () => {
    const volume = { driver: "xfs", source: "/s", snapshot: "d", createdAt: new Date(start).toISOString() };
    const first = sampleManifest({ at: new Date(start), height: 100 }).id;
    const volumes = [{ ...volume, requires: [first] }];
    const { store, ids } = await publishEach([{ volumes: [volume] }, { volumes }]);
    const remover = { reasonNotRemovable: () => undefined, remove: async () => await Promise.resolve() };
    await expect(run(store, { delete: [ids[0]], volumes: remover })).rejects.toMatchObject({
      code: "SNAPSHOT_NEEDED",
      message: expect.stringContaining(ids[1]) as string,
    });
    expect((await run(store, { delete: [ids[0], ids[1]], volumes: remover })).removed).toEqual([
      ids[1],
      ids[0],
    ]);
  });

  test("removes its volumes, and says where it would have to run to do so", async () => {
    const at = new Date(start).toISOString();
    const volumes = [{ driver: "zfs", source: "t/s", snapshot: "t/s@1", createdAt: at }];
    const { store, ids } = await publishEach([{ volumes }, {}]);
    const gone: VolumeRecord[] = [];
    const remove = async (volume: VolumeRecord): Promise<void> =>
      await Promise.resolve(void gone.push(volume));
    const elsewhere = { reasonNotRemovable: () => "its zfs snapshot is on host-a: prune there", remove };
    await expect(run(store, { delete: [ids[0]], volumes: elsewhere })).rejects.toMatchObject({
      code: "VOLUME_ELSEWHERE",
      message: expect.stringContaining("host-a") as string,
    });
    expect(gone).toEqual([]);
    await run(store, { delete: [ids[0]], volumes: { reasonNotRemovable: () => undefined, remove } });
    expect(gone.map(({ snapshot }) => snapshot)).toEqual(["t/s@1"]);
  });

  test("of a name that there is not says which there are, and the one that was probably meant", async () => {
    const { store, ids } = await publishEach([{}, {}, {}]);
    const wrong = `${ids[1].slice(0, -2)}1Z`;
    await expect(run(store, { delete: [wrong] })).rejects.toMatchObject({
      code: "SNAPSHOT_NOT_FOUND",
      message: expect.stringMatching(
        new RegExp(`no snapshot ${wrong} .*Did you mean ${ids[1]}\\?`),
      ) as string,
    });
    await expect(run(store, { unpin: ["testnet-1-20200101T000000Z"] })).rejects.toMatchObject({
      code: "SNAPSHOT_NOT_FOUND",
      hint: expect.stringContaining(ids.toReversed().join(", ")) as string,
    });
    expect(await idsOf(store)).toEqual(ids.toReversed());
  });

  test("of a snapshot whose manifest cannot be believed says so", async () => {
    const { store, ids } = await publishEach([{}, {}]);
    await store.put(manifestKey(ids[0]), Buffer.from("{"), { signal });
    await expect(run(store, { delete: [ids[0]] })).rejects.toMatchObject({ code: "MANIFEST_INVALID" });
  });

  test("as a dry run refuses and decides the same, and changes nothing", async () => {
    const { store, ids } = await publishEach([{ pinned: true }, {}]);
    const before = [...store.objects].map(([key, { info }]) => [key, info.etag]);
    await expect(run(store, { delete: [ids[0]], dryRun: true })).rejects.toMatchObject({
      code: "SNAPSHOT_PINNED",
    });
    const dry = await run(store, { delete: [ids[0]], unpin: [ids[0]], dryRun: true });
    expect(dry.decisions.filter(({ keep }) => !keep).map(({ id }) => id)).toEqual([ids[0]]);
    expect(dry.removed).toEqual([]);
    expect([...store.objects].map(([key, { info }]) => [key, info.etag])).toEqual(before);
  });

  test("that dies between any two changes lists only what is whole, and is finished by the next prune", async () => {
    let removed: boolean | undefined;
    for (let deaths = 0, done = false; !done; deaths += 1) {
      const { store, ids } = await publishEach([{}, { pinned: true }]);
      const names = { delete: [ids[1]], unpin: [ids[1]] };
      try {
        await prune(mortalStore(store, deaths), { retention: {}, dryRun: false, signal, clock, ...names });
        done = true;
      } catch (error) {
        if (!(error instanceof Crashed)) throw error;
      }
      for (const id of await idsOf(store)) await loadManifest(store, id, signal);
      // Whoever looks at the whole next, a snapshot's publishing or a prune, gets `latest` off what is being removed.
      await reconcile(store, clock, signal);
      const named = await latestOf(store);
      expect(await store.head(tombstoneKey(named ?? ""), signal), `after ${deaths} changes`).toBeUndefined();
      await run(store, {});
      const left = await idsOf(store);
      expect(left.at(-1)).toBe(ids[0]);
      expect(await latestOf(store)).toBe(left[0]);
      expect([...store.objects.keys()].some((key) => key.includes(ids[1]))).toBe(left.length === 2);
      if (done) removed = left.length === 1;
      expect(deaths).toBeLessThan(50);
    }
    expect(removed).toBe(true);
  });
});

describe("unpin", () => {
  test("lets retention have it, and leaves its manifest as it was signed", async () => {
    const { store, ids, manifests } = await publishEach([{ pinned: true }, {}, {}]);
    const bytes = store.objects.get(manifestKey(ids[0]))?.bytes;
    await run(store, { unpin: [ids[0]] });
    expect(await idsOf(store)).toEqual(ids.toReversed());
    expect((await listSnapshots(store, signal)).find(({ id }) => id === ids[0])?.pinned).toBe(false);
    expect(store.objects.get(manifestKey(ids[0]))?.bytes).toEqual(bytes);
    expect(await loadManifest(store, ids[0], signal)).toEqual(manifests[0]);
    // What the catalogue is made from again, and what another host's publishing makes of it, say the same.
    expect((await rebuildEntries(store, signal)).entries.at(-1)?.pinned).toBe(false);
    expect((await reconcile(store, clock, signal, true)).repaired).toEqual([]);
    expect((await run(store, { retention: { keepLast: 1 } })).removed).toEqual([ids[1], ids[0]]);
  });

  test("goes before retention's decision of the same run, also in a dry run", async () => {
    const { store, ids } = await publishEach([{ pinned: true }, {}]);
    const options = { unpin: [ids[0]], retention: { keepLast: 1 } };
    expect((await run(store, { ...options, dryRun: true })).decisions.at(-1)?.keep).toBe(false);
    expect(store.objects.has(unpinnedKey(ids[0]))).toBe(false);
    expect((await run(store, options)).removed).toEqual([ids[0]]);
  });

  test("of what is not pinned does nothing", async () => {
    const { store, ids } = await publishEach([{}, {}]);
    expect((await run(store, { unpin: [ids[0]] })).unpinned).toEqual([]);
    expect(store.objects.has(unpinnedKey(ids[0]))).toBe(false);
  });
});
