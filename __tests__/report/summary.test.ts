import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ActionError } from "../../src/domain/errors.ts";
import { explainError } from "../../src/report/explain-error.ts";
import { newRecord, type RunRecord } from "../../src/report/record.ts";
import {
  asideFacts,
  firstFacts,
  longestSummary,
  outcomeLines,
  renderSummary,
} from "../../src/report/summary.ts";

const commands = join(import.meta.dirname, "../../src/commands");

const start = Date.UTC(2026, 10, 22, 2, 0, 0);
const as = (text: string): string => text;

/** A frozen snapshot of a big chainstate: seconds of downtime, hours of upload. */
export function frozenSnapshot(): RunRecord {
  const record = newRecord("main", start);
  record.command = "snapshot";
  let at = start;
  const phase = (
    name: RunRecord["phases"][number]["name"],
    title: string,
    ms: number,
    bytes?: number,
  ): void => {
    record.phases.push({
      name,
      title,
      startedAt: at,
      endedAt: at + ms,
      ...(bytes === undefined ? {} : { bytes }),
    });
    at += ms;
  };
  phase("preflight", "Preflight", 640);
  const downFrom = at;
  phase("stop", "Stop the node", 8200);
  phase("verify-stopped", "Verify the node has stopped", 900);
  phase("check", "Check the chainstate", 120);
  phase("freeze", "Freeze (sqlite)", 310);
  phase("start", "Start the node", 3400);
  record.downtimes.push({ startedAt: downFrom, endedAt: at });
  phase("archive", "Archive and upload", 7_380_000, 208 * 2 ** 30);
  phase("publish", "Publish", 850);
  record.endedAt = at;
  record.node = "running";
  record.headline = "Snapshot mainnet-8112233-20261122T020014Z published: 208.0 GiB.";
  record.facts.push({ label: "Stacks height", value: "8112233" });
  return record;
}

describe("a summary", () => {
  test("says the outcome first, whether the node runs, and how long it was down", () => {
    const text = renderSummary(frozenSnapshot(), start);
    expect(text.split("\n\n").slice(0, 2)).toEqual([
      "### ✅ Snapshot mainnet-8112233-20261122T020014Z published: 208.0 GiB.",
      "**The node is running.** Downtime: 12.9 s.",
    ]);
    expect(text).toContain("| Archive and upload | 2 h 3 min | 208 GiB | 28.9 MiB/s |");
  });

  test("has what people look for first, and the rest collapsed", () => {
    const record = frozenSnapshot();
    for (const label of ["Node version", "Cache", "Storage", "Checks", "Sent", "Snapshot", "Chain"])
      record.facts.push({ label, value: "x" });
    const labels = (text: string): string[] =>
      [...text.matchAll(/^\| ([A-Z][\w ]+) \| /gm)].map(([, each]) => each ?? "");
    const [shown = "", more = ""] = renderSummary(record, start).split("<details>");
    expect(labels(shown)).toEqual(["Snapshot", "Stacks height", "Sent", "Storage", "Checks", "Cache"]);
    expect(labels(more).slice(0, 2)).toEqual(["Node version", "Chain"]);
    expect(more).toContain("| Archive and upload | 2 h 3 min |");
  });

  test("of a wide table has what is the same in every row once, and a single row upright", () => {
    const record = newRecord("main", start);
    const header = ["snapshot", "b", "c", "d", "e", "f", "g", "h", "i"];
    const row = (id: string, c: string): string[] => [id, "x", c, "–", "", "y", "y", "y", "y"];
    record.tables.push({ title: "Snapshots", header, rows: [row("one", "1"), row("two", "2")] });
    const text = renderSummary(record, start);
    expect(text).toContain("| snapshot | c |\n| --- | --- |\n| one | 1 |\n| two | 2 |");
    expect(text).toContain("\n\nAll of them: b x, f y, g y, h y, i y.\n");
    record.tables.splice(0, 1, { title: "Snapshots", header, rows: [row("one", "1")] });
    expect(renderSummary(record, start)).toContain(
      "| snapshot | one |\n| b | x |\n| c | 1 |\n| d | – |\n| f | y |",
    );
    record.tables.splice(0, 1, {
      title: "Narrow",
      header: ["a", "b"],
      rows: [
        ["1", "x"],
        ["2", "x"],
      ],
    });
    expect(renderSummary(record, start)).toContain("| a | b |\n| --- | --- |\n| 1 | x |\n| 2 | x |");
  });

  test("the figures that it orders are figures that commands report", () => {
    const sources = readdirSync(commands, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(join(commands, name), "utf8"))
      .join("\n");
    const unknown = [...firstFacts, ...asideFacts].filter(
      (label) => !new RegExp(`fact\\(\\s*"${label}"`).test(sources),
    );
    expect(unknown).toEqual([]);
  });

  test("lists several wrong inputs below each other", () => {
    const record = newRecord("main", start);
    record.failure = explainError(
      new ActionError(
        "INPUT_INVALID",
        "2 inputs are wrong:\n- The value 'a|b' is wrong.\n- There is no input 'x'.",
      ),
      as,
    );
    expect(renderSummary(record, start)).toContain(
      "### ❌ The run failed: 2 inputs are wrong:\n\n- The value 'a\\|b' is wrong.\n- There is no input 'x'.\n\n",
    );
  });

  test("draws the whole run, and the downtime again where it is a sliver of it", () => {
    const text = renderSummary(frozenSnapshot(), start);
    expect(text.match(/```mermaid/g)).toHaveLength(2);
    expect(text.match(/down for 12\.9 s :active/g)).toHaveLength(2);
    const short = frozenSnapshot();
    short.phases.splice(6);
    expect(renderSummary(short, start).match(/```mermaid/g)).toHaveLength(1);
    // What a table says as well is not drawn.
    short.phases.splice(2);
    expect(renderSummary(short, start)).not.toContain("```mermaid");
  });

  test("of a failure has what happened, what to do and the causes, for one that still is down too", () => {
    const record = frozenSnapshot();
    record.phases.splice(3);
    record.phases.at(-1)!.failed = true;
    delete record.downtimes[0]!.endedAt;
    record.node = "down";
    const cause = new ActionError("COMMAND_FAILED", "systemctl said <no>");
    const error = new ActionError("NODE_STOP_TIMEOUT", "The node did not stop in 20 min.", {
      hint: "Raise stop-timeout.",
      cause,
    });
    record.failure = explainError(error, as);
    const now = start + 60_000;
    const text = renderSummary(record, now);
    expect(text).toContain("### ❌ snapshot failed: The node did not stop in 20 min.");
    expect(text).toContain("**The node is NOT running.** Downtime: 59.4 s.");
    expect(text).toContain("**What to do:** Raise stop-timeout.");
    expect(text).toContain("down for 59.4 s, still".replace(",", " "));
    expect(text).toContain("Verify the node has stopped ❌");
    expect(text.match(/:crit/g)).toHaveLength(1);
    expect(text).toMatch(/verify-stopped 900 ms {2}failed :crit/);
    expect(text).toContain("because: ActionError [COMMAND_FAILED]: systemctl said <no>");
    expect(outcomeLines(record, now)).toContain("What to do: Raise stop-timeout.");
    expect(outcomeLines(record, now)).toContain("About NODE_STOP_TIMEOUT: docs/errors.md#node_stop_timeout");
  });

  test("shows external text as text", () => {
    const record = frozenSnapshot();
    record.facts.push({ label: "node", value: "x | <img src=x onerror=alert(1)>\n# big" });
    record.links.push({ label: "evil", url: "javascript:alert(1)" });
    record.links.push({ label: "good", url: "https://example.org/a" });
    record.commands.push({ title: "By hand", lines: ["echo '```'", "rm"] });
    const text = renderSummary(record, start);
    expect(text).not.toContain("<img");
    expect(text).not.toContain("](javascript");
    expect(text).toContain("[https://example.org/a](https://example.org/a)");
    expect(text).toContain("````sh\necho '```'\nrm\n````");
  });

  test("is never longer than the runner takes, and keeps the outcome", () => {
    const record = frozenSnapshot();
    for (let i = 0; i < 5000; i += 1) {
      record.facts.push({ label: `fact ${i}`, value: "ü".repeat(3000) });
      record.warnings.push("w".repeat(5000));
    }
    record.tables.push({
      title: "snapshots",
      header: ["id"],
      rows: Array.from({ length: 20_000 }, () => ["y".repeat(900)]),
    });
    record.commands.push({ title: "By hand", lines: ["tar -x"] });
    const text = renderSummary(record, start);
    expect(Buffer.byteLength(text)).toBeLessThan(longestSummary);
    expect(text).toContain("✅ Snapshot mainnet");
    expect(text).toContain("tar -x");
    expect(text).toContain("too long for this page");
  });
});

test("commands that have nothing to do with a node speak of one only when they fail", () => {
  const record = newRecord("main", start);
  record.command = "list";
  expect(renderSummary(record, start)).not.toContain("node");
  record.failure = explainError(new ActionError("STORE_DENIED", "No."), as);
  expect(renderSummary(record, start)).toContain("**The node was not touched.**");
  expect(renderSummary(record, start)).not.toContain("<details>");
});

test("an error without a hint of its own has what the table of codes says to do", () => {
  expect(explainError(new ActionError("STORE_CLOCK", "Skew."), as).hint).toBe("Set the clock (NTP).");
});

test.each([
  [{}, "docs/errors.md#store_clock"],
  [{ GITHUB_ACTION_REPOSITORY: "", GITHUB_ACTION_REF: "" }, "docs/errors.md#store_clock"],
  [{ GITHUB_ACTION_REPOSITORY: "o/r", GITHUB_ACTION_REF: ") x" }, "docs/errors.md#store_clock"],
  [
    { GITHUB_ACTION_REPOSITORY: "o/r", GITHUB_ACTION_REF: "releases/v1" },
    "https://github.com/o/r/blob/releases/v1/docs/errors.md#store_clock",
  ],
])("an error of an action %j links to its code", (environment, page) => {
  expect(explainError(new ActionError("STORE_CLOCK", "Skew."), as, environment).page).toBe(page);
});

test("any thrown value is explained", () => {
  expect(explainError("text", as)).toMatchObject({ code: "UNEXPECTED", cancelled: false });
  const circular = new Error("a");
  circular.cause = circular;
  expect(explainError(circular, as).details.length).toBeLessThan(60);
  const many = new AggregateError([new Error("one"), new Error("two")], "both");
  expect(explainError(many, as).details.slice(0, 3)).toEqual([
    "AggregateError: both",
    "because: Error: one",
    "because: Error: two",
  ]);
});
