import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { describeError, hasCode } from "../../src/domain/errors.ts";
import { askNodeInfo } from "../../src/node/rpc.ts";
import { openStore } from "../../src/store/registry.ts";
import { openHttpsStore } from "../../src/store/https/https-store.ts";
import { azureStorage, azureTokens } from "../../src/system/azure-identity.ts";
import { useProxies } from "../../src/system/proxy.ts";
import { AwsEbsDisks } from "../../src/volume/cloud/aws/ebs.ts";
import { GcpDisks } from "../../src/volume/cloud/gcp/disk.ts";
import { RestClient } from "../../src/volume/cloud/rest.ts";
import { patientLimits } from "../store/open-store.ts";
import { has } from "../tools.ts";
import { startConnectProxy, type ConnectProxy } from "./connect-proxy.ts";

const signal = new AbortController().signal;
const clock = { now: () => Date.now(), sleep: async () => await Promise.resolve() };
const hosts = {
  web: "archives.behind.test",
  s3: "s3.behind.test",
  gs: "storage.googleapis.com",
  azure: "acc.blob.core.windows.net",
  ec2: "ec2.eu-west-1.amazonaws.com",
  azureApi: "management.azure.com",
  azureLogin: "login.microsoftonline.com",
  gcpApi: "compute.googleapis.com",
  gcpLogin: "oauth2.googleapis.com",
};
const s3 = { storageClass: "STANDARD" } as const;

test("reads the variables as curl does, and says no password of what it does not use", () => {
  const socks: Record<string, string> = { HTTPS_PROXY: "socks5://user:geheim@socks.test:1080" };
  const [why] = useProxies(socks);
  expect(why).toContain("HTTPS_PROXY is not the address of an HTTP proxy");
  expect(why).not.toContain("geheim");
  expect(socks).toEqual({ HTTPS_PROXY: "socks5://user:geheim@socks.test:1080" });
  expect(useProxies({ https_proxy: "http://" })).toHaveLength(1);
  const bare: Record<string, string> = {
    https_proxy: "proxy.test:3128",
    HTTPS_PROXY: "x",
    NO_PROXY: ".firm.test",
  };
  expect(useProxies(bare)).toEqual([]);
  expect(bare["https_proxy"]).toBe("http://proxy.test:3128");
  expect(bare["no_proxy"]).toMatch(/^\.firm\.test,localhost,/u);
  expect(bare["NO_PROXY"]).toBe(bare["no_proxy"]);
  const none: Record<string, string> = { no_proxy: "a" };
  expect(useProxies(none)).toEqual([]);
  expect(none).toEqual({ no_proxy: "a" });
});

describe.skipIf(!has("openssl"))("behind a CONNECT proxy", () => {
  let proxy: ConnectProxy;
  let local: Server;
  let here = "";
  let directory = "";
  const before = { ...process.env };

  beforeAll(async () => {
    proxy = await startConnectProxy(Object.values(hosts));
    directory = await mkdtemp(path.join(tmpdir(), "proxy-"));
    // Of this machine: metadata services and the node's RPC. A proxy that is asked for it would refuse.
    local = createServer((request, response) => {
      if (request.url?.includes("instance-identity") === true) {
        const document = { instanceId: "i-1", region: "eu-west-1", availabilityZone: "eu-west-1a" };
        response.end(JSON.stringify(document));
      } else if (request.url?.endsWith("project-id") === true) response.end("p-1");
      else if (request.url?.includes("recursive") === true) {
        response.end(JSON.stringify({ name: "node", zone: "projects/1/zones/europe-west1-b" }));
      } else response.end("token");
    });
    await new Promise<void>((resolve) => local.listen(0, "127.0.0.1", resolve));
    here = `127.0.0.1:${(local.address() as AddressInfo).port}`;
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const account = {
      type: "service_account",
      client_email: "a@p-1.iam.gserviceaccount.com",
      private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
      token_uri: `https://${hosts.gcpLogin}/token`,
    };
    await writeFile(path.join(directory, "account.json"), JSON.stringify(account));
    Object.assign(process.env, {
      https_proxy: proxy.url,
      http_proxy: proxy.url,
      AWS_ACCESS_KEY_ID: "AKIAAAAAAAAAAAAAAAAA",
      AWS_SECRET_ACCESS_KEY: "secret",
      GOOGLE_APPLICATION_CREDENTIALS: path.join(directory, "account.json"),
    });
    useProxies(process.env);
  });
  beforeEach(() => {
    proxy.refuses = undefined;
    proxy.asked.length = 0;
    proxy.requests.length = 0;
    proxy.answer = (_, response) => response.writeHead(404, { "x-ms-request-id": "1" }).end();
  });
  afterEach(() => useProxies(process.env));
  afterAll(async () => {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
    await proxy.close();
    local.close();
    await rm(directory, { recursive: true, force: true });
  });

  const head = async (open: () => ReturnType<typeof openStore>): Promise<void> => {
    const store = await open();
    try {
      expect(await store.head("latest.json", signal)).toBeUndefined();
    } finally {
      await store.close();
    }
  };
  const environment = (): NodeJS.ProcessEnv => ({
    ...process.env,
    AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${here}`,
    GCE_METADATA_HOST: here,
    AZURE_STORAGE_KEY: "a2V5",
  });
  const disk = { name: "sdb", path: "/dev/sdb", serial: "vol0123456789", partition: null, direct: true };
  const devices = {
    disksBelow: async () => await Promise.resolve([disk]),
    findBySerial: async () => await Promise.resolve(undefined),
    findByLink: async () => await Promise.resolve(undefined),
    numberOf: async () => await Promise.resolve(undefined),
  };
  const json = (body: unknown): void => {
    proxy.answer = (_, response) =>
      void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  };

  const places: readonly (readonly [string, readonly string[], () => Promise<unknown>])[] = [
    [
      "a store behind https",
      [hosts.web],
      async () =>
        await head(
          async () => await Promise.resolve(openHttpsStore(`https://${hosts.web}/p`, patientLimits)),
        ),
    ],
    [
      "an S3 store",
      [hosts.s3],
      async () =>
        await head(
          async () =>
            await openStore(
              {
                scheme: "s3",
                url: "s3://b/p",
                bucket: "b",
                prefix: "p",
                s3: { ...s3, endpoint: `https://${hosts.s3}`, region: "r" },
              },
              { environment: environment(), limits: patientLimits },
            ),
        ),
    ],
    [
      "Google's store",
      [hosts.gs],
      async () =>
        await head(
          async () =>
            await openStore(
              { scheme: "gs", url: "gs://b/p", bucket: "b", prefix: "p" },
              { environment: environment(), limits: patientLimits },
            ),
        ),
    ],
    [
      "an Azure store",
      [hosts.azure],
      async () =>
        await head(
          async () =>
            await openStore(
              { scheme: "az", url: "az://acc/c/p", account: "acc", container: "c", prefix: "p" },
              { environment: environment(), limits: patientLimits },
            ),
        ),
    ],
    [
      "Azure's login",
      [hosts.azureLogin],
      async () => {
        json({ access_token: "t", expires_in: 3600 });
        const ids = { AZURE_CLIENT_ID: "c", AZURE_TENANT_ID: "t", AZURE_CLIENT_SECRET: "s" };
        await azureTokens(ids, azureStorage)();
      },
    ],
    [
      "Azure's API",
      [hosts.azureApi],
      async () => {
        json({});
        const token = async (): Promise<string> => await Promise.resolve("t");
        const api = new RestClient({ cloud: "Azure", driver: "azure-disk", clock, token });
        await api.request({ method: "GET", url: `https://${hosts.azureApi}/x`, what: "look", signal });
      },
    ],
    [
      "Google's login and API",
      [hosts.gcpLogin, hosts.gcpApi],
      async () => {
        json({ access_token: "t", expires_in: 3600 });
        await new GcpDisks({ environment: environment() }, devices, clock).identify([], signal);
      },
    ],
    [
      "Amazon's API",
      [hosts.ec2],
      async () => {
        const empty =
          "<DescribeVolumesResponse><requestId>r</requestId><volumeSet/></DescribeVolumesResponse>";
        proxy.answer = (_, response) => response.writeHead(200, { "content-type": "text/xml" }).end(empty);
        await new AwsEbsDisks(environment(), clock).identify([disk], signal).catch((error: unknown) => {
          if (!hasCode(error, "VOLUME_ELSEWHERE")) throw error;
        });
      },
    ],
  ];

  test.each(places)("%s is asked through it", async (_, expected, work) => {
    await work();
    expect(new Set(proxy.asked)).toEqual(new Set(expected.map((host) => `CONNECT ${host}:443`)));
    expect(proxy.requests.length).toBeGreaterThan(0);
  });

  test.each(places)("%s: its refusal names it, and no password", async (_, _hosts, work) => {
    proxy.refuses = 403;
    const error = await work().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    const said = describeError(error);
    expect(said).toContain(`the proxy ${proxy.host} does not let it through`);
    expect(said).not.toContain(proxy.password);
    expect((error as { hint: string }).hint).toMatch(/https_proxy|Sign in/u);
    expect(proxy.requests).toEqual([]);
  });

  test.each(places)("%s: a proxy that is down is named", async (place, _hosts, work) => {
    useProxies({ https_proxy: "http://user:geheim-9371@127.0.0.1:9" });
    process.env["https_proxy"] = "http://user:geheim-9371@127.0.0.1:9";
    try {
      const said = describeError(
        await work().then(
          () => undefined,
          (reason: unknown) => reason,
        ),
      );
      // Azure's client keeps no more of the failure than its words.
      expect(said).toContain(
        place === "an Azure store" ? "127.0.0.1:9" : "the proxy 127.0.0.1:9 cannot be reached",
      );
      expect(said).not.toContain("geheim");
    } finally {
      process.env["https_proxy"] = proxy.url;
    }
  });

  test("what no_proxy names is asked directly", async () => {
    useProxies({ https_proxy: proxy.url, no_proxy: "other.test, .behind.test" });
    const store = openHttpsStore(`https://${hosts.web}/p`, patientLimits);
    await expect(store.head("x", signal)).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    expect(proxy.asked).toEqual([]);
  });

  test("the node's RPC, metadata services and stores on this machine are asked directly", async () => {
    expect(await askNodeInfo(`http://${here}`, signal)).toMatchObject({ kind: "invalid" });
    expect(await askNodeInfo(`http://localhost:${here.split(":")[1]}`, signal)).toMatchObject({
      kind: "invalid",
    });
    const store = openHttpsStore(`http://${here}/p`, patientLimits);
    expect(Buffer.from((await store.get("x", { signal })).bytes).toString()).toBe("token");
    const disks = new AwsEbsDisks(environment(), clock);
    await disks.identify([disk], signal).catch(() => undefined);
    expect(proxy.asked.filter((asked) => !asked.includes(hosts.ec2))).toEqual([]);
  });

  test("a server behind it may not send a reader on to a private address", async () => {
    proxy.answer = (_, response) => response.writeHead(302, { location: "https://10.0.0.7/x" }).end();
    const store = openHttpsStore(`https://${hosts.web}/p`, patientLimits);
    await expect(store.head("x", signal)).rejects.toMatchObject({ code: "STORE_REDIRECT_REFUSED" });
  });
});
