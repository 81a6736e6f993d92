/**
 * Every call that a restore makes fails once, before it took effect and after, and the run is killed at each: the
 * chainstate in place is the old one or the new one, whole, the node runs, and nothing is left that nobody needs.
 */
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RestoreConfig } from "../../../src/config/config.ts";
import { FakeHost, nodeOptions, restoreConfig, snapshotConfig, type Ended } from "../fake-host.ts";
import { faultsOf, Faults, killsOf } from "../faults.ts";
import {
  callsOf,
  digests,
  hosts,
  judge,
  judgeAfterPost,
  makeHost,
  model,
  old,
  publishModel,
  removeHosts,
} from "./restore-cases.ts";

beforeAll(publishModel);
afterAll(removeHosts);

describe.each([
  ["an archive", {}, false],
  ["a volume's snapshot", { method: "volume" }, false],
  ["a volume that is exchanged", { method: "volume" }, true],
] as const)("a restore of %s", (_name, given: Partial<RestoreConfig>, exchanges) => {
  test("is right whichever call fails", { timeout: 600_000 }, async () => {
    const wrong: string[] = [];
    for (const fault of faultsOf(await callsOf(given, exchanges))) {
      const host = makeHost(exchanges);
      host.faults.fault = fault;
      const ended = await host.run(restoreConfig(host, given));
      const done = ended.error === undefined;
      const found = [...judge(host, ended), ...judgeAfterPost(host, await host.post(), { done })];
      wrong.push(...found.map((what) => `${fault.call} ${fault.when} ${fault.name}: ${what}`));
      host.remove();
    }
    expect(wrong).toEqual([]);
  });

  test("is right wherever it is killed, once the post step has run", { timeout: 600_000 }, async () => {
    const wrong: string[] = [];
    for (const fault of killsOf(await callsOf(given, exchanges))) {
      const host = makeHost(exchanges);
      host.faults.fault = fault;
      await host.run(restoreConfig(host, given));
      const found = judgeAfterPost(host, await host.post(), { killed: true });
      wrong.push(...found.map((what) => `${fault.call} killed ${fault.name}: ${what}`));
      host.remove();
    }
    expect(wrong).toEqual([]);
  });
});

test("below directories that are not there yet, a dry run says what the run does", async () => {
  const host = makeHost();
  host.node.running = false;
  const node = { ...nodeOptions, startNode: "as-before" } as const;
  const made = restoreConfig(host, { chainstateDir: join(host.root, "a", "b", "mainnet"), node });
  const dry = await host.run({ ...made, dryRun: true });
  expect(dry.error).toBeUndefined();
  expect(existsSync(join(host.root, "a"))).toBe(false);
  expect((await host.run(made)).error).toBeUndefined();
  expect(host.digest(made.chainstateDir)).toBe(digests.new);
  writeFileSync(join(host.root, "file"), "");
  for (const [place, code] of [
    [join(host.root, "file", "mainnet"), "TARGET_NO_CHAINSTATE"],
    [join(host.root, "file", "b", "mainnet"), "TARGET_NO_CHAINSTATE"],
  ] as const) {
    for (const dryRun of [true, false]) {
      const { error } = await host.run(restoreConfig(host, { chainstateDir: place, node, dryRun }));
      expect(error).toMatchObject({ code });
    }
  }
});

describe("what is replaced is identified first", () => {
  const refused = async (host: FakeHost, given: Partial<RestoreConfig>): Promise<Ended> => {
    const dry = await host.run(restoreConfig(host, { ...given, dryRun: true }));
    const real = await host.run(restoreConfig(host, given));
    expect(dry.error).toMatchObject({ code: (real.error as { code?: string }).code });
    expect(host.node.stops).toBe(0);
    return real;
  };

  test("the node's working directory is not, and the chainstate in it is named", async () => {
    const host = makeHost();
    const chainstateDir = dirname(host.chainstateDir);
    writeFileSync(join(chainstateDir, "config.toml"), "seed");
    const { error } = await refused(host, { chainstateDir });
    expect(error).toMatchObject({ code: "TARGET_NO_CHAINSTATE" });
    expect((error as { hint?: string }).hint).toContain(`Did you mean ${host.chainstateDir}?`);
    expect(existsSync(join(chainstateDir, "config.toml"))).toBe(true);
    expect(host.digest()).toBe(digests.old);
  });

  test.each(["Config.toml", "signer.sqlite", ".env", "node.key"])(
    "a chainstate with %s in it is not",
    async (name) => {
      const host = makeHost();
      writeFileSync(join(host.chainstateDir, name), "");
      expect((await refused(host, {})).error).toMatchObject({ code: "TARGET_NO_CHAINSTATE" });
    },
  );

  test("storage or cache inside the chainstate, or around it, is refused", async () => {
    const host = makeHost();
    for (const directory of [
      join(host.chainstateDir, "store"),
      host.chainstateDir,
      dirname(host.chainstateDir),
    ]) {
      const storage = { scheme: "file", url: "", directory } as const;
      expect((await refused(host, { storage })).error).toMatchObject({ code: "PATHS_OVERLAP" });
      const cache = { kind: "directory", path: directory } as const;
      expect((await refused(host, { cache })).error).toMatchObject({ code: "PATHS_OVERLAP" });
      expect((await host.run(snapshotConfig(host, { storage }))).error).toMatchObject({
        code: "PATHS_OVERLAP",
      });
    }
  });

  test.each([
    ["absent", "CHAINSTATE_DIR_MISSING"],
    ["empty", "CHAINSTATE_NOT_FOUND"],
    ["file", "CHAINSTATE_NOT_FOUND"],
    ["parent", "CHAINSTATE_NOT_FOUND"],
  ])("a snapshot of what is %s is refused in the dry run too", async (name, code) => {
    const host = makeHost();
    mkdirSync(join(host.root, "empty"));
    writeFileSync(join(host.root, "file"), "");
    const chainstateDir = name === "parent" ? dirname(host.chainstateDir) : join(host.root, name);
    for (const dryRun of [true, false]) {
      const { error } = await host.run(snapshotConfig(host, { chainstateDir, dryRun }));
      expect(error).toMatchObject({ code });
      expect((error as { hint?: string }).hint?.includes("Did you mean")).toBe(name === "parent");
    }
    expect(host.node.stops).toBe(0);
  });
});

test("keep-previous twice with one snapshot keeps both", async () => {
  const host = makeHost();
  for (const _ of [1, 2]) {
    const { error } = await host.run(restoreConfig(host, { keepPrevious: true }));
    expect(error).toBeUndefined();
  }
  expect(host.besides().filter((name) => name.endsWith("-old"))).toHaveLength(2);
});

test("what a restore of mainnet-2 has unpacked is not removed by one of mainnet", async () => {
  const host = makeHost();
  const second = `${host.chainstateDir}-2`;
  cpSync(old, second, { recursive: true });
  host.faults.killAt = /^node\.stop/;
  await host.run(restoreConfig(host, { chainstateDir: second }));
  host.faults = new Faults();
  const [staged] = host.besides();
  expect(staged).toContain("mainnet-2");
  expect((await host.run(restoreConfig(host))).error).toBeUndefined();
  expect(host.besides()).toContain(staged);
});

test.each(["archive", "volume"] as const)(
  "by %s a node that is too old for what the producer's wrote is not stopped",
  async (method) => {
    const producer = new FakeHost();
    hosts.push(producer);
    producer.node.version = "4.0.2";
    cpSync(model.chainstateDir, producer.chainstateDir, { recursive: true });
    const taken = await producer.run(snapshotConfig(producer, { method: "both" }));
    expect(taken.error).toBeUndefined();
    const host = makeHost();
    host.store.objects.clear();
    for (const [key, object] of producer.store.objects) host.store.objects.set(key, object);
    cpSync(producer.volumes.directory, host.volumes.directory, { recursive: true });
    host.node.version = "3.3.0.0.5";
    const { error } = await host.run(restoreConfig(host, { method }));
    expect(error).toMatchObject({ code: "SCHEMA_NEWER" });
    expect({ stops: host.node.stops, digest: host.digest() }).toEqual({ stops: 0, digest: digests.old });
  },
);
