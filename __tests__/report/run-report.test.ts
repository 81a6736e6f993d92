import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openReport, type RunReport } from "../../src/report/run-report.ts";

const secret = "hunter_2|*secret*";
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "report-"));
});
afterEach(() => rm(directory, { recursive: true }));

interface Run {
  readonly exitCode: number | null;
  readonly log: string;
  readonly summary: string;
  readonly outputs: string;
}

async function runReport(
  scenario: "works" | "fails",
  inRunner: boolean,
  env: Record<string, string> = {},
): Promise<Run> {
  const files = { GITHUB_OUTPUT: join(directory, "out"), GITHUB_STEP_SUMMARY: join(directory, "summary") };
  for (const file of Object.values(files)) await writeFile(file, "");
  const child = spawn(process.execPath, [join(import.meta.dirname, "run-report.ts"), scenario], {
    env: {
      PATH: process.env["PATH"],
      TEST_SECRET: secret,
      ...env,
      ...(inRunner ? { GITHUB_ACTIONS: "true", ...files } : {}),
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let log = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  const exitCode = await new Promise<number | null>((resolve) => void child.once("close", resolve));
  const summary = await readFile(files.GITHUB_STEP_SUMMARY, "utf8");
  return { exitCode, log, summary, outputs: await readFile(files.GITHUB_OUTPUT, "utf8") };
}

describe("in a runner", () => {
  test("text of others speaks neither to the runner nor to a terminal, in no place", async () => {
    const white = [
      "\u0085",
      "\u00a0",
      "\u1680",
      "\u2003",
      "\u2028",
      "\u2029",
      "\u202f",
      "\u3000",
      "\v",
      "\f",
      "\r",
    ];
    const foreign = white.map((space) => `x\n${space} ::save-state name=isPost::1`).join("\n");
    const run = await runReport("fails", true, { TEST_FOREIGN: `${foreign}\n\u001b[2Jgone\u009b1m\u202e` });
    const own = /^::(?:group|endgroup|warning|error|notice|add-mask)\b/;
    // What .NET's ReadLine and TrimStart make of it.
    const asRead = run.log.split(/\r\n|[\r\n]/).map((line) => line.replace(/^[\s\u0085]+/, ""));
    expect(asRead.filter((line) => line.startsWith("::") && !own.test(line))).toEqual([]);
    for (const text of [run.log, run.summary]) {
      // eslint-disable-next-line no-control-regex -- these are what must not be there
      expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e]/);
      expect(text).toContain(
        String.raw`\u001b[2Jgone`.replaceAll("[", text === run.log ? "[" : String.raw`\[`),
      );
    }
  });

  test("a success: groups, annotations within the limit, output, summary", async () => {
    const run = await runReport("works", true);
    expect(run.exitCode).toBe(0);
    expect(run.log.startsWith("chainstate-snapshot 1.2.3\n")).toBe(true);
    expect(run.log.match(/^::group::/gm)).toHaveLength(2);
    expect(run.log.match(/^::endgroup::/gm)).toHaveLength(2);
    expect(run.log).toContain("▸ Start: done in");
    // Seen while the group is closed.
    expect(run.log).toMatch(/^::endgroup::\n▸ .+: done in/m);
    expect(run.log.match(/^::warning/gm)).toHaveLength(9);
    expect(run.log).toContain("warning: warning 13 with ***");
    expect(run.log).not.toMatch(/^\s*::set-output/m);
    expect(run.log).not.toContain("##[");
    expect(run.outputs).toMatch(/^stacks-height<</);
    expect(run.summary).toContain("### ✅ Snapshot published.");
    expect(run.summary).toContain("**The node is running.** Downtime: 2.5 s.");
    expect(run.summary).toContain("| mainnet-57 | 57 |");
  });

  test("a failure: an error with what to do, details in a group, exit code 1", async () => {
    const metrics = join(directory, "m.prom");
    const run = await runReport("fails", true, {
      TEST_METRICS: metrics,
      GITHUB_ACTION_REPOSITORY: "o/chainstate-snapshot",
      GITHUB_ACTION_REF: "v1",
    });
    expect(run.exitCode).toBe(1);
    expect(run.log).toMatch(
      /^::error title=snapshot%3A STORE_DENIED::.*The node is running\.%0AWhat to do: Look at the bucket\.%0AAbout STORE_DENIED: https:\/\/github\.com\/o\/chainstate-snapshot\/blob\/v1\/docs\/errors\.md#store_denied/m,
    );
    expect(run.log).toContain("because: Error: denied ***");
    expect(run.summary).toContain("### ❌ snapshot failed: The store said no to \\*\\*\\*.");
    expect(run.summary).toContain(
      "About [STORE\\_DENIED](https://github.com/o/chainstate-snapshot/blob/v1/docs/errors.md#store_denied).",
    );
    expect(await readFile(metrics, "utf8")).toMatch(
      /last_run_success\{command="snapshot",chainstate="[^"]+"\} 0/,
    );
  });

  test("the secret is masked and is nowhere else", async () => {
    for (const scenario of ["works", "fails"] as const) {
      const run = await runReport(scenario, true);
      expect(run.log.split("\n").filter((line) => line.includes(secret))).toEqual([`::add-mask::${secret}`]);
      expect(run.summary).not.toContain("hunter");
      expect(run.outputs).not.toContain("hunter");
    }
  });
});

test("in a terminal: no commands to a runner, no secret, the facts in plain text", async () => {
  const run = await runReport("works", false);
  expect(run.exitCode).toBe(0);
  expect(run.log).not.toMatch(/^::/m);
  expect(run.log).not.toContain("hunter");
  expect(run.log).toContain("── Preflight");
  expect(run.log).toContain("✅ Snapshot published.");
  expect(run.log).toContain("Downtime: 2.5 s.");
  expect(run.summary).toBe("");
});

test("a metrics file that cannot be written is a warning and not the end", async () => {
  const run = await runReport("works", true, { TEST_METRICS: join(directory, "none", "m.prom") });
  expect(run.exitCode).toBe(0);
  expect(run.log).toContain("Cannot write the metrics file");
});

describe("the step after the job", () => {
  async function afterJob(work: (report: RunReport) => void): Promise<string> {
    let log = "";
    const write = (text: string): void => void (log += text);
    const report = await openReport({ step: "post", environment: {}, toolVersion: "1.2.3", write });
    work(report);
    await report.conclude();
    return log;
  }

  test("says little when there was nothing to do", async () => {
    expect(await afterJob(() => undefined)).toBe(
      "chainstate-snapshot 1.2.3, after the job\nNothing was left to do.\n",
    );
  });

  test("says what it did for the node", async () => {
    const log = await afterJob((report) => {
      report.node("running");
    });
    expect(log).not.toContain("Nothing was left");
    expect(log).toContain("The node is running.");
  });
});
