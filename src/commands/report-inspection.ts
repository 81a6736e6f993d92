/** What was found in a chainstate, for the log, the summary and the outputs. */
import type { Inspection } from "../chainstate/inspect.ts";
import type { CheckResult } from "../domain/manifest.ts";
import type { Reporter } from "../report/port.ts";

export function reportInspection(report: Reporter, { facts, checks }: Inspection): void {
  for (const { id, result, detail } of checks) report.info(`${id} ${result}: ${detail}`);
  const { schemas } = facts;
  report.output("stacks-height", String(facts.stacksHeight));
  if (facts.burnHeight !== null) report.output("burn-height", String(facts.burnHeight));
  report.fact(
    "Stacks height",
    `${facts.stacksHeight}${facts.stacksTip === null ? "" : ` (${facts.stacksTip.slice(0, 16)}…)`}`,
  );
  if (facts.burnHeight !== null) report.fact("Burn height", String(facts.burnHeight));
  report.fact("Chain", `${facts.network}, ${facts.epochEra}${facts.pruned ? ", pruned" : ""}`);
  const versions = Object.entries(schemas).flatMap(([name, version]) =>
    version === null ? [] : [`${name} ${version}`],
  );
  if (versions.length > 0) report.fact("Schemas", versions.join(", "));
  const made = checks.filter(({ result }) => result !== "not-made");
  const passed = made.filter(({ result }) => result === "passed");
  const share = passed.length === made.length ? `all ${made.length}` : `${passed.length} of ${made.length}`;
  if (made.length > 0)
    report.fact("Checks", `${share} passed: ${passed.map(({ id }) => words.get(id) ?? id).join(", ")}`);
  reportProven(report, checks);
}

/** What the chain has proven, in words. */
export function reportProven(report: Reporter, checks: readonly CheckResult[]): void {
  const proof = checks.find(({ id, result }) => id === "proof" && result === "passed");
  if (proof !== undefined) report.fact("Proven", proof.detail);
}

/** What each check of docs/checks.md is about. */
const words: ReadonlyMap<string, string> = new Map(
  Object.entries({
    files: "files",
    A: "state",
    B: "header index",
    C: "tip",
    D: "blocks",
    E: "sortition of the tip",
    F: "blobs",
    G: "burn headers",
    H: "burn blocks",
  }),
);
