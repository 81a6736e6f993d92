/** Nights whose clocks are wrong: what is newest, what is removed, and what is said of it. */
import { describe, expect, test } from "vitest";
import { describeAfterNow } from "../../src/catalog/catalog.ts";
import { snapshotFolder } from "../../src/catalog/ids.ts";
import { prune } from "../../src/catalog/prune.ts";
import { claimSnapshotId, publish, reconcile } from "../../src/catalog/publish.ts";
import { listSnapshots, resolveSnapshot } from "../../src/catalog/read.ts";
import { importedBy, type Manifest } from "../../src/domain/manifest.ts";
import type { Retention } from "../../src/domain/options.ts";
import type { Clock } from "../../src/system/clock.ts";
import { memoryStore, type MemoryStore } from "./memory-store.ts";
import { putObjects, sampleManifest } from "./samples.ts";

const signal = new AbortController().signal;
const dayMs = 86_400_000;
const start = Date.UTC(2026, 10, 1, 2);

class Calendar implements Clock {
  time = start;
  skewMs = 0;
  now = (): number => this.time + this.skewMs;
  sleep = async (): Promise<void> => await Promise.resolve();
}

interface Storage {
  readonly calendar: Calendar;
  readonly store: MemoryStore;
}

function storage(): Storage {
  const calendar = new Calendar();
  // The store's clock is right whatever the host's says.
  return { calendar, store: memoryStore({ now: () => calendar.time }) };
}

async function take(
  { calendar, store }: Storage,
  height: number,
  more: Partial<Manifest["cut"]> = {},
): Promise<Manifest> {
  const cut = new Date(calendar.now());
  const { id, at } = await claimSnapshotId(
    store,
    { network: "mainnet", stacksHeight: height },
    cut,
    "r",
    signal,
  );
  const manifest = sampleManifest({ at, height });
  expect(manifest.id).toBe(id);
  await putObjects(store, manifest, signal);
  return await publish(store, { ...manifest, cut: { ...manifest.cut, ...more } }, signal, calendar);
}

async function keepTo({ calendar, store }: Storage, retention: Retention, published: string) {
  return await prune(store, { retention, dryRun: false, signal, clock: calendar, published });
}

const latestOf = async ({ store, calendar }: Storage): Promise<string> =>
  (await resolveSnapshot(store, { kind: "latest" }, signal, calendar)).id;

describe("a year of nights with one wrong clock", () => {
  const skews = [
    -dayMs,
    -dayMs + 60_000,
    -3_600_000,
    -60_000,
    60_000,
    3_600_000,
    2 * dayMs,
    366 * dayMs,
    4 * 366 * dayMs,
  ];
  const rules: readonly Retention[] = [{ keepLast: 1 }, { keepLast: 3, keepDaily: 7, keepMonthly: 12 }];

  test.each(skews.flatMap((skewMs) => rules.map((retention) => ({ skewMs, retention }))))(
    "by $skewMs ms never costs what was just published, and latest is the newest cut ($retention)",
    async ({ skewMs, retention }) => {
      const at = storage();
      for (let night = 0; night < 365; night += 1) {
        at.calendar.time = start + night * dayMs;
        at.calendar.skewMs = night === 20 ? skewMs : 0;
        const { id } = await take(at, 1000 + night);
        const { removed, notices } = await keepTo(at, retention, id);
        expect(removed).not.toContain(id);
        // Dated after what the store's clock says, it does not count as the newest before the next one stands.
        const isAhead = night === 20 && skewMs > 5 * 60_000;
        expect(isAhead || (await latestOf(at)) === id).toBe(true);
        const present = await listSnapshots(at.store, signal);
        expect(present[0]?.id).toBe(id);
        const most = retention.keepLast !== 1 ? 25 : night > 21 || night < 20 ? 1 : 2;
        expect(present.length).toBeLessThanOrEqual(most);
        expect(notices.join().includes("clock of this host is ahead")).toBe(isAhead);
      }
    },
  );

  test("and what others are at is not taken for left behind", async () => {
    const at = storage();
    const { id } = await take(at, 1);
    const unfinished = `${snapshotFolder("mainnet-2-20261101T020000Z")}/index.json.zst`;
    await at.store.put(unfinished, Buffer.from("x"), { signal });
    await at.store.openUpload(`${snapshotFolder("mainnet-2-20261101T020000Z")}/a.tar.zst`, { signal });
    at.calendar.skewMs = 400 * dayMs;
    expect((await keepTo(at, { keepLast: 1 }, id)).leftovers).toEqual([]);
    at.calendar.skewMs = 0;
    at.calendar.time += 2 * dayMs;
    expect((await keepTo(at, { keepLast: 1 }, id)).leftovers.length).toBe(2);
  });
});

describe("a snapshot dated after now", () => {
  test("without a sequence is warned of, stays, and does not count as the newest", async () => {
    const at = storage();
    const publishOld = async (night: number): Promise<string> => {
      const manifest = sampleManifest({ at: new Date(start + night * dayMs), height: 100 });
      await putObjects(at.store, manifest, signal);
      return (await publish(at.store, manifest, signal, at.calendar)).id;
    };
    const ahead = await publishOld(700);
    const today = await publishOld(0);
    expect(await latestOf(at)).toBe(today);
    await reconcile(at.store, at.calendar, signal);
    expect(await latestOf(at)).toBe(today);
    at.calendar.time += dayMs;
    const next = await publishOld(1);
    expect(await latestOf(at)).toBe(next);
    const { removed, decisions, notices } = await prune(at.store, {
      retention: { keepLast: 1 },
      dryRun: false,
      signal,
      clock: at.calendar,
    });
    expect(removed).toEqual([today]);
    expect(decisions.find(({ id }) => id === ahead)).toMatchObject({
      keep: true,
      reasons: ["dated after now"],
    });
    expect(notices).toEqual([expect.stringContaining(ahead)]);
    expect(describeAfterNow(await listSnapshots(at.store, signal), at.calendar.now())).toContain(ahead);
  });
});

describe("an import", () => {
  test("never becomes latest beside a snapshot of one's own", async () => {
    const at = storage();
    const own = await take(at, 306);
    at.calendar.time += dayMs;
    const imported = await take(at, 57, { freezer: importedBy });
    expect(await latestOf(at)).toBe(own.id);
    await reconcile(at.store, at.calendar, signal);
    expect(await latestOf(at)).toBe(own.id);
    at.store.objects.delete("latest.json");
    expect(await latestOf(at)).toBe(own.id);
    const { removed } = await keepTo(at, { keepLast: 1 }, imported.id);
    expect(removed).toEqual([]);
    expect((await listSnapshots(at.store, signal)).length).toBe(2);
  });

  test("is latest where there is nothing else, and gives way to the first own one, however low", async () => {
    const at = storage();
    const imported = await take(at, 306, { freezer: importedBy });
    expect(await latestOf(at)).toBe(imported.id);
    at.calendar.time += 60_000;
    const own = await take(at, 57);
    expect(await latestOf(at)).toBe(own.id);
  });
});

describe("cuts of two hosts", () => {
  test("latest is the newest cut, whichever was published last", async () => {
    const at = storage();
    await take(at, 1);
    at.calendar.time += 3_600_000;
    const early = new Date(at.calendar.now());
    const slow = await claimSnapshotId(at.store, { network: "mainnet", stacksHeight: 2 }, early, "a", signal);
    at.calendar.time += 3_600_000;
    const fast = await take(at, 3);
    at.calendar.time += 3_600_000;
    const manifest = sampleManifest({ at: slow.at, height: 2 });
    await putObjects(at.store, manifest, signal);
    const late = { ...manifest, createdAt: new Date(at.calendar.now()).toISOString() };
    await publish(at.store, late, signal, at.calendar);
    expect(await latestOf(at)).toBe(fast.id);
    await reconcile(at.store, at.calendar, signal);
    expect(await latestOf(at)).toBe(fast.id);
    expect((await listSnapshots(at.store, signal)).map(({ stacksHeight }) => stacksHeight)).toEqual([
      3, 2, 1,
    ]);
  });
});

describe("small objects that are not small", () => {
  test("are not read into memory", async () => {
    const at = storage();
    const { id } = await take(at, 1);
    const large = Buffer.alloc(17 * 1024 * 1024, " ");
    await at.store.put("latest.json", large, { signal });
    expect(await latestOf(at)).toBe(id);
    await at.store.put(`${snapshotFolder(id)}/manifest.json`, large, { signal });
    await expect(resolveSnapshot(at.store, { kind: "id", id }, signal)).rejects.toMatchObject({
      code: "MANIFEST_INVALID",
    });
  });
});
