/** What dead runs left on real stores: uploads and folders, a day later. Time is moved, everything else is real. */
import { randomBytes, randomUUID } from "node:crypto";
import { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { prune } from "../../src/catalog/prune.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { openStore } from "../store/open-store.ts";
import { systemClock, type Clock } from "../../src/system/clock.ts";
import { azurite } from "../store/azurite.ts";
import {
  cephEndpoint,
  cephNames,
  cephSuites,
  emptyBucket,
  makeBucket,
  s3Location,
  useCephCredentials,
} from "../store/ceph.ts";

const { signal } = new AbortController();
const hour = 3_600_000;
const later = (hours: number): Clock => ({ ...systemClock, now: () => systemClock.now() + hours * hour });

/** The store's own clock has moved on as well: it is the one that counts. */
function withTime(store: ObjectStore, hours: number): ObjectStore {
  const head: ObjectStore["head"] = async (key, given) => {
    const found = await store.head(key, given);
    const moved = new Date((found?.modifiedAt?.getTime() ?? 0) + hours * hour);
    return found === undefined || key !== "time.json" ? found : { ...found, modifiedAt: moved };
  };
  return new Proxy(store, {
    get(target, name) {
      if (name === "head") return head;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

interface Place {
  readonly name: string;
  readonly isUp: boolean;
  readonly prepare: () => Promise<ObjectStore>;
  readonly remove: () => Promise<unknown>;
}

const places: readonly Place[] = [
  ...cephSuites.map((suite) => {
    const endpoint = cephEndpoint(suite) ?? "";
    const bucket = `leftovers-${randomUUID()}`;
    return {
      name: cephNames[suite],
      isUp: endpoint !== "",
      async prepare() {
        useCephCredentials();
        await makeBucket(endpoint, bucket);
        return await openStore(s3Location(endpoint, bucket, "p"));
      },
      remove: async () => await emptyBucket(endpoint, bucket),
    };
  }),
  azuritePlace(),
];

function azuritePlace(): Place {
  const container = `leftovers-${randomUUID()}`;
  const client = (): ContainerClient => new ContainerClient(azurite?.connection ?? "", container);
  return {
    name: "Azurite",
    isUp: azurite !== undefined,
    async prepare() {
      process.env["AZURE_STORAGE_CONNECTION_STRING"] = azurite?.connection;
      await client().create();
      const account = "devstoreaccount1";
      const url = `az://${account}/${container}/p`;
      return await openStore({ scheme: "az", url, account, container, prefix: "p" });
    },
    remove: async () => await client().delete(),
  };
}

for (const { name, isUp, prepare, remove } of places) {
  describe.skipIf(!isUp)(`on ${name}${isUp ? "" : " (not up)"}`, () => {
    const before = { ...process.env };
    let store: ObjectStore;
    beforeAll(async () => {
      store = await prepare();
    });
    afterAll(async () => {
      await store.close();
      await remove();
      process.env = before;
    });

    const left = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of store.list("snapshots/", signal)) found.push(key);
      for await (const { token } of store.listUploads("snapshots/", signal))
        found.push(`upload ${token.key}`);
      return found;
    };

    test("is removed when it is older than a day, not earlier, and a dry run only tells", async () => {
      const upload = await store.openUpload("snapshots/mainnet-1-dead/a.tar.zst", { signal });
      await upload.writePart({ number: 1, offset: 0 }, [randomBytes(1000)]);
      await store.put("snapshots/mainnet-2-dead/index.json.zst", randomBytes(10), { signal });
      const all = ["snapshots/mainnet-2-dead/index.json.zst", "upload snapshots/mainnet-1-dead/a.tar.zst"];
      expect(await left()).toEqual(all);
      const run = async (
        hours: number,
        dryRun: boolean,
        at = withTime(store, hours),
      ): Promise<readonly string[]> =>
        (await prune(at, { retention: {}, dryRun, signal, clock: later(hours) })).leftovers;
      expect(await run(23, false)).toEqual([]);
      expect(await run(25, false, store)).toEqual([]);
      expect(await run(25, true)).toHaveLength(2);
      expect(await left()).toEqual(all);
      expect(await run(25, false)).toHaveLength(2);
      expect(await left()).toEqual([]);
    });
  });
}
