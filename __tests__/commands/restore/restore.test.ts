/**
 * Every call that a restore makes fails once, before it took effect and after, and the run is killed at each: the
 * chainstate in place is the old one or the new one, whole, the node runs, and nothing is left that nobody needs.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RestoreConfig } from "../../../src/config/config.ts";
import type { RunRecord } from "../../../src/report/record.ts";
import {
  FakeHost,
  nodeOptions,
  publishNewer,
  restoreConfig,
  snapshotConfig,
  type Ended,
} from "../fake-host.ts";
import { cleansUp, faultsOf, Faults, injectedIn, killsOf } from "../faults.ts";
import { whatIsUntrue } from "../independent-look.ts";

const model = new FakeHost();
const hosts: FakeHost[] = [model];
const old = join(model.root, "old", "mainnet");
const digests = { old: "", new: "" };

beforeAll(async () => {
  await publishNewer(model, old, { method: "both" });
  digests.new = model.digest() ?? "";
  digests.old = model.digest(old) ?? "";
});
afterAll(() => {
  for (const host of hosts) host.remove();
});

/** A host with an older chainstate, on the store that has a snapshot of the newer one. */
function makeHost(): FakeHost {
  const host = FakeHost.like(model, old);
  hosts.push(host);
  return host;
}

function judge(host: FakeHost, ended: Ended): readonly string[] {
  const { error, report } = ended;
  const wrong: string[] = [...whatIsUntrue(host, ended)];
  const { record } = report;
  const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
  const digest = host.digest();
  const fault = injectedIn(error);
  say(error !== undefined && fault === undefined, `another error: ${String(error)}`);
  say(fault !== undefined && cleansUp.test(fault.call), `clean-up failed the run: ${fault?.message}`);
  say(
    digest !== digests.old && digest !== digests.new,
    "neither the old chainstate nor the new one is in place",
  );
  say(error === undefined && digest !== digests.new, "ended well without the new chainstate");
  say(error !== undefined && digest !== digests.old, "failed, and the new chainstate is in place");
  say(!host.node.running, "the node is down");
  say(record.node === "down" || record.node === "left-down", `said that the node is ${record.node}`);
  say(isUntrue(record.chainstate, digest), `said that the chainstate in place is ${record.chainstate}`);
  const hasBegun = host.faults.calls.some((call) => call.startsWith("files.move"));
  say(error !== undefined && hasBegun && record.chainstate === undefined, "did not say which is in place");
  say(record.node === "not-touched" && host.node.stops > 0, "said that the node was not touched");
  say(error === undefined && record.outputs.get("node-running") !== "true", "node-running is not true");
  const scratch = host.leftInTemp();
  say(scratch.length > 0, `left in the temporary directory: ${scratch.join()}`);
  return wrong;
}

function isUntrue(place: RunRecord["chainstate"], digest: string | undefined): boolean {
  return place !== undefined && digest !== (place === "new" ? digests.new : digests.old);
}

function judgeAfterPost(
  host: FakeHost,
  ended: Ended,
  { killed = false, done = false } = {},
): readonly string[] {
  const { error, log, report } = ended;
  const wrong: string[] = [...whatIsUntrue(host, ended, { killed })];
  const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
  const digest = host.digest();
  say(error !== undefined, `post failed: ${String(error)}`);
  say(digest !== digests.old && digest !== digests.new, "after post neither chainstate is in place");
  const { chainstate, node } = report.record;
  say(killed && node !== "running" && node !== "not-touched", `post said that the node is ${node}`);
  say(isUntrue(chainstate, digest), `post said that the chainstate in place is ${chainstate}`);
  say(host.journal() !== undefined, "the journal is left");
  say(!host.node.running, "after post the node is down");
  say(host.watchdogs > 0, "the watchdog is armed");
  say(!done && log.includes("✅"), "the post step said that the run was done");
  const olds = host.besides().filter((name) => name.endsWith("-old"));
  say(
    olds.length > 0 && !log.includes("The old one is kept at"),
    `an old chainstate is left: ${olds.join()}`,
  );
  const empty = host
    .besides()
    .filter((name) => readdirSync(join(dirname(host.chainstateDir), name)).length === 0);
  say(empty.length > 0, `an empty directory is left: ${empty.join()}`);
  return wrong;
}

describe.each([
  ["an archive", {}],
  ["a volume's snapshot", { method: "volume" }],
] as const)("a restore of %s", (_name, given: Partial<RestoreConfig>) => {
  const callsOf = async (): Promise<readonly string[]> => {
    const host = makeHost();
    const ended = await host.run(restoreConfig(host, given));
    expect(ended.error).toBeUndefined();
    expect(judge(host, ended)).toEqual([]);
    expect(host.journal()).toBeUndefined();
    expect(host.besides()).toEqual([]);
    return host.faults.calls;
  };

  test("is right whichever call fails", { timeout: 600_000 }, async () => {
    const wrong: string[] = [];
    for (const fault of faultsOf(await callsOf())) {
      const host = makeHost();
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
    for (const fault of killsOf(await callsOf())) {
      const host = makeHost();
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

test("keep-previous twice with one snapshot keeps both", { timeout: 120_000 }, async () => {
  const host = makeHost();
  for (const _ of [1, 2]) {
    const { error } = await host.run(restoreConfig(host, { keepPrevious: true }));
    expect(error).toBeUndefined();
  }
  expect(host.besides().filter((name) => name.endsWith("-old"))).toHaveLength(2);
});

test(
  "what a restore of mainnet-2 has unpacked is not removed by one of mainnet",
  { timeout: 120_000 },
  async () => {
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
  },
);

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
