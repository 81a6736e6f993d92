/**
 * Signed snapshots: what is published is signed before anybody can see it; what is not signed by somebody who is trusted is
 * used by no command, and nothing of it is fetched but the manifest and its signature, counted on the wire.
 */
import { createHash } from "node:crypto";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { catalogKey, manifestKey, signatureKey, snapshotFolder } from "../../src/catalog/ids.ts";
import { publish } from "../../src/catalog/publish.ts";
import { rebuildEntries, resolveSnapshot } from "../../src/catalog/read.ts";
import { readAllowedSigners } from "../../src/catalog/signing/allowed-signers.ts";
import { checkSignatures } from "../../src/catalog/signing/checked-store.ts";
import { openSigner } from "../../src/catalog/signing/signer.ts";
import type { Config, ListConfig } from "../../src/config/config.ts";
import type { ErrorCode } from "../../src/domain/error-codes.ts";
import { ActionError } from "../../src/domain/errors.ts";
import type { SignKey, TrustedSigners } from "../../src/domain/options.ts";
import { systemClock } from "../../src/system/clock.ts";
import { memoryStore, mortalStore, type MemoryStore } from "../catalog/memory-store.ts";
import { putObjects, sampleManifest } from "../catalog/samples.ts";
import { makeKey, type TestKey } from "../catalog/signing/keys.ts";
import { serveObjects, type ObjectServer } from "../store/object-server.ts";
import { openStore } from "../store/open-store.ts";
import {
  FakeHost,
  importConfig,
  location,
  pruneConfig,
  publishNewer,
  restoreConfig,
  snapshotConfig,
  verifyConfig,
} from "./fake-host.ts";

const { signal } = new AbortController();
const publisher = makeKey("publisher@example.org");
const stranger = makeKey("stranger@example.org");
const keyOf = ({ text }: TestKey): SignKey => ({ kind: "text", text });
const trusting = ({ line }: TestKey): { readonly trustedSigners: TrustedSigners } => ({
  trustedSigners: { kind: "lines", lines: line },
});
const listConfig = (given: Partial<ListConfig> = {}): ListConfig => ({
  concurrency: 1,
  command: "list",
  storage: location,
  filters: [],
  ...given,
});

const model = new FakeHost();
const hosts: FakeHost[] = [model];
const old = join(model.root, "old", "mainnet");
let id = "";

beforeAll(async () => {
  await publishNewer(model, old, { method: "both", signKey: keyOf(publisher) });
  [id = ""] = model.published();
});
afterAll(() => {
  for (const host of hosts) host.remove();
});

/** A host with an older chainstate, on a store that has the signed snapshot. */
function makeHost(): FakeHost {
  const host = FakeHost.like(model, old);
  hosts.push(host);
  return host;
}

async function signatureOf(bytes: Uint8Array, key: TestKey): Promise<Uint8Array> {
  return await (await openSigner(keyOf(key), { scratch: model.root, signal })).sign(bytes);
}

const bytesOf = (store: MemoryStore, key: string): Uint8Array =>
  store.objects.get(key)?.bytes ?? Buffer.alloc(0);

/** The host reads what is in its store from a web server, which counts. */
async function onTheWire(host: FakeHost): Promise<ObjectServer> {
  const server = await serveObjects();
  for (const [key, { bytes }] of host.store.objects)
    server.objects.set(`/${key}`, { bytes: Buffer.from(bytes) });
  host.otherStore = async () => await openStore({ scheme: "https", url: server.url });
  return server;
}

const pathsOf = ({ requests }: ObjectServer): readonly string[] =>
  requests.map((request) => request.split(" ")[1] ?? "");

/** What somebody who can write to the storage may make of it, and what that is called. */
const attacks: readonly (readonly [string, ErrorCode, (store: MemoryStore) => Promise<void>])[] = [
  ["no signature", "SIGNATURE_MISSING", async (store) => await store.delete(signatureKey(id), signal)],
  [
    "a stranger's signature",
    "SIGNER_UNKNOWN",
    async (store) => {
      const signature = await signatureOf(bytesOf(store, manifestKey(id)), stranger);
      await store.put(signatureKey(id), signature, { signal });
    },
  ],
  [
    "the publisher's signature of another manifest",
    "SIGNATURE_INVALID",
    async (store) => {
      const signature = await signatureOf(Buffer.from("{}"), publisher);
      await store.put(signatureKey(id), signature, { signal });
    },
  ],
  [
    "a changed manifest",
    "SIGNATURE_INVALID",
    async (store) => {
      const text = Buffer.from(bytesOf(store, manifestKey(id))).toString();
      await store.put(manifestKey(id), Buffer.from(text.replace('"host-a"', '"host-b"')), { signal });
    },
  ],
  [
    "no signature in its place",
    "SIGNATURE_INVALID",
    async (store) => void (await store.put(signatureKey(id), Buffer.from("x"), { signal })),
  ],
  [
    "a signature without end",
    "SIGNATURE_INVALID",
    async (store) => void (await store.put(signatureKey(id), Buffer.alloc(1 << 20, "A"), { signal })),
  ],
  [
    "another snapshot's manifest and signature",
    "MANIFEST_INVALID",
    async (store) => {
      const other = sampleManifest({ at: new Date(Date.UTC(2026, 0, 1)) });
      const elsewhere = memoryStore();
      await putObjects(elsewhere, other, signal);
      const signer = await openSigner(keyOf(publisher), { scratch: model.root, signal });
      await publish(elsewhere, other, signal, systemClock, { signer });
      for (const keyFor of [manifestKey, signatureKey])
        await store.put(keyFor(id), bytesOf(elsewhere, keyFor(other.id)), { signal });
    },
  ],
];

describe("what is published with `sign-key`", () => {
  test("has its signature, which is said, and is restored by those who trust the key", async () => {
    const host = makeHost();
    const { error, report } = await host.run(restoreConfig(host, trusting(publisher)));
    expect(error).toBeUndefined();
    expect(host.digest()).toBe(model.digest());
    const fact = report.record.facts.find(({ label }) => label === "Signed by");
    expect(fact?.value).toBe(`publisher@example.org, ${publisher.fingerprint}`);
  });

  test("stands with its signature wherever its publisher dies", async () => {
    const signer = await openSigner(keyOf(publisher), { scratch: model.root, signal });
    const signers = readAllowedSigners(publisher.line, "here");
    let seen = 0;
    for (let left = 0; left < 10; left += 1) {
      const store = memoryStore();
      const manifest = sampleManifest({ at: new Date(Date.UTC(2026, 0, 1)) });
      await putObjects(store, manifest, signal);
      await publish(mortalStore(store, left), manifest, signal, systemClock, { signer }).catch(
        () => undefined,
      );
      const { entries, refused } = await rebuildEntries(
        checkSignatures(store, signers, systemClock).store,
        signal,
      );
      expect(refused).toEqual([]);
      seen += entries.length;
      if (store.objects.has(signatureKey(manifest.id))) continue;
      expect(store.objects.has(manifestKey(manifest.id))).toBe(false);
    }
    expect(seen).toBeGreaterThan(3);
  });

  test("is not there when it cannot be signed at the end", async () => {
    const store = memoryStore();
    const manifest = sampleManifest({ at: new Date(Date.UTC(2026, 0, 1)) });
    await putObjects(store, manifest, signal);
    const sign = async (): Promise<never> => await Promise.reject(new ActionError("SIGNING_FAILED", "No."));
    const signer = { fingerprint: publisher.fingerprint, sign };
    await expect(publish(store, manifest, signal, systemClock, { signer })).rejects.toThrow("No.");
    await expect(resolveSnapshot(store, { kind: "latest" }, signal)).rejects.toMatchObject({
      code: "SNAPSHOT_NOT_FOUND",
    });
  });

  test("is not begun with a key that cannot be used: the node is not stopped, dry run or not", async () => {
    const host = makeHost();
    for (const dryRun of [true, false]) {
      const signKey = { kind: "file", path: join(host.root, "absent") } as const;
      const { error } = await host.run(snapshotConfig(host, { signKey, dryRun }));
      expect(error).toMatchObject({ code: "SIGN_KEY_UNUSABLE" });
    }
    expect(host.node.stops).toBe(0);
    expect(host.published()).toEqual([id]);
  });

  test("is said to be so by catalogue, list and page", async () => {
    const host = makeHost();
    const { error, log, report } = await host.run(listConfig());
    expect(error).toBeUndefined();
    expect(log).toContain(publisher.fingerprint);
    expect(JSON.parse(report.record.outputs.get("snapshots") ?? "")).toMatchObject([
      { id, signedBy: publisher.fingerprint },
    ]);
    const page = Buffer.from(bytesOf(host.store, "index.html")).toString();
    expect(page).toContain(publisher.fingerprint);
    expect(page).toContain(signatureKey(id));
  });

  test("goes with its signature when it is pruned, and an imported archive has one too", async () => {
    const host = makeHost();
    const archive = [...host.store.objects.keys()].find((key) => key.endsWith(".tar.zst")) ?? "";
    await host.store.put("mainnet.tar.zst", bytesOf(host.store, archive), { signal });
    const from = "file:///store/mainnet.tar.zst";
    const imported = await host.run(importConfig(from, { signKey: keyOf(publisher) }));
    expect(imported.error).toBeUndefined();
    const second = imported.report.record.outputs.get("snapshot-id") ?? "";
    expect(host.store.objects.has(signatureKey(second))).toBe(true);
    const verified = { ...trusting(publisher), snapshot: { kind: "id", id: second } } as const;
    expect((await host.run(verifyConfig(verified))).error).toBeUndefined();
    await host.run(snapshotConfig(host, { signKey: keyOf(publisher), ...trusting(publisher) }));
    const { error } = await host.run(pruneConfig(trusting(publisher)));
    expect(error).toBeUndefined();
    const left = host.published();
    expect(left).not.toContain(second);
    const folders = new Set(
      [...host.store.objects.keys()].flatMap((key) => /^snapshots\/[^/]+/.exec(key)?.[0] ?? []),
    );
    expect(folders).toEqual(new Set(left.map(snapshotFolder)));
  });
});

describe.each(attacks)("with %s", (_name, code, attack) => {
  let host: FakeHost;
  let server: ObjectServer;
  beforeEach(async () => {
    host = makeHost();
    await attack(host.store);
    server = await onTheWire(host);
    return async () => await server.close();
  });

  test.each<[string, (given: ReturnType<typeof trusting>) => Config, readonly string[]]>([
    ["a restore", (given) => restoreConfig(host, given), ["/latest.json"]],
    ["a restore by id", (given) => restoreConfig(host, { ...given, snapshot: { kind: "id", id } }), []],
    [
      "a restore by height",
      (given) => restoreConfig(host, { ...given, snapshot: { kind: "height", atMost: 99 } }),
      ["/catalog.json"],
    ],
    [
      "a restore of a volume",
      (given) => restoreConfig(host, { ...given, method: "volume" }),
      ["/latest.json"],
    ],
    ["a verification", (given) => verifyConfig(given), ["/latest.json"]],
  ])(
    "%s fetches the manifest and its signature alone, and the node runs on",
    async (_what, config, pointers) => {
      const { error } = await host.run(config(trusting(publisher)));
      expect(error).toMatchObject({ code });
      const paths = pathsOf(server);
      const small = [...pointers, `/${manifestKey(id)}`, `/${signatureKey(id)}`];
      expect(paths.filter((path) => !small.includes(path))).toEqual([]);
      expect(paths.filter((path) => path === `/${manifestKey(id)}`)).toHaveLength(1);
      expect(host.node.stops).toBe(0);
    },
  );

  test("it is not listed, is no snapshot to prune, and the next one becomes latest", async () => {
    host.otherStore = undefined;
    const listed = await host.run(listConfig(trusting(publisher)));
    expect(listed.report.record.outputs.get("snapshots")).toBe("[]");
    expect(listed.log).toContain(`${id} is not listed`);
    const pruned = await host.run(pruneConfig(trusting(publisher)));
    expect(pruned.log).toContain(`${id} is left alone`);
    expect(Buffer.from(bytesOf(host.store, catalogKey)).toString()).not.toContain(id);
    const { store } = checkSignatures(host.store, readAllowedSigners(publisher.line, "here"), systemClock);
    // Older than the one that is not believed.
    const next = sampleManifest({ at: new Date(Date.UTC(2026, 0, 1)) });
    await putObjects(store, next, signal);
    const signer = await openSigner(keyOf(publisher), { scratch: model.root, signal });
    await publish(store, next, signal, host.clock, { signer });
    expect((await resolveSnapshot(store, { kind: "latest" }, signal)).id).toBe(next.id);
  });
});

describe("a signed snapshot that is replayed", () => {
  /** The publisher's snapshot of a lower height is `latest` again. */
  const replayed = async (): Promise<FakeHost> => {
    const before = new FakeHost();
    hosts.push(before);
    cpSync(old, before.chainstateDir, { recursive: true });
    const taken = await before.run(snapshotConfig(before, { signKey: keyOf(publisher) }));
    expect(taken.error).toBeUndefined();
    const host = FakeHost.like(before, model.chainstateDir);
    hosts.push(host);
    return host;
  };

  test("is refused for its height before anything is fetched, unless the node is meant to go back", async () => {
    const host = await replayed();
    const lower = [...host.published()][0] ?? "";
    const server = await onTheWire(host);
    for (const dryRun of [true, false]) {
      const { error } = await host.run(restoreConfig(host, { ...trusting(publisher), dryRun }));
      expect(error).toMatchObject({ code: "HEIGHT_LOWER" });
    }
    const small = ["/latest.json", `/${manifestKey(lower)}`, `/${signatureKey(lower)}`];
    expect(new Set(pathsOf(server))).toEqual(new Set(small));
    await server.close();
    host.otherStore = undefined;
    expect(host.node.stops).toBe(0);
    const snapshot = { kind: "id", id: lower } as const;
    for (const given of [
      { allowLowerHeight: true },
      { snapshot },
      { snapshot: { kind: "height", atMost: 22 } },
    ] as const) {
      const { error, log } = await host.run(restoreConfig(host, { ...given, dryRun: true }));
      expect(error).toBeUndefined();
      expect(log).toContain("The node goes back.");
    }
    expect((await host.run(restoreConfig(host, { allowLowerHeight: true }))).error).toBeUndefined();
  });

  test("is refused for its age, by restore and by list", async () => {
    const host = makeHost();
    host.clock.advance(50 * 3600_000);
    const server = await onTheWire(host);
    for (const config of [
      restoreConfig(host, { maxAgeMs: 26 * 3600_000 }),
      restoreConfig(host, { maxAgeMs: 26 * 3600_000, snapshot: { kind: "id", id } }),
      listConfig({ maxAgeMs: 26 * 3600_000 }),
    ]) {
      expect((await host.run(config)).error).toMatchObject({ code: "SNAPSHOT_TOO_OLD" });
    }
    const small = ["/latest.json", "/catalog.json", `/${manifestKey(id)}`];
    expect(new Set(pathsOf(server))).toEqual(new Set(small));
    await server.close();
    host.otherStore = undefined;
    const young = await host.run(listConfig({ maxAgeMs: 100 * 3600_000 }));
    expect(young.error).toBeUndefined();
    expect(young.report.record.outputs.get("newest-id")).toBe(id);
    expect(young.report.record.outputs.get("newest-created-at")).toMatch(/^\d{4}-.*Z$/);
    expect((await host.run(restoreConfig(host, { maxAgeMs: 100 * 3600_000 }))).error).toBeUndefined();
  });

  test("is refused for its age where nothing tells it: dated after now, or none there", async () => {
    const host = makeHost();
    host.clock.advance(-50 * 3600_000);
    for (const config of [listConfig({ maxAgeMs: 1 }), restoreConfig(host, { maxAgeMs: 1 })])
      expect((await host.run(config)).error).toMatchObject({ code: "SNAPSHOT_TOO_OLD" });
    const filters = [{ field: "network", operator: "=", value: "xenon" }] as const;
    const none = await host.run(listConfig({ maxAgeMs: 1, filters }));
    expect(none.error).toMatchObject({ code: "SNAPSHOT_NOT_FOUND" });
  });
});

describe("the volume snapshot of another host", () => {
  test("is restored with a signature or a digest alone", async () => {
    const digest = createHash("sha256")
      .update(bytesOf(model.store, manifestKey(id)))
      .digest("hex");
    const run = async (given: Parameters<typeof restoreConfig>[1], hostName: string): Promise<unknown> => {
      const host = makeHost();
      host.hostName = hostName;
      const { error } = await host.run(restoreConfig(host, { method: "volume", ...given }));
      expect(host.node.stops).toBe(error === undefined ? 1 : 0);
      return error;
    };
    expect(await run({}, "host-a")).toBeUndefined();
    expect(await run({}, "host-b")).toMatchObject({ code: "SIGNATURE_REQUIRED" });
    expect(await run({ expectDigest: digest }, "host-b")).toBeUndefined();
    expect(await run(trusting(publisher), "host-b")).toBeUndefined();
    expect(await run(trusting(stranger), "host-b")).toMatchObject({ code: "SIGNER_UNKNOWN" });
  });
});

describe("expect-digest", () => {
  test("pins a manifest, by what the run that made it has said", async () => {
    const host = makeHost();
    const taken = await host.run(snapshotConfig(host));
    const { outputs } = taken.report.record;
    const expectDigest = outputs.get("manifest-digest") ?? "";
    const made = bytesOf(host.store, manifestKey(outputs.get("snapshot-id") ?? ""));
    expect(expectDigest).toBe(createHash("sha256").update(made).digest("hex"));
    const wrong = "0".repeat(64);
    for (const config of [
      restoreConfig(host, { expectDigest: wrong }),
      verifyConfig({ expectDigest: wrong }),
    ])
      expect((await host.run(config)).error).toMatchObject({ code: "DIGEST_DIFFERS" });
    expect((await host.run(verifyConfig({ expectDigest }))).error).toBeUndefined();
    expect((await host.run(restoreConfig(host, { expectDigest }))).error).toBeUndefined();
  });

  test("pins an archive made elsewhere: another one takes nobody's place", async () => {
    const host = makeHost();
    const archive = [...host.store.objects.keys()].find((key) => key.endsWith(".tar.zst")) ?? "";
    const bytes = bytesOf(host.store, archive);
    await host.store.put("mainnet.tar.zst", bytes, { signal });
    const url = "file:///store/mainnet.tar.zst";
    const snapshot = { kind: "external", url } as const;
    const before = host.digest();
    const stops = host.node.stops;
    const wrong = "0".repeat(64);
    const published = host.published().length;
    for (const config of [
      restoreConfig(host, { snapshot, expectDigest: wrong }),
      verifyConfig({ snapshot, expectDigest: wrong }),
      importConfig(url, { expectDigest: wrong }),
    ]) {
      expect((await host.run(config)).error).toMatchObject({ code: "CHECKSUM_DIFFERS" });
    }
    expect([host.digest(), host.node.stops, host.published().length]).toEqual([before, stops, published]);
    const expectDigest = createHash("sha256").update(bytes).digest("hex");
    expect((await host.run(restoreConfig(host, { snapshot, expectDigest }))).error).toBeUndefined();
    expect(host.digest()).toBe(model.digest());
  });
});
