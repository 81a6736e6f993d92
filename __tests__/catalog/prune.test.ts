import { describe, expect, test } from "vitest";
import {
  catalogKey,
  claimKey,
  manifestKey,
  readersPrefix,
  snapshotFolder,
  tombstoneKey,
} from "../../src/catalog/ids.ts";
import type { Manifest, VolumeRecord } from "../../src/domain/manifest.ts";
import { prune } from "../../src/catalog/prune.ts";
import { publish } from "../../src/catalog/publish.ts";
import { tryAnnounceRestore } from "../../src/catalog/readers.ts";
import { listSnapshots, loadManifest, resolveSnapshot } from "../../src/catalog/read.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { StoreError } from "../../src/store/errors.ts";
import type { Clock } from "../../src/system/clock.ts";
import { faultyStore } from "../store/faulty.ts";
import { Crashed, memoryStore, mortalStore, type MemoryStore } from "./memory-store.ts";
import { putObjects, sampleManifest } from "./samples.ts";

const signal = new AbortController().signal;
const dayMs = 86_400_000;
const start = Date.UTC(2026, 10, 1, 2);

class Calendar implements Clock {
  time = start;
  now = (): number => this.time;
  sleep = async (): Promise<void> => await Promise.resolve();
}

async function nights(count: number, more: Partial<Parameters<typeof sampleManifest>[0]> = {}) {
  const calendar = new Calendar();
  const store = memoryStore({ now: calendar.now });
  const manifests: Manifest[] = [];
  for (let night = 0; night < count; night += 1) {
    calendar.time = start + night * dayMs;
    const manifest = sampleManifest({ at: new Date(calendar.time), height: 100 + night, ...more });
    await putObjects(store, manifest, signal);
    manifests.push(await publish(store, manifest, signal, calendar));
  }
  return { store, calendar, ids: manifests.map(({ id }) => id) };
}

/** Everything the catalogue shows restores: its manifest is believed, archive and index stand. */
async function allListedIsWhole(store: ObjectStore): Promise<void> {
  for (const { id } of await listSnapshots(store, signal)) {
    const { archive } = await loadManifest(store, id, signal);
    for (const key of archive === undefined ? [] : [archive.key, archive.index.key]) {
      expect(await store.head(key, signal), `${key} of a listed snapshot`).toBeDefined();
    }
  }
  await resolveSnapshot(store, { kind: "latest" }, signal);
}

describe("pruning", () => {
  test("removes what the rules let go, from the catalogue and from the store", async () => {
    const { store, calendar, ids } = await nights(5);
    const { removed, decisions } = await prune(store, {
      retention: { keepLast: 2 },
      dryRun: false,
      signal,
      clock: calendar,
    });
    expect(removed.toSorted()).toEqual(ids.slice(0, 3).toSorted());
    expect(decisions.map(({ keep }) => keep)).toEqual([true, true, false, false, false]);
    expect((await listSnapshots(store, signal)).map(({ id }) => id)).toEqual([ids[4], ids[3]]);
    const folders = new Set([...store.objects.keys()].map((key) => key.split("/")[1]).filter(Boolean));
    expect(folders).toEqual(new Set(ids.slice(3)));
  });

  test("as a dry run says all that and changes nothing", async () => {
    const { store, calendar } = await nights(5);
    await store.put("snapshots/mainnet-1-old/index.json.zst", Buffer.from("x"), { signal });
    await store.delete(catalogKey, signal);
    calendar.time += 3 * dayMs;
    const before = [...store.objects].map(([key, { info }]) => [key, info.etag]);
    const { decisions, removed, leftovers } = await prune(mortalStore(store, 0), {
      retention: { keepLast: 2 },
      dryRun: true,
      signal,
      clock: calendar,
    });
    expect([...store.objects].map(([key, { info }]) => [key, info.etag])).toEqual(before);
    expect(decisions.filter(({ keep }) => !keep)).toHaveLength(3);
    expect(removed).toEqual([]);
    expect(leftovers).toEqual(["snapshots/mainnet-1-old/"]);
  });

  test("that dies between any two changes leaves only whole snapshots listed, and is finished by the next", async () => {
    const clean = await nights(5);
    const options = { retention: { keepLast: 2 }, dryRun: false, signal };
    await prune(clean.store, { ...options, clock: clean.calendar });
    const wanted = [...clean.store.objects.keys()].toSorted();
    let finished = false;
    let crashes = 0;
    for (let left = 0; !finished; left += 1) {
      const { store, calendar } = await nights(5);
      try {
        await prune(mortalStore(store, left), { ...options, clock: calendar });
        finished = true;
      } catch (error) {
        if (!(error instanceof Crashed)) throw error;
        crashes += 1;
      }
      await allListedIsWhole(store);
      await prune(store, { ...options, clock: calendar });
      await allListedIsWhole(store);
      expect([...store.objects.keys()].toSorted()).toEqual(wanted);
    }
    expect(crashes).toBeGreaterThan(15);
  });

  test("by two hosts at once, beside one that publishes, leaves only whole snapshots listed", async () => {
    for (const conditionalWrites of [true, false]) {
      const calendar = new Calendar();
      const store = memoryStore({ now: calendar.now, conditionalWrites });
      for (let night = 0; night < 6; night += 1) {
        const manifest = sampleManifest({ at: new Date(start + night * dayMs), height: night });
        await putObjects(store, manifest, signal);
        await publish(store, manifest, signal, calendar);
      }
      calendar.time = start + 9 * dayMs;
      const fresh = sampleManifest({ at: new Date(start + 9 * dayMs), height: 9 });
      await putObjects(store, fresh, signal);
      const options = { retention: { keepLast: 2 }, dryRun: false, signal, clock: calendar };
      const outcomes = await Promise.allSettled([
        prune(store.again(), options),
        prune(store.again(), options),
        publish(store.again(), fresh, signal, calendar),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
      await prune(store, options);
      await allListedIsWhole(store);
      expect((await listSnapshots(store, signal)).map(({ stacksHeight }) => stacksHeight)).toEqual([9, 5]);
    }
  });
});

describe("what dead runs left", () => {
  test("goes when it is older than a day, and not a minute earlier", async () => {
    const { store, calendar, ids } = await nights(1);
    const folder = snapshotFolder("mainnet-9-dead");
    await store.put(`${folder}/index.json.zst`, Buffer.from("x"), { signal });
    await store.put(claimKey("mainnet-9-dead"), Buffer.from("{}"), { signal });
    await store.openUpload(`${folder}/a.tar.zst`, { signal });
    const options = { retention: {}, dryRun: false, signal, clock: calendar };
    calendar.time += dayMs - 60_000;
    expect((await prune(store, options)).leftovers).toEqual([]);
    calendar.time += 120_000;
    expect((await prune(store, options)).leftovers).toEqual([`${folder}/`, `${folder}/a.tar.zst`]);
    expect([...store.objects.keys()].filter((key) => key.startsWith(folder))).toEqual([]);
    expect((await prune(store, options)).leftovers).toEqual([]);
    expect((await listSnapshots(store, signal)).map(({ id }) => id)).toEqual(ids);
  });

  test("stays while any part of it is young", async () => {
    const { store, calendar } = await nights(1);
    await store.put("snapshots/mainnet-9-slow/claim.json", Buffer.from("{}"), { signal });
    calendar.time += 2 * dayMs;
    await store.put("snapshots/mainnet-9-slow/index.json.zst", Buffer.from("x"), { signal });
    const { leftovers } = await prune(store, { retention: {}, dryRun: false, signal, clock: calendar });
    expect(leftovers).toEqual([]);
  });

  test("is left alone where it is a manifest that cannot be believed", async () => {
    const { store, calendar, ids } = await nights(3);
    await store.put(manifestKey(ids[0]!), Buffer.from("{"), { signal });
    calendar.time += 9 * dayMs;
    const { refused, removed } = await prune(store, {
      retention: { keepLast: 1 },
      dryRun: false,
      signal,
      clock: calendar,
    });
    expect(refused.map(({ id }) => id)).toEqual([ids[0]]);
    expect(removed).toEqual([ids[1]]);
    expect(store.objects.has(manifestKey(ids[0]!))).toBe(true);
  });
});

describe("a restore that announced itself", () => {
  const said: string[] = [];
  const report = {
    warning: (text: string) => void said.push(text),
    notice: (text: string) => void said.push(text),
  };
  const announcing = (clock: Clock) => ({ clock, signal, report });
  const run = async (store: MemoryStore, calendar: Calendar): Promise<readonly string[]> =>
    (await prune(store, { retention: { keepLast: 1 }, dryRun: false, signal, clock: calendar })).removed;

  test("keeps its snapshot until it withdraws, or until it must be dead", async () => {
    const { store, calendar, ids } = await nights(3);
    const one = await tryAnnounceRestore(store, ids[0]!, "run 1", announcing(calendar));
    await tryAnnounceRestore(store, ids[1]!, "run 2", announcing(calendar));
    expect(await run(store, calendar)).toEqual([]);
    await one?.withdraw();
    expect(await run(store, calendar)).toEqual([ids[0]]);
    calendar.time += 2 * dayMs;
    expect(await run(store, calendar)).toEqual([ids[1]]);
  });

  test("too late is told so, and leaves nothing behind", async () => {
    const { store, calendar, ids } = await nights(2);
    await store.put(tombstoneKey(ids[0]!), Buffer.from('{"volumes":[]}'), { signal });
    await expect(tryAnnounceRestore(store, ids[0]!, "r", announcing(calendar))).rejects.toMatchObject({
      code: "SNAPSHOT_GONE",
    });
    expect([...store.objects.keys()].filter((key) => key.startsWith(readersPrefix(ids[0]!)))).toEqual([]);
  });

  test.each(["STORE_FULL", "STORE_READ_ONLY", "STORE_STALLED", "STORE_FAILED"] as const)(
    "is read all the same where the announcement cannot be written (%s)",
    async (code) => {
      const { store, calendar, ids } = await nights(1);
      said.length = 0;
      const error = new StoreError(code, "It is full.");
      const faulty = faultyStore(store, { failAt: 1, error, methods: ["put"] });
      expect(await tryAnnounceRestore(faulty, ids[0]!, "r", announcing(calendar))).toBeUndefined();
      expect(said.length).toBe(code === "STORE_READ_ONLY" ? 0 : 1);
    },
  );

  test("is done all the same where the announcement cannot be taken back", async () => {
    const { store, calendar, ids } = await nights(1);
    said.length = 0;
    const error = new StoreError("STORE_DENIED", "No right to delete.");
    const faulty = faultyStore(store, { failAt: 1, error, methods: ["delete"] });
    const announcement = await tryAnnounceRestore(faulty, ids[0]!, "r", announcing(calendar));
    await announcement?.withdraw();
    expect(said).toEqual([expect.stringMatching(/take back the announcement .*No right to delete/)]);
  });

  test("races with a removal: whichever wins, no restore reads what is being removed", async () => {
    for (let round = 0; round < 30; round += 1) {
      const { store, calendar, ids } = await nights(2);
      const [removed, announced] = await Promise.all([
        run(store, calendar),
        (async () => {
          for (let turns = 0; turns < round; turns += 1) await store.head("x", signal);
          return await tryAnnounceRestore(store, ids[0]!, "r", announcing(calendar)).then(
            () => true,
            () => false,
          );
        })(),
      ]);
      expect(announced && removed.includes(ids[0]!)).toBe(false);
    }
  });
});

describe("snapshots of volumes", () => {
  const volumes = [
    { driver: "zfs", source: "tank/s", snapshot: "tank/s@1", createdAt: new Date(start).toISOString() },
  ];

  test("stay where nobody can remove them, and go with the rest where somebody can", async () => {
    const { store, calendar, ids } = await nights(3, { volumes });
    const options = { retention: { keepLast: 1 }, dryRun: false, signal, clock: calendar };
    expect((await prune(store, options)).removed).toEqual([]);
    const gone: VolumeRecord[] = [];
    const removeVolume = async (volume: VolumeRecord): Promise<void> => {
      await Promise.resolve(gone.push(volume));
    };
    const there = { reasonNotRemovable: () => "it is on another host", remove: removeVolume };
    const elsewhere = await prune(store, { ...options, volumes: there });
    expect(elsewhere.removed).toEqual([]);
    expect(elsewhere.decisions.at(-1)).toMatchObject({ keep: true, reasons: ["it is on another host"] });
    const here = { reasonNotRemovable: () => undefined, remove: removeVolume };
    expect((await prune(store, { ...options, volumes: here })).removed.toSorted()).toEqual(ids.slice(0, 2));
    expect(gone.map(({ snapshot }) => snapshot)).toEqual(["tank/s@1", "tank/s@1"]);
  });

  test("are not forgotten when the driver fails: the next prune tries again", async () => {
    const { store, calendar, ids } = await nights(2, { volumes });
    const options = { retention: { keepLast: 1 }, dryRun: false, signal, clock: calendar };
    const failing = async (): Promise<void> => await Promise.reject(new Error("busy"));
    const volumesOf = (remove: (volume: VolumeRecord) => Promise<void>) => ({
      reasonNotRemovable: () => undefined,
      remove,
    });
    const first = await prune(store, { ...options, volumes: volumesOf(failing) });
    expect(first.removed).toEqual([]);
    expect(first.refused).toMatchObject([{ id: ids[0], error: { code: "VOLUME_STAYS" } }]);
    expect(first.refused[0]?.error.message).toContain("busy");
    await allListedIsWhole(store);
    expect((await listSnapshots(store, signal)).map(({ id }) => id)).toEqual([ids[1]]);
    await prune(store, options);
    expect(store.objects.has(tombstoneKey(ids[0]!))).toBe(true);
    const gone: VolumeRecord[] = [];
    await prune(store, {
      ...options,
      volumes: volumesOf(async (volume) => void (await Promise.resolve(gone.push(volume)))),
    });
    expect(gone).toHaveLength(1);
    expect(store.objects.has(tombstoneKey(ids[0]!))).toBe(false);
  });
});
