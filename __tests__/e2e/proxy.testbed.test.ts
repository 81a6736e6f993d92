/** Snapshot and restore through a real forward proxy, which alone knows the stores' names; and past it, by `no_proxy`. */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ContainerClient } from "@azure/storage-blob";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { azurite, azuriteConnection } from "../store/azurite.ts";
import { cephCredentials, cephEndpoint, emptyBucket, makeBucket } from "../store/ceph.ts";
import { serveObjects, type ObjectServer } from "../store/object-server.ts";
import { isScratch, setUp, treeOf, type Setup } from "./support.ts";
import { startTlsFront, type TlsFront } from "./tls-front.ts";

const testbed = process.env["TESTBED_DIR"] ?? "/var/tmp/testbed";

function findProxy(): string | undefined {
  try {
    return readFileSync(join(testbed, "tinyproxy/endpoint"), "utf8").trim();
  } catch {
    return undefined;
  }
}

const proxy = findProxy();
const ceph = cephEndpoint("sid");
const isUp = proxy !== undefined && ceph !== undefined && azurite !== undefined;

describe.skipIf(!isUp)(
  `behind tinyproxy${isUp ? "" : " (not up: testbed/up tinyproxy ceph-sid azurite)"}`,
  () => {
    const bucket = `proxy-${randomUUID()}`;
    const container = `proxy-${randomUUID()}`;
    let front: TlsFront;
    let web: ObjectServer;
    const open: Setup[] = [];

    beforeAll(async () => {
      web = await serveObjects();
      front = await startTlsFront({
        s3: ceph ?? "",
        "devstoreaccount1.behind.test": azurite?.endpoint ?? "",
        "web.behind.test": web.url,
      });
      await makeBucket(ceph ?? "", bucket);
      await new ContainerClient(azuriteConnection(azurite?.endpoint ?? ""), container).create();
    });
    afterAll(async () => {
      await front.close();
      await web.close();
      await emptyBucket(ceph ?? "", bucket);
      await new ContainerClient(azuriteConnection(azurite?.endpoint ?? ""), container).delete();
    });
    afterEach(async () => {
      await Promise.all(open.splice(0).map(async (setup) => await setup.remove()));
    });

    async function fresh(env: Readonly<Record<string, string>> = {}): Promise<Setup> {
      const setup = await setUp({
        running: false,
        height: 60,
        env: {
          https_proxy: proxy ?? "",
          NODE_EXTRA_CA_CERTS: front.caFile,
          AWS_ACCESS_KEY_ID: cephCredentials.accessKeyId,
          AWS_SECRET_ACCESS_KEY: cephCredentials.secretAccessKey,
          AZURE_STORAGE_CONNECTION_STRING: azuriteConnection(
            `https://devstoreaccount1.behind.test:${front.port}`,
          ),
          ...env,
        },
      });
      open.push(setup);
      return setup;
    }

    // Ceph takes a host's name of three letters or more for that of a bucket.
    const s3 = (): Record<string, string> => ({
      storage: `s3://${bucket}/nightly`,
      "s3-endpoint": `https://s3:${front.port}`,
    });
    const withoutNode = { "node-manager": "none", downtime: "full" };

    const takeAt = (setup: Setup, storage: Readonly<Record<string, string>>) =>
      setup.job({ ...withoutNode, ...storage, "chainstate-dir": setup.chainstate }).run();

    async function comesBack(setup: Setup, storage: Readonly<Record<string, string>>): Promise<void> {
      const target = join(setup.directory, "restored", "mainnet");
      const { main } = await setup
        .job({ ...storage, command: "restore", "chainstate-dir": target, "node-manager": "none" })
        .run();
      expect(main.exitCode, main.log).toBe(0);
      expect(treeOf(target, isScratch)).toEqual(treeOf(setup.chainstate, isScratch));
    }

    const asked = (name: string): number =>
      readFileSync(join(testbed, "tinyproxy/log"), "utf8").split(`CONNECT ${name}:${front.port} `).length - 1;

    it.each([
      ["S3", "s3", s3],
      [
        "Azure",
        "devstoreaccount1.behind.test",
        (): Record<string, string> => ({ storage: `az://devstoreaccount1/${container}/nightly` }),
      ],
    ] as const)("%s is written and read", async (_, name, storage) => {
      const setup = await fresh();
      const { main } = await takeAt(setup, storage());
      expect(main.exitCode, main.log).toBe(0);
      const connections = asked(name);
      expect(connections).toBeGreaterThan(0);
      await comesBack(setup, storage());
      expect(asked(name)).toBeGreaterThan(connections);
    });

    it("a web server is read", async () => {
      const setup = await fresh();
      const { main } = await takeAt(setup, { storage: `file://${setup.store}` });
      expect(main.exitCode, main.log).toBe(0);
      for (const entry of readdirSync(setup.store, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        web.objects.set(`/mainnet/${path.slice(setup.store.length + 1)}`, { bytes: readFileSync(path) });
      }
      await comesBack(setup, { storage: `https://web.behind.test:${front.port}/mainnet` });
      expect(asked("web.behind.test")).toBeGreaterThan(0);
    });

    it("what no_proxy names is asked directly, and nobody here knows that name", async () => {
      const setup = await fresh({ no_proxy: "s3" });
      const before = [asked("s3"), front.requests.get("s3")];
      const { main } = await takeAt(setup, s3());
      expect(main.exitCode, main.log).toBe(1);
      expect(main.log).toContain("STORE_UNREACHABLE");
      expect([asked("s3"), front.requests.get("s3")]).toEqual(before);
    });

    it("a proxy that is down is named, and nothing is asked past it", async () => {
      const setup = await fresh({ https_proxy: "http://127.0.0.1:1" });
      const { main } = await takeAt(setup, s3());
      expect(main.exitCode, main.log).toBe(1);
      expect(main.log).toContain("the proxy 127.0.0.1:1 cannot be reached");
    });
  },
);
