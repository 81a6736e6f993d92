/**
 * The job summary: the outcome in one line, whether the node is running, the figures that people look for, a Gantt, links, the
 * commands to restore by hand; collapsed, the other figures and the phases. The same for success and failure. The runner drops a summary of more than
 * 1 MiB whole, so this one is built to stay below, whatever happened.
 */
import type { Explanation } from "./explain-error.ts";
import { renderGantts } from "./gantt.ts";
import { downtimeMs, nodeSentence, placeSentence, type RunRecord, type TableRecord } from "./record.ts";
import { formatBytes } from "../system/space.ts";
import { formatDuration, formatRate, markdownFence, markdownTable, markdownText, truncate } from "./words.ts";

/** Bytes; 48 KiB below the runner's limit, for masks can lengthen a text. */
export const longestSummary = 1_000_000;
const longestCell = 1000;
const mostRows = 1000;
/** More do not fit into the width of the page. */
const mostColumns = 8;

export function renderSummary(record: RunRecord, now: number): string {
  const sections = [
    renderOutcome(record, now),
    renderWarnings(record.warnings),
    renderFacts(factsOf(record).shown),
    renderGantts(record, now),
    renderLinks(record),
    ...record.commands.map(
      ({ title, lines }) => `**${cell(title)}**\n\n${markdownFence("sh", lines.join("\n"))}`,
    ),
    ...record.tables.map((table) => renderTable(table)),
    renderMore(record, now),
    renderDetails(record.failure),
  ];
  return fit(sections.filter((section) => section !== ""));
}

/** The outcome as a few lines of plain text, for the end of the log. */
export function outcomeLines(record: RunRecord, now: number): readonly string[] {
  const { failure } = record;
  const lines = [headlineOf(record), ...nodeLines(record)];
  if (failure !== undefined) {
    lines.push(`What to do: ${failure.hint}`, `About ${failure.code}: ${failure.page}`);
  }
  const down = downtimeMs(record, now);
  if (down !== undefined) lines.push(`Downtime: ${formatDuration(down)}.`);
  return lines;
}

/** Commands that have nothing to do with a node do not speak of one, unless they fail. */
function nodeLines({ node, command, failure, chainstate }: RunRecord): readonly string[] {
  const isAboutNode = failure !== undefined || command === "snapshot" || command === "restore";
  const place = chainstate === undefined ? [] : [placeSentence(chainstate)];
  return [...(node === "not-touched" && !isAboutNode ? [] : [nodeSentence(node)]), ...place];
}

function headlineOf({ command, failure, headline, interrupted }: RunRecord): string {
  const what = command === "" ? "The run" : command;
  if (interrupted === true && failure === undefined)
    return `⚠️ ${headline ?? `${what} was ended before it was done.`}`;
  if (failure === undefined) return `✅ ${headline ?? `${what} is done.`}`;
  if (failure.cancelled) return `⚠️ ${what} was cancelled. ${failure.sentence}`;
  return `❌ ${what} failed: ${failure.sentence}`;
}

function renderOutcome(record: RunRecord, now: number): string {
  const [headline = ""] = outcomeLines(record, now);
  const down = downtimeMs(record, now);
  const standing = nodeLines(record).map((line) => `**${line}**`);
  if (down !== undefined) standing.push(`Downtime: ${formatDuration(down)}.`);
  // Several wrong inputs are a list.
  const [title = "", ...more] = headline.split("\n");
  const list = more.map((line) => `- ${cell(line.replace(/^- /, ""))}`).join("\n");
  const lines = [`### ${cell(title)}`, list, standing.join(" ")].filter((line) => line !== "");
  const { failure } = record;
  if (failure !== undefined) {
    lines.push(`**What to do:** ${cell(failure.hint)}`, `About ${linked(failure.code, failure.page)}.`);
  }
  return lines.join("\n\n");
}

function renderWarnings(warnings: readonly string[]): string {
  const shown = warnings.slice(0, 50).map((warning) => `- ⚠️ ${cell(warning)}`);
  if (warnings.length > shown.length) shown.push(`- … and ${warnings.length - shown.length} more in the log`);
  return shown.join("\n");
}

type Fact = RunRecord["facts"][number];

/** What people look for, in this order; the rest follows. */
export const firstFacts = [
  "Snapshot",
  "Stacks height",
  "Burn height",
  "Archive",
  "Sent",
  "Fetched",
  "Found here",
  "Taken at",
  "Storage",
  "Checks",
  "Proven",
];
/** What is asked for when something is looked into. */
export const asideFacts = new Set([
  "Node version",
  "Chain",
  "Schemas",
  "Cut",
  "Databases",
  "Not read of `.blobs`",
]);

/** All of them, for a terminal, which has nothing to collapse. */
export function orderedFacts(record: RunRecord): readonly Fact[] {
  const { shown, aside } = factsOf(record);
  return [...shown, ...aside];
}

function factsOf({ facts }: RunRecord): { readonly shown: readonly Fact[]; readonly aside: readonly Fact[] } {
  const rank = ({ label }: Fact): number => {
    const at = firstFacts.indexOf(label);
    return at === -1 ? firstFacts.length : at;
  };
  const shown = facts.filter(({ label }) => !asideFacts.has(label));
  return {
    shown: [...shown].sort((a, b) => rank(a) - rank(b)),
    aside: facts.filter(({ label }) => asideFacts.has(label)),
  };
}

function renderFacts(facts: readonly Fact[]): string {
  if (facts.length === 0) return "";
  const rows = facts.slice(0, mostRows).map(({ label, value }) => [cell(label), cell(value)]);
  return markdownTable(["figure", "value"], rows);
}

/** The rest, collapsed: further figures, and how long everything took. */
function renderMore(record: RunRecord, now: number): string {
  const parts = [renderFacts(factsOf(record).aside), renderPhases(record, now)].filter((part) => part !== "");
  if (parts.length === 0) return "";
  const title =
    parts.length === 1 ? "How long each phase took" : "More figures, and how long each phase took";
  return `<details><summary>${title}</summary>\n\n${parts.join("\n\n")}\n\n</details>`;
}

function renderPhases(record: RunRecord, now: number): string {
  if (record.phases.length === 0) return "";
  const moved = record.phases.some((phase) => (phase.bytes ?? 0) > 0);
  const rows = record.phases.slice(0, mostRows).map((phase) => {
    const ms = (phase.endedAt ?? now) - phase.startedAt;
    const bytes = phase.bytes ?? 0;
    const figures = bytes === 0 ? ["", ""] : [formatBytes(bytes), formatRate(bytes, ms)];
    return [
      `${cell(phase.title)}${phase.failed === true ? " ❌" : ""}`,
      formatDuration(ms),
      ...(moved ? figures : []),
    ];
  });
  const header = moved ? ["phase", "time", "bytes", "rate"] : ["phase", "time"];
  return markdownTable(header, rows, ["left", "right", "right", "right"]);
}

function renderLinks(record: RunRecord): string {
  return record.links
    .slice(0, mostRows)
    .map(({ label, url }) => `- ${cell(label)}: ${isOnWeb(url) ? linked(url, url) : cell(url)}`)
    .join("\n");
}

function linked(text: string, url: string): string {
  return isOnWeb(url) ? `[${cell(text)}](${url})` : `${cell(text)}: ${cell(url)}`;
}

/** Only the web can be linked to; `s3://…` is for copying. */
function isOnWeb(url: string): boolean {
  return /^https?:\/\/[^\s<>()]+$/.test(url);
}

function renderTable({ title, ...table }: TableRecord): string {
  const { header, rows, shared } = narrowed(table);
  const shown = rows.slice(0, mostRows).map((row) => row.map(cell));
  const more = rows.length > shown.length ? `\n\n… and ${rows.length - shown.length} more in the log.` : "";
  const all = shared.length > 0 ? `\n\nAll of them: ${shared.map(cell).join(", ")}.` : "";
  return `**${cell(title)}**\n\n${markdownTable(header.map(cell), shown)}${more}${all}`;
}

type Table = Pick<TableRecord, "header" | "rows">;

/** A table of more columns than the page has space for: what is the same in every row is said once, and a single row stands upright. */
function narrowed({ header, rows }: Table): Table & { readonly shared: readonly string[] } {
  const [first = []] = rows;
  if (header.length <= mostColumns || rows.length === 0) return { header, rows, shared: [] };
  if (rows.length === 1) {
    const upright = header.map((name, at) => [name, first[at] ?? ""]).filter(([, value]) => value !== "");
    return { header: ["figure", "value"], rows: upright, shared: [] };
  }
  const isShared = header.map((_, at) => at > 0 && rows.every((row) => row[at] === first[at]));
  const differs = (cells: readonly string[]): readonly string[] =>
    cells.filter((_, at) => isShared[at] !== true);
  return {
    header: differs(header),
    rows: rows.map(differs),
    shared: header.flatMap((name, at) =>
      isShared[at] === true && !["", "–"].includes(first[at] ?? "") ? [`${name} ${first[at] ?? ""}`] : [],
    ),
  };
}

function renderDetails(explanation: Explanation | undefined): string {
  if (explanation === undefined || explanation.details.length === 0) return "";
  const text = truncate([`code: ${explanation.code}`, ...explanation.details].join("\n"), 20_000);
  return `<details><summary>Details for a report</summary>\n\n${markdownFence("text", text)}\n\n</details>`;
}

function cell(text: string): string {
  return markdownText(truncate(text, longestCell));
}

/** Whole sections in order of their weight, as many as there is space for. */
function fit(sections: readonly string[]): string {
  const note = "_Some of it was too long for this page; the log has the rest._";
  const kept: string[] = [];
  let available = longestSummary - Buffer.byteLength(note) - 4;
  let cut = false;
  for (const section of sections) {
    const bytes = Buffer.byteLength(section) + 2;
    if (bytes > available) {
      cut = true;
      continue;
    }
    kept.push(section);
    available -= bytes;
  }
  if (cut) kept.push(note);
  return `${kept.join("\n\n")}\n`;
}
