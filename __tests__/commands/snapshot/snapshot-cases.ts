/** Snapshots of a small chainstate, for matrices of what can happen to them; and what has to be so afterwards. */
import { expect } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import type { SnapshotConfig } from "../../../src/config/config.ts";
import { FakeHost, snapshotConfig, type Ended } from "../fake-host.ts";
import { cleansUp, injectedIn } from "../faults.ts";
import { whatIsUntrue } from "../independent-look.ts";

const model = new FakeHost();
const hosts: FakeHost[] = [model];
/** Makes the chainstate that snapshots are taken of; once, before all. */
export function makeModel(): void {
  createChainstate(model.chainstateDir, { era: "nakamoto", height: 10 });
}

export function removeHosts(): void {
  for (const host of hosts) host.remove();
}

export function makeHost(): FakeHost {
  const host = FakeHost.like(model);
  hosts.push(host);
  return host;
}

/** What has to be so however a snapshot ended. */
export function judge(host: FakeHost, ended: Ended): readonly string[] {
  const { error, report } = ended;
  const wrong: string[] = [...whatIsUntrue(host, ended)];
  const { record } = report;
  const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
  const published = host.published();
  const fault = injectedIn(error);
  say(error !== undefined && fault === undefined, `another error: ${String(error)}`);
  say(fault !== undefined && cleansUp.test(fault.call), `clean-up failed the run: ${fault?.message}`);
  say(!host.node.running, "the node is down");
  say(record.node === "down" || record.node === "left-down", `said that the node is ${record.node}`);
  say(record.node === "not-touched" && host.node.stops > 0, "said that the node was not touched");
  say(record.outputs.get("node-running") === "false", "node-running is false");
  const output = record.outputs.get("snapshot-id");
  say(error === undefined && published.length === 0, "nothing was published");
  say(published.length > 0 && output === undefined, "the snapshot that was published is not in the outputs");
  say(published.length === 0 && output !== undefined, "a snapshot that was not published is in the outputs");
  say(host.watchdogs > 0 && host.journal() === undefined, "a watchdog without a journal is left");
  return wrong;
}

/** What has to be so after the post step. */
export async function judgeAfterPost(
  host: FakeHost,
  ended: Ended,
  killed = false,
): Promise<readonly string[]> {
  const { error } = ended;
  const wrong: string[] = [...whatIsUntrue(host, ended, { killed })];
  const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
  const { node } = ended.report.record;
  say(killed && node !== "running" && node !== "not-touched", `post said that the node is ${node}`);
  say(error !== undefined, `post failed: ${String(error)}`);
  say(host.journal() !== undefined, "the journal is left");
  say(!host.node.running, "the node is down");
  say(host.watchdogs > 0, "the watchdog is armed");
  say(host.clones().length > 0, "a frozen view is left");
  say((await host.openUploads()) > 0, "an upload is left");
  return wrong;
}

/** What a snapshot calls that goes well. */
export async function callsOf(given: Partial<SnapshotConfig>): Promise<readonly string[]> {
  const host = makeHost();
  const ended = await host.run(snapshotConfig(host, given));
  expect(ended.error).toBeUndefined();
  expect(judge(host, ended)).toEqual([]);
  expect(host.journal()).toBeUndefined();
  return host.faults.calls;
}
