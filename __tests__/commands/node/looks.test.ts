/** The checks of a chainstate go on between the two looks at its files, and count only if nobody has written. */
import { appendFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import { FakeHost, snapshotConfig } from "../fake-host.ts";

let host: FakeHost;

beforeEach(() => {
  host = new FakeHost();
  createChainstate(host.chainstateDir, { era: "nakamoto", height: 20 });
});
afterEach(() => host.remove());

function breakChainstate(): void {
  truncateSync(join(host.chainstateDir, "chainstate/vm/clarity/marf.sqlite.blobs"), 100);
}

/** As a node on another host does, which nothing here can see. */
function writeWhileWaiting(): void {
  const sleep = host.clock.sleep.bind(host.clock);
  host.clock.sleep = async (ms, signal) => {
    appendFileSync(join(host.chainstateDir, "chainstate/vm/index.sqlite-wal"), "x");
    await sleep(ms, signal);
  };
}

test("the second look comes after the checks", async () => {
  const { error, log } = await host.run(snapshotConfig(host));
  expect(error).toBeUndefined();
  expect(log).toMatch(/no-open-files: .*Check chainstate consistency.*files-stable: /s);
});

test("a chainstate that is not consistent is said to be that where nobody writes", async () => {
  breakChainstate();
  expect((await host.run(snapshotConfig(host))).error).toMatchObject({ code: "CHAINSTATE_INCONSISTENT" });
});

test.each([
  ["one that looks consistent", () => undefined],
  ["one that does not", breakChainstate],
])("that somebody writes is the error, with %s", async (_name, prepare) => {
  prepare();
  writeWhileWaiting();
  const { error, report } = await host.run(snapshotConfig(host));
  expect(error).toMatchObject({ code: "CHAINSTATE_NOT_AT_REST" });
  expect(host.node.running).toBe(true);
  expect(host.published()).toEqual([]);
  expect(report.record.node).toBe("running");
});
