/** Restores over a chainstate that is older, for matrices of what can happen to them; and what has to be so afterwards. */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import type { RestoreConfig } from "../../../src/config/config.ts";
import { FakeHost, publishNewer, restoreConfig, type Ended } from "../fake-host.ts";
import { cleansUp, injectedIn } from "../faults.ts";
import { whatIsUntrue } from "../independent-look.ts";

export const model = new FakeHost();
export const hosts: FakeHost[] = [model];
export const old = join(model.root, "old", "mainnet");
export const digests = { old: "", new: "" };

/** Publishes what is restored; once, before all. */
export async function publishModel(): Promise<void> {
  await publishNewer(model, old, { method: "both" });
  digests.new = model.digest() ?? "";
  digests.old = model.digest(old) ?? "";
}

export function removeHosts(): void {
  for (const host of hosts) host.remove();
}

/** A host with an older chainstate, on the store that has a snapshot of the newer one. */
export function makeHost(exchanges = false): FakeHost {
  const host = FakeHost.like(model, old);
  hosts.push(host);
  // Volumes are exchanged; else one is made a directory of.
  if (exchanges) host.volumes.exchanges = host.chainstateDir;
  return host;
}

export function judge(host: FakeHost, ended: Ended): readonly string[] {
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
  wrong.push(...saysUntrue(host, ended));
  const hasBegun = host.faults.calls.some((call) => /^(?:files\.move|exchange\.swap)/.test(call));
  say(error !== undefined && hasBegun && record.chainstate === undefined, "did not say which is in place");
  say(record.node === "not-touched" && host.node.stops > 0, "said that the node was not touched");
  say(error === undefined && record.outputs.get("node-running") !== "true", "node-running is not true");
  const scratch = host.leftInTemp();
  say(scratch.length > 0, `left in the temporary directory: ${scratch.join()}`);
  return wrong;
}

/** Of the chainstate in place; that it is not known is no lie. */
export function saysUntrue(host: FakeHost, { report }: Ended): readonly string[] {
  const { chainstate, step } = report.record;
  const digest = host.digest();
  const is = digest === undefined ? "nothing" : digest === digests.new ? "new" : "old";
  const isTrue = chainstate === undefined || chainstate === "unknown" || chainstate === is;
  return isTrue ? [] : [`${step} said that the chainstate in place is ${chainstate}, and it is ${is}`];
}

export function judgeAfterPost(
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
  wrong.push(...saysUntrue(host, ended));
  say(chainstate === "unknown", "post did not know which chainstate is in place");
  say(host.journal() !== undefined, "the journal is left");
  say(!host.node.running, "after post the node is down");
  say(host.watchdogs > 0, "the watchdog is armed");
  say(!done && log.includes("✅"), "the post step said that the run was done");
  return [...wrong, ...whatIsLeft(host, ended)];
}

/** Beside the chainstate, of no use to anybody. */
export function whatIsLeft(host: FakeHost, { log }: Pick<Ended, "log">): readonly string[] {
  const olds = host.besides().filter((name) => name.endsWith("-old"));
  const isNamed = olds.length === 0 || log.includes("The old one is kept at");
  const beside = dirname(host.chainstateDir);
  const empty = host.besides().filter((name) => readdirSync(join(beside, name)).length === 0);
  const isKept = existsSync(host.volumes.kept) && !log.includes("The old one");
  return [
    ...(isKept ? ["the old volume is left"] : []),
    ...(isNamed ? [] : [`an old chainstate is left: ${olds.join()}`]),
    ...(empty.length === 0 ? [] : [`an empty directory is left: ${empty.join()}`]),
  ];
}

/** What a restore calls that goes well. */
export async function callsOf(given: Partial<RestoreConfig>, exchanges = false): Promise<readonly string[]> {
  const host = makeHost(exchanges);
  const ended = await host.run(restoreConfig(host, given));
  expect(ended.error).toBeUndefined();
  expect(judge(host, ended)).toEqual([]);
  expect(host.journal()).toBeUndefined();
  expect(host.besides()).toEqual([]);
  return host.faults.calls;
}
