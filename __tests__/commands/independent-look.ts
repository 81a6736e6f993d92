/**
 * What a run has said, in every place where it says something, against what somebody finds who looks without the action's code:
 * outcome line, metrics, outputs, catalogue, node.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import type { Ended, FakeHost } from "./fake-host.ts";

/** `killed`: the run that this speaks of was, and this is its post step. What is untrue, in words. */
export function whatIsUntrue(host: FakeHost, ended: Ended, { killed = false } = {}): readonly string[] {
  const { error, log, report } = ended;
  const { record } = report;
  const isPost = record.step === "post";
  const wrong: string[] = [];
  const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
  const speaks = !isPost || killed;
  say(
    speaks && log.includes("✅") !== (error === undefined && !killed),
    `the outcome line: ${outcomeOf(log)}`,
  );
  if (speaks && record.command !== "") {
    const success = successIn(host, record.command);
    const isDone = error === undefined && !killed;
    say(success !== (isDone ? "1" : "0"), `the metrics say last_run_success ${success}`);
  }
  const { running } = host.node;
  say(record.node === "running" && !running, "it says that the node runs, and it does not");
  const isSaidDown = record.node === "down" || record.node === "left-down";
  say(isSaidDown && running, `it says that the node is ${record.node}, and it runs`);
  const output = record.outputs.get("node-running");
  say(output === "true" && !running, "node-running is true, and it does not run");
  say(output === "false" && running, "node-running is false, and it runs");
  return [...wrong, ...whatIsWrongOnStore(host, error === undefined && !killed && !isPost)];
}

function outcomeOf(log: string): string {
  return log.split("\n").findLast((line) => /[✅❌⚠]/u.test(line)) ?? "none";
}

function successIn(host: FakeHost, command: string): string {
  const text = existsSync(host.metricsFile) ? readFileSync(host.metricsFile, "utf8") : "";
  const name = `last_run_success\\{command="${command}"[^}]*\\}`;
  return new RegExp(`${name} (\\d)`, "u").exec(text)?.[1] ?? "nothing";
}

/** `isWhole`: a run ended well, so that whoever reads the catalogue sees all of it. */
function whatIsWrongOnStore(host: FakeHost, isWhole: boolean): readonly string[] {
  const { objects } = host.store;
  const read = (key: string): unknown => {
    const bytes = objects.get(key)?.bytes;
    return bytes === undefined ? undefined : JSON.parse(Buffer.from(bytes).toString());
  };
  const wrong: string[] = [];
  const published = host.published();
  for (const id of published) {
    const { archive } = read(`snapshots/${id}/manifest.json`) as {
      archive?: { key: string; sha256: string };
    };
    if (archive === undefined) continue;
    const bytes = objects.get(archive.key)?.bytes;
    const digest = bytes === undefined ? "none" : createHash("sha256").update(bytes).digest("hex");
    if (digest !== archive.sha256) wrong.push(`the archive of ${id} is not what its manifest says`);
  }
  const catalog = read("catalog.json") as { snapshots: readonly { id: string }[] } | undefined;
  const listed = catalog?.snapshots.map(({ id }) => id) ?? [];
  const { id: latest } = (read("latest.json") ?? {}) as { id?: string };
  const absent = [...listed, ...(latest === undefined ? [] : [latest])].filter(
    (id) => !published.includes(id),
  );
  if (absent.length > 0) wrong.push(`the catalogue names what is not there: ${absent.join()}`);
  const missing = published.filter((id) => !listed.includes(id));
  if (isWhole && missing.length > 0) wrong.push(`the catalogue lacks ${missing.join()}`);
  if (isWhole && published.length > 0 && latest === undefined) wrong.push("there is no latest");
  return wrong;
}
