/** The repository's workflows and the examples that users copy. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { readCommandLine } from "../src/app/cli-options.ts";
import { loadInputs, loadOptions } from "../src/config/inputs.ts";
import { variableOf } from "../src/config/given.ts";
import { lintOurs, lintWorkflows, workflowPaths } from "../scripts/lint-workflows.ts";

/** From the program's name to what a shell would not hand on. */
const commandLine =
  /(?:^|&& |ExecStart=\/usr\/local\/bin\/)chainstate-snapshot ((?:snapshot|restore|verify|list|prune|import|--version)[^\n>#]*)/gm;

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, string | number | boolean>>;
}

const steps = workflowPaths.flatMap((path) => {
  const text = readFileSync(join(import.meta.dirname, "..", path), "utf8");
  const { jobs } = parse(text) as { jobs: Record<string, { steps?: readonly Step[] }> };
  return Object.values(jobs).flatMap((job) => (job.steps ?? []).map((step) => ({ path, step })));
});

/** What stands for an expression when an example is read here. */
const samples: Readonly<Record<string, string>> = {
  "runner.temp": "/tmp/runner",
  "inputs.snapshot": "height<=100",
  "inputs.dry-run": "true",
  "inputs.go-back": "false",
  "inputs.network": "mainnet",
  "inputs.storage": "s3://bucket",
  "matrix.host": "node-a",
  "matrix.snapshot.id": "mainnet-100-20261122T020014Z",
};

function fill(text: string): string {
  return text.replace(/\$\{\{ (.+?) \}\}/g, (_all, expression: string) => {
    const sample = samples[expression];
    if (sample === undefined) throw new Error(`no sample for ${expression}`);
    return sample;
  });
}

test("have no fault", async () => expect(await lintWorkflows()).toEqual([]));

test("would be found at fault for an action that is not pinned, no permissions, no time limit", () => {
  const text = "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v7\n";
  expect(lintOurs("x.yml", text)).toHaveLength(3);
});

test("give this action inputs that it takes", () => {
  const ours = steps.filter(({ step }) => step.uses?.startsWith("OWNER/chainstate-snapshot") === true);
  expect(ours.length).toBeGreaterThan(10);
  for (const { step } of ours) {
    const [, command = "snapshot"] = /snapshot\/(\w+)@/.exec(step.uses ?? "") ?? [];
    const given = Object.entries(step.with ?? {}).map(([name, value]) => [
      variableOf(name),
      fill(String(value)),
    ]);
    expect(() => loadInputs({ INPUT_COMMAND: command, ...Object.fromEntries(given) })).not.toThrow();
  }
});

/** Command lines that stand in files of other programs: a crontab, a unit of systemd, the pages. */
const commandLines = [
  "examples/cron/chainstate-snapshot",
  "examples/systemd/chainstate-snapshot.service",
  "docs/command-line.md",
  "docs/runbook.md",
  "README.md",
].flatMap((path) =>
  [
    ...readFileSync(join(import.meta.dirname, "..", path), "utf8")
      .replace(/ \\\n\s*/g, " ")
      .matchAll(commandLine),
  ].map(([, words = ""]) => [path, words] as const),
);

test.each(commandLines)("%s calls the command line with what it takes: %s", (_path, words) => {
  const line = readCommandLine(words.trim().split(/\s+/));
  expect(() => line.wants !== "run" || loadOptions(line.texts)).not.toThrow();
});

test("every place with a command line is among them", () => {
  expect(new Set(commandLines.map(([path]) => path)).size).toBe(5);
});

test("run scripts that bash can read", () => {
  const scripts = steps.flatMap(({ step }) => (step.run === undefined ? [] : [step.run]));
  expect(scripts.length).toBeGreaterThan(10);
  for (const script of scripts) {
    // An expression in a script would be code made of somebody's text.
    expect(script).not.toContain("${{");
    expect(spawnSync("bash", ["-n"], { input: script, encoding: "utf8" }).stderr).toBe("");
  }
});
