/**
 * Every kind of object on a store that cannot be read, once for each command that touches no node: it fails with a code and what to do, or does its
 * job without that object; what it says is so; and nothing else goes, neither from the store nor from the chainstate.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createChainstate } from "../../simulator/chainstate.ts";
import type { Config } from "../../src/config/config.ts";
import { ActionError, describeError } from "../../src/domain/errors.ts";
import { FakeHost, location, pruneConfig, snapshotConfig, verifyConfig, type Ended } from "./fake-host.ts";
import { Faults } from "./faults.ts";
import { whatIsUntrue } from "./independent-look.ts";

const host = new FakeHost();
let objects: typeof host.store.objects;
/** The first of the two; the second is the newest. */
let older = "";
let digest: string | undefined;

beforeAll(async () => {
  createChainstate(host.chainstateDir, { era: "nakamoto", height: 10 });
  for (const _ of [1, 2]) {
    const { error, report } = await host.run(snapshotConfig(host));
    if (error !== undefined) throw error;
    older ||= report.record.outputs.get("snapshot-id") ?? "";
  }
  objects = new Map(host.store.objects);
  digest = host.digest();
}, 600_000);
afterAll(() => host.remove());

const kinds = {
  "the archive": /\.tar\.zst$/u,
  "the index": /index\.json\.zst$/u,
  "the checksum beside it": /\.sha256$/u,
  "the manifest": /manifest\.json$/u,
  "the catalogue": /^catalog\.json$/u,
  latest: /^latest\.json$/u,
  "the page": /^index\.html$/u,
};

const damages = ["cannot be had", "is garbage", "is gone"] as const;

const commands: Readonly<Record<string, () => Config>> = {
  list: () => ({ command: "list", storage: location, filters: [], concurrency: 1 }),
  prune: () => pruneConfig(),
  verify: () => verifyConfig(),
};

/** Of the newest snapshot, or of the store. */
function damage(kind: RegExp, how: (typeof damages)[number]): string {
  const key = [...objects.keys()].find((name) => kind.test(name) && !name.includes(older));
  if (key === undefined) throw new Error(`there is no ${String(kind)}`);
  const found = objects.get(key);
  if (how === "is gone") host.store.objects.delete(key);
  if (how === "is garbage" && found !== undefined) {
    // As long as it was: nothing tells it but its content.
    const bytes = Uint8Array.from(found.bytes, (_, index) => (index * 37 + 11) % 251);
    host.store.objects.set(key, { ...found, bytes });
  }
  const label = new RegExp(`^store\\.(?:get|head|stream) .*${kind.source.replace(/^\^/u, "")}`, "u");
  if (how === "cannot be had") host.faults.fails = label;
  return key;
}

async function runAfter(command: string, kind: RegExp, how: (typeof damages)[number]) {
  host.store.objects.clear();
  for (const [key, object] of objects) host.store.objects.set(key, object);
  host.faults = new Faults();
  const damaged = damage(kind, how);
  const ended = await host.run(commands[command]!());
  host.faults = new Faults();
  return { damaged, ended };
}

/** What every other object was, it is; prune may have removed the older snapshot, which its rule lets go. */
function whatIsLost(command: string, damaged: string, { error }: Ended): readonly string[] {
  const derived = new Set(["catalog.json", "latest.json", "index.html", damaged]);
  const mayGo = (key: string): boolean => command === "prune" && error === undefined && key.includes(older);
  return [...objects.keys()].filter((key) => {
    if (derived.has(key) || mayGo(key)) return false;
    return host.store.objects.get(key)?.bytes !== objects.get(key)?.bytes;
  });
}

// A folder without a manifest is what a dead run left, and is removed as that when it is old.
const all = Object.entries(kinds).flatMap(([kind, pattern]) =>
  damages
    .filter((how) => kind !== "the manifest" || how !== "is gone")
    .map((how) => ({ kind, how, pattern })),
);

/** What is damaged on the store stays as it is, and an independent look tells it too. */
const ofDamage = /^the archive of .* is not what its manifest says|^the catalogue|^there is no latest/u;

function untrueOf(ended: Ended): readonly string[] {
  try {
    return whatIsUntrue(host, ended).filter((line) => !ofDamage.test(line));
  } catch (error) {
    // It reads the store as well.
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

function judge(command: string, kind: string, { error, report }: Ended): readonly string[] {
  const wrong: string[] = [];
  const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
  const { failure } = report.record;
  say(error !== undefined && !(error instanceof ActionError), `it failed of ${describeError(error)}`);
  say(failure?.code === "UNEXPECTED" || failure?.hint === "", `it failed with ${failure?.code}`);
  const isNeeded = kind === "the archive" || kind === "the index";
  say(command === "verify" && isNeeded && error === undefined, "it verified what cannot be read");
  const isDerived = kind === "the page" || kind === "the checksum beside it";
  say(isDerived && error !== undefined, `it failed of what it does not need: ${describeError(error)}`);
  return wrong;
}

describe.each(Object.keys(commands))("%s", (command) => {
  test.each(all)("where $kind $how", { timeout: 600_000 }, async ({ kind, how, pattern }) => {
    const { damaged, ended } = await runAfter(command, pattern, how);
    expect(whatIsLost(command, damaged, ended)).toEqual([]);
    expect([...untrueOf(ended), ...judge(command, kind, ended)]).toEqual([]);
    expect(host.node.running).toBe(true);
    expect(host.digest(), "the chainstate in place").toBe(digest);
    expect(host.journal()).toBeUndefined();
  });
});
