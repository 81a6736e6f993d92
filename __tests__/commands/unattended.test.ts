/**
 * A run that is killed and has no post step (its runner is gone, or its host was): the restart watchdog brings back what
 * cannot wait, and the next run finds and finishes the rest, with the watchdog's help or without it.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RestoreConfig, SnapshotConfig } from "../../src/config/config.ts";
import { placeOf } from "../../src/recovery/content.ts";
import { restoreConfig, snapshotConfig, type Ended, type FakeHost } from "./fake-host.ts";
import { Faults, killsOf, type Fault } from "./faults.ts";
import * as restores from "./restore/restore-cases.ts";
import * as snapshots from "./snapshot/snapshot-cases.ts";

beforeAll(async () => {
  snapshots.makeModel();
  await restores.publishModel();
});
afterAll(() => {
  snapshots.removeHosts();
  restores.removeHosts();
});

interface Kind {
  /** Where it is killed. */
  readonly kills: () => Promise<readonly (Fault & { readonly name: string })[]>;
  readonly makeHost: () => FakeHost;
  readonly run: (host: FakeHost) => Promise<Ended>;
  /** What is untrue or left, when the run after the killed one has ended. */
  readonly judge: (host: FakeHost, next: Ended) => readonly string[];
}

const aRestore = (given: Partial<RestoreConfig>, which = /./): Kind => ({
  kills: async () => killsOf(await restores.callsOf(given)).filter(({ name }) => which.test(name)),
  makeHost: restores.makeHost,
  run: async (host) => await host.run(restoreConfig(host, given)),
  judge: (host, next) => [...restores.judge(host, next), ...restores.whatIsLeft(host, next)],
});
const aSnapshot = (given: Partial<SnapshotConfig>): Kind => ({
  kills: async () => killsOf(await snapshots.callsOf(given)),
  makeHost: snapshots.makeHost,
  run: async (host) => await host.run(snapshotConfig(host, given)),
  judge: (host, next) => snapshots.judge(host, next),
});

const kinds = {
  "a snapshot": aSnapshot({}),
  "a restore of an archive": aRestore({}),
  // What the two have in common is the same as above.
  "a restore of a volume's snapshot": aRestore({ method: "volume" }, /^(?:volume|files)\./),
};

/** Each in turn: what is wrong when `come` has come after it. */
async function afterEachKill(
  { kills, makeHost, run }: Kind,
  come: (host: FakeHost) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const fault of await kills()) {
    const host = makeHost();
    host.faults.fault = fault;
    await run(host);
    host.faults = new Faults();
    const found = await come(host);
    wrong.push(...found.map((what) => `${fault.call} killed ${fault.name}: ${what}`));
    host.remove();
  }
  return wrong;
}

/** The watchdog reports nothing: what it leaves has to be what its journal says. */
async function judgeWatched(host: FakeHost): Promise<readonly string[]> {
  const wrong: string[] = [];
  const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
  const { end, log } = await host.watch();
  say(
    end === undefined || end === "gave-up" || end === "owner-alive",
    `the watchdog ended with ${end}: ${log}`,
  );
  say(!host.node.running, "the node is down after the watchdog");
  const content = host.journal();
  say(content?.node?.mustStart === true, "the journal says that the node is still to be started");
  const place = content === undefined ? undefined : placeOf(content);
  say(place === "unknown", "the exchange is left half done");
  const isOfRestore = content?.command === "restore";
  const is = host.digest() === restores.digests.new ? "new" : "old";
  say(
    isOfRestore && place !== undefined && place !== is,
    `the journal says that the ${place} one is in place`,
  );
  say(
    isOfRestore && is === "old" && host.digest() !== restores.digests.old,
    "neither chainstate is in place",
  );
  return wrong;
}

/** The next run of the same kind, and what it says of the one before. */
async function judgeNext(kind: Kind, host: FakeHost): Promise<readonly string[]> {
  const hadJournal = host.journal() !== undefined;
  const next = await kind.run(host);
  const wrong = [...kind.judge(host, next)];
  const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(`the next run: ${what}`));
  say(next.error !== undefined, `failed: ${String(next.error)}`);
  say(hadJournal && !next.log.includes("ended before it was done"), "did not say that one was killed");
  say(host.journal() !== undefined, "the journal is left");
  say(host.watchdogs > 0, "a watchdog is armed");
  say(host.clones().length > 0, "a frozen view is left");
  say((await host.openUploads()) > 0, "an upload is left");
  say(host.leftInState().length > 0, `left in the state directory: ${host.leftInState().join()}`);
  return wrong;
}

describe.each(Object.entries(kinds))("%s that is killed without a post step", (_name, kind) => {
  test("is brought back by the watchdog and finished by the next run", { timeout: 600_000 }, async () => {
    const wrong = await afterEachKill(kind, async (host) => [
      ...(await judgeWatched(host)),
      ...(await judgeNext(kind, host)),
    ]);
    expect(wrong).toEqual([]);
  });

  test("is brought back and finished by the next run alone", { timeout: 600_000 }, async () => {
    const wrong = await afterEachKill(kind, async (host) => await judgeNext(kind, host));
    expect(wrong).toEqual([]);
  });
});

test("the figures of the success before it are neither lost nor taken for its own", async () => {
  const host = snapshots.makeHost();
  expect((await host.run(snapshotConfig(host))).error).toBeUndefined();
  const before = readFileSync(host.metricsFile, "utf8");
  host.faults.killAt = /^freezer\.freeze/u;
  await host.run(snapshotConfig(host));
  await host.watch();
  expect(readFileSync(host.metricsFile, "utf8")).toBe(before);
});
