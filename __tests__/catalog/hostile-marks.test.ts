/**
 * Whoever may write to the storage can put marks beside manifests: that a snapshot is being removed, that it is not pinned any more. Without a
 * key no such mark makes a prune with `trusted-signers` remove a volume snapshot, or what is pinned; and in no case does a mark say
 * which volume snapshots there are.
 */
import { describe, expect, test } from "vitest";
import {
  manifestKey,
  signatureKey,
  signatureOf,
  snapshotFolder,
  tombstoneKey,
  unpinnedKey,
} from "../../src/catalog/ids.ts";
import { putMark } from "../../src/catalog/marks.ts";
import { prune, type Pruned, type PruneOptions } from "../../src/catalog/prune.ts";
import { publish } from "../../src/catalog/publish.ts";
import { listSnapshots, loadManifest } from "../../src/catalog/read.ts";
import { readAllowedSigners } from "../../src/catalog/signing/allowed-signers.ts";
import { checkSignatures } from "../../src/catalog/signing/checked-store.ts";
import { openSigner, type ManifestSigner } from "../../src/catalog/signing/signer.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { Crashed, memoryStore, mortalStore, type MemoryStore } from "./memory-store.ts";
import { putObjects, sampleManifest } from "./samples.ts";
import { makeKey } from "./signing/keys.ts";

const { signal } = new AbortController();
const start = Date.UTC(2026, 10, 1, 2);
const dayMs = 86_400_000;
const clock = { now: () => start + 30 * dayMs, sleep: async () => await Promise.resolve() };
const publisher = makeKey();
const stranger = makeKey();
const signers = readAllowedSigners(publisher.line, "here");
const open = async ({ text }: typeof publisher): Promise<ManifestSigner> =>
  await openSigner({ kind: "text", text }, { scratch: "/", signal });
const volume = (snapshot: string) => ({
  driver: "zfs",
  source: "tank/s",
  snapshot,
  createdAt: new Date(start).toISOString(),
});

/** Three nights, each with a volume snapshot; the first is pinned. All are signed. */
class Scene {
  readonly store: MemoryStore = memoryStore({ now: clock.now });
  readonly checked: ObjectStore = checkSignatures(this.store, signers, clock).store;
  readonly gone: string[] = [];
  readonly ids: [string, string, string];

  private constructor(ids: [string, string, string]) {
    this.ids = ids;
  }

  static async make(): Promise<Scene> {
    const manifests = [0, 1, 2].map((night) =>
      sampleManifest({
        at: new Date(start + night * dayMs),
        height: 100 + night,
        pinned: night === 0,
        volumes: [volume(`tank/s@${night}`)],
      }),
    );
    const scene = new Scene(manifests.map(({ id }) => id) as [string, string, string]);
    for (const manifest of manifests) {
      await putObjects(scene.store, manifest, signal);
      await publish(scene.store, manifest, signal, clock, { signer: await open(publisher) });
    }
    return scene;
  }

  async prune(given: Partial<PruneOptions> & { readonly store?: ObjectStore } = {}): Promise<Pruned> {
    const { store = this.checked, ...options } = given;
    const volumes = {
      reasonNotRemovable: () => undefined,
      remove: async ({ snapshot }: { readonly snapshot: string }) =>
        await Promise.resolve(void this.gone.push(snapshot)),
    };
    return await prune(store, {
      retention: { keepLast: 2 },
      dryRun: false,
      signal,
      clock,
      volumes,
      ...options,
    });
  }

  async put(key: string, content: string | Uint8Array): Promise<void> {
    await this.store.put(key, typeof content === "string" ? Buffer.from(content) : content, { signal });
  }

  bytesOf(key: string): Uint8Array {
    return this.store.objects.get(key)?.bytes ?? Buffer.alloc(0);
  }

  async copy(from: string, to: string): Promise<void> {
    await this.put(to, this.bytesOf(from));
    await this.put(signatureOf(to), this.bytesOf(signatureOf(from)));
  }

  /** Volume snapshots and keys of objects that are gone. */
  async lost(): Promise<readonly string[]> {
    const keys: string[] = [];
    for (const id of this.ids) {
      const { archive } = await loadManifest(this.checked, id, signal);
      keys.push(archive?.key ?? id, archive?.index.key ?? id, signatureKey(id));
    }
    return [...this.gone, ...keys.filter((key) => !this.store.objects.has(key))];
  }
}

type Forgery = (scene: Scene, id: string, keyOf: (id: string) => string) => Promise<void>;
const text = (id: string): string => JSON.stringify({ deleted: id, at: new Date(start).toISOString() });

const forgeries: Readonly<Record<string, Forgery>> = {
  "that names volume snapshots": async (scene, id, keyOf) =>
    await scene.put(keyOf(id), JSON.stringify({ host: "host-a", volumes: [volume("tank/other@1")] })),
  "that nobody signed": async ({ store }, id, keyOf) => {
    const mark = keyOf === tombstoneKey ? "deleted" : "unpinned";
    await putMark(store, mark, id, { clock, signal });
  },
  "that a stranger signed": async ({ store }, id, keyOf) => {
    const mark = keyOf === tombstoneKey ? "deleted" : "unpinned";
    await putMark(store, mark, id, { clock, signal, signer: await open(stranger) });
  },
  "that the publisher signed for another snapshot": async (scene, id, keyOf) => {
    const other = memoryStore();
    const mark = keyOf === tombstoneKey ? "deleted" : "unpinned";
    await putMark(other, mark, "mainnet-1-x", { clock, signal, signer: await open(publisher) });
    for (const of of [(key: string) => key, signatureOf])
      await scene.put(of(keyOf(id)), other.objects.get(of(keyOf("mainnet-1-x")))?.bytes ?? "");
  },
  "that the publisher signed for something else": async (scene, id, keyOf) => {
    const mark = keyOf === tombstoneKey ? "unpinned" : "deleted";
    const other = memoryStore();
    await putMark(other, mark, id, { clock, signal, signer: await open(publisher) });
    const from = mark === "deleted" ? tombstoneKey : unpinnedKey;
    for (const of of [(key: string) => key, signatureOf])
      await scene.put(of(keyOf(id)), other.objects.get(of(from(id)))?.bytes ?? "");
  },
  "that is its signed manifest": async (scene, id, keyOf) => await scene.copy(manifestKey(id), keyOf(id)),
  "that is no text": async (scene, id, keyOf) => await scene.put(keyOf(id), Buffer.alloc(64, 0xff)),
};

describe("with `trusted-signers`, a mark", () => {
  describe.each(Object.entries(forgeries))("%s", (_, forge) => {
    test("of a removal removes nothing of what retention keeps, and is said", async () => {
      for (const at of [0, 1, 2] as const) {
        const scene = await Scene.make();
        const id = scene.ids[at];
        await forge(scene, id, tombstoneKey);
        const { removed, refused, decisions } = await scene.prune({ retention: { keepLast: 3 } });
        expect(removed).toEqual([]);
        expect(refused.map((each) => each.id)).toEqual([id]);
        expect(refused[0]?.error.message).toContain("deleted.json");
        expect(decisions.map((each) => each.id)).not.toContain(id);
        expect(await scene.lost()).toEqual([]);
      }
    });

    test("of a removal takes no other's place", async () => {
      const scene = await Scene.make();
      await forge(scene, scene.ids[2], tombstoneKey);
      expect((await scene.prune({ retention: { keepLast: 1 } })).removed).toEqual([]);
      expect(await scene.lost()).toEqual([]);
    });

    test("that takes a pin away does not, and is said", async () => {
      const scene = await Scene.make();
      const [id] = scene.ids;
      await forge(scene, id, unpinnedKey);
      await forge(scene, id, tombstoneKey);
      await scene.store.delete(tombstoneKey(id), signal);
      await scene.store.delete(signatureOf(tombstoneKey(id)), signal);
      const { removed, refused } = await scene.prune();
      expect(removed).toEqual([]);
      expect(refused.map((each) => each.id)).toEqual([id]);
      expect((await listSnapshots(scene.checked, signal)).at(-1)?.pinned).toBe(true);
      await expect(scene.prune({ delete: [id] })).rejects.toMatchObject({ code: "SNAPSHOT_PINNED" });
      expect(await scene.lost()).toEqual([]);
    });
  });

  test("of a removal removes what retention lets go all the same, by what the manifest says", async () => {
    const scene = await Scene.make();
    await scene.prune({ unpin: [scene.ids[0]], retention: {}, signer: await open(publisher) });
    await putMark(scene.store, "deleted", scene.ids[0], { clock, signal });
    expect((await scene.prune()).removed).toEqual([scene.ids[0]]);
    expect(scene.gone).toEqual(["tank/s@0"]);
    expect([...scene.store.objects.keys()].filter((key) => key.includes(scene.ids[0]))).toEqual([]);
  });

  test("that is signed takes a pin away", async () => {
    const scene = await Scene.make();
    const [id] = scene.ids;
    await scene.prune({ unpin: [id], retention: {}, signer: await open(publisher) });
    expect((await listSnapshots(scene.checked, signal)).at(-1)?.pinned).toBe(false);
    expect((await scene.prune()).removed).toEqual([id]);
    expect(scene.gone).toEqual(["tank/s@0"]);
  });

  test("that is signed has a removal finished that died anywhere, its volumes too", async () => {
    let deaths = 0;
    for (let left = 0, isDone = false; !isDone; left += 1) {
      const scene = await Scene.make();
      const [, id] = scene.ids;
      const signer = await open(publisher);
      const mortal = checkSignatures(mortalStore(scene.store, left), signers, clock).store;
      try {
        await scene.prune({ store: mortal, delete: [id], retention: {}, signer });
        isDone = true;
      } catch (error) {
        if (!(error instanceof Crashed)) throw error;
        deaths += 1;
      }
      const isBegun = (await scene.store.head(manifestKey(id), signal)) === undefined;
      const isMarked = (await scene.store.head(tombstoneKey(id), signal)) !== undefined;
      await scene.prune({ retention: {} });
      const rest = [...scene.store.objects.keys()].filter((key) => key.includes(id));
      expect(rest.length > 0, `after ${left} changes: ${rest.join()}`).toBe(!isBegun && !isMarked);
      expect([...new Set(scene.gone)]).toEqual(rest.length === 0 ? ["tank/s@1"] : []);
    }
    expect(deaths).toBeGreaterThan(8);
  });
});

describe("without `trusted-signers`, a mark", () => {
  test.each(["beside a manifest", "in a folder of its own"])(
    "%s says nothing of volume snapshots",
    async (where) => {
      const scene = await Scene.make();
      const id = where === "beside a manifest" ? scene.ids[1] : "mainnet-1-20260101T000000Z";
      for (const content of [
        JSON.stringify({ host: "host-a", volumes: [volume("tank/other@1")] }),
        text(id),
        JSON.stringify({ ...(JSON.parse(text(id)) as object), volumes: [volume("tank/other@1")] }),
      ]) {
        await scene.put(tombstoneKey(id), content);
        await scene.prune({ store: scene.store, retention: {} });
        expect(scene.gone.filter((each) => each !== "tank/s@1")).toEqual([]);
      }
      expect([...scene.store.objects.keys()].filter((key) => key.startsWith(snapshotFolder(id)))).toEqual([]);
    },
  );

  test("of a removal does not remove what is pinned", async () => {
    const scene = await Scene.make();
    await scene.put(tombstoneKey(scene.ids[0]), text(scene.ids[0]));
    const { removed, refused } = await scene.prune({ store: scene.store });
    expect(removed).toEqual([]);
    expect(refused).toMatchObject([{ id: scene.ids[0], error: { code: "SNAPSHOT_PINNED" } }]);
    expect(await scene.lost()).toEqual([]);
  });
});
