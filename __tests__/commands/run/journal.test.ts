/** What a run leaves is finished by the next one, and what cannot be removed blocks nobody and is not forgotten. */
import { existsSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import { takeJournal } from "../../../src/recovery/journal.ts";
import type { Journal } from "../../../src/recovery/journal.ts";
import { FakeHost, nodeOptions, pruneConfig, restoreConfig, snapshotConfig } from "../fake-host.ts";
import { Faults } from "../faults.ts";

const model = new FakeHost();
const hosts: FakeHost[] = [model];
beforeAll(() => void createChainstate(model.chainstateDir, { era: "nakamoto", height: 20 }));
afterAll(() => {
  for (const host of hosts) host.remove();
});

function makeHost(): FakeHost {
  const host = FakeHost.like(model);
  hosts.push(host);
  return host;
}

/** A run that is killed at the first call of that name. */
async function dieAt(host: FakeHost, name: RegExp): Promise<void> {
  host.faults.killAt = name;
  await host.run(snapshotConfig(host));
  expect(host.faults.isDead).toBe(true);
  host.faults = new Faults();
}

test("a run that finishes what a dead one left has a journal of its own", async () => {
  const host = makeHost();
  await dieAt(host, /^upload.writePart/);
  expect(host.journal()).toMatchObject({ command: "snapshot", uploads: [{}] });
  const seen: unknown[] = [];
  host.faults.onCall = () => {
    const { command, sudo, runId } = host.journal() ?? {};
    seen.push(`${command} ${sudo} ${runId}`);
  };
  const { error } = await host.run(
    restoreConfig(host, { dryRun: true, node: { ...nodeOptions, sudo: "auto" } }),
  );
  // There is nothing to restore; what counts is whose journal it was while it looked.
  expect(error).toMatchObject({ code: "SNAPSHOT_NOT_FOUND" });
  expect(seen.at(-1)).toBe(`restore auto run-2`);
  expect(await host.openUploads()).toBe(0);
  expect(host.journal()).toBeUndefined();
});

test("an upload that cannot be taken back is kept in mind and blocks no other run", async () => {
  const host = makeHost();
  await dieAt(host, /^upload.writePart/);
  host.faults.fails = /^store\.abortUpload/;
  const second = await host.run(snapshotConfig(host));
  expect(second.error).toBeUndefined();
  expect(second.log).toContain("tried again by the next run: upload of");
  expect(host.journal()).toMatchObject({ runId: "run-2", uploads: [{}] });
  expect(await host.openUploads()).toBe(1);
  host.faults = new Faults();
  expect((await host.run(snapshotConfig(host))).error).toBeUndefined();
  expect(await host.openUploads()).toBe(0);
  expect(host.journal()).toBeUndefined();
});

test("what a run that succeeds cannot clean up is not forgotten", async () => {
  const host = makeHost();
  host.faults.fails = /^(frozen\.release|freezer\.cleanUp)/;
  const { error } = await host.run(snapshotConfig(host));
  expect(error).toBeUndefined();
  expect(host.journal()).toMatchObject({ frozen: [{ freezer: "reflink", runId: "run-1" }] });
  expect(host.clones()).toHaveLength(1);
  const post = await host.post();
  expect(post.error).toBeUndefined();
  expect(host.clones()).toEqual([]);
  expect(host.journal()).toBeUndefined();
});

test("the post step of a run that was killed says so, and what it did for the node", async () => {
  const host = makeHost();
  await dieAt(host, /^freezer.freeze/);
  expect(host.node.running).toBe(false);
  const post = await host.post();
  expect(post.error).toBeUndefined();
  expect(host.node.running).toBe(true);
  expect(post.log).toContain(
    "⚠️ The snapshot of this job was ended before it was done; what it left is cleaned up.",
  );
  expect(post.log).toContain("The node is running.");
  expect(post.log).not.toMatch(/✅|not touched|Nothing was left/);
  expect(existsSync(host.chainstateDir)).toBe(true);
});

test("the post step of a killed run whose node cannot be started says that it is down", async () => {
  const host = makeHost();
  await dieAt(host, /^freezer.freeze/);
  host.node.broken = true;
  const post = await host.post();
  expect(post.error).toBeInstanceOf(Error);
  expect(post.log).toContain("The node is NOT running.");
  expect(host.clones()).toEqual([]);
});

/** The journal of a run that was killed while a program of the node worked in a container; it is held. */
async function withContainer(host: FakeHost): Promise<Journal> {
  await dieAt(host, /^upload.writePart/);
  const journal = await takeJournal(host.state.journalPath ?? "", {
    role: "main",
    signal: new AbortController().signal,
  });
  if (journal === undefined) throw new Error("the run has left no journal");
  const entry = { cli: "docker", elevated: false, environment: {}, runId: "run-1", owner: host.stateDir };
  await journal.update({ containers: [entry] });
  host.containers.add("run-1").add("of somebody else");
  return journal;
}

test("a container that a killed run has left is ended by the next run of any command", async () => {
  const host = makeHost();
  const journal = await withContainer(host);
  // Alive as far as anybody can see.
  const beside = await host.run(pruneConfig());
  expect(beside.error).toBeUndefined();
  expect(beside.log).not.toContain("Could not");
  expect([...host.containers]).toEqual(["run-1", "of somebody else"]);
  journal.release();
  const { error, log } = await host.run(pruneConfig());
  expect(error).toBeUndefined();
  expect(log).toContain("A container that run run-1 had left is ended and removed.");
  expect([...host.containers]).toEqual(["of somebody else"]);
  // The rest is for a run on that chainstate.
  expect(host.journal()).toMatchObject({ runId: "run-1", containers: [], uploads: [{}] });
});

test("an engine that does not answer keeps no run from anything, and its container is not forgotten", async () => {
  const host = makeHost();
  (await withContainer(host)).release();
  host.faults.fails = /^images\.remove/;
  for (const config of [pruneConfig(), snapshotConfig(host)]) {
    const { error, log } = await host.run(config);
    expect(error).toBeUndefined();
    expect(log).toContain("tried again by the next run: container of run run-1 (docker)");
    expect(host.journal()).toMatchObject({ containers: [{ runId: "run-1" }] });
  }
  host.faults = new Faults();
  expect((await host.run(pruneConfig())).error).toBeUndefined();
  expect([...host.containers]).toEqual(["of somebody else"]);
});

test("the post step ends the container of its run", async () => {
  const host = makeHost();
  (await withContainer(host)).release();
  expect((await host.post()).error).toBeUndefined();
  expect([...host.containers]).toEqual(["of somebody else"]);
  expect(host.journal()).toBeUndefined();
});
