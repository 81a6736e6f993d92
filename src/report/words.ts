/** Durations, rates and external text as people read them, in the log and in Markdown. */
import { formatBytes } from "../system/space.ts";

/** `1 snapshot`, `2 snapshots`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

export function formatRate(bytes: number, ms: number): string {
  return ms <= 0 ? "–" : `${formatBytes((bytes / ms) * 1000)}/s`;
}

/** 850 ms, 12.3 s, 2 min 5 s, 1 h 3 min, 2 d 4 h: two units at most, none of them zero. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.round(ms / 60_000);
  const hours = Math.round(ms / 3_600_000);
  if (seconds < 3600) return pair(Math.floor(seconds / 60), "min", seconds % 60, "s");
  if (minutes < 24 * 60) return pair(Math.floor(minutes / 60), "h", minutes % 60, "min");
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

function pair(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
}

export function truncate(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  return `${text
    .slice(0, Math.max(0, maxChars - 1))
    .toWellFormed()
    .replace(/\uFFFD$/, "")}…`;
}

/** What an input, a command or a path in backticks may hold: nothing that could end it, or the cell that it is in. */
const codeSpan = /(`[A-Za-z0-9./_<-][A-Za-z0-9 .:/=,'_<>()+-]*`)/;

/** Any text as plain words in Markdown: no HTML, no markup but code spans, one line, safe in a table's cell. */
export function markdownText(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .split(codeSpan)
    .map((part, index) => (index % 2 === 1 ? part : plainText(part)))
    .join("");
}

function plainText(text: string): string {
  return text
    .replace(/[\\`*_[\]|~$#]/g, String.raw`\$&`)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}

/** A fenced block that its content cannot close. */
export function markdownFence(language: string, content: string): string {
  const longest = Math.max(2, ...[...content.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${content}\n${fence}`;
}

export function markdownTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  alignments: readonly ("left" | "right")[] = [],
): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, column) => (alignments[column] === "right" ? "---:" : "---"));
  return [row(header), row(rule), ...rows.map(row)].join("\n");
}

/** Columns aligned with spaces, for the log. */
export function textTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const all = [header, ...rows];
  const widths = header.map((_, column) =>
    all.reduce((widest, cells) => Math.max(widest, (cells[column] ?? "").length), 0),
  );
  const line = (cells: readonly string[]): string =>
    header
      .map((_, column) => (cells[column] ?? "").padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return all.map(line);
}

/** All that steers a terminal or a reader's eye: controls but tab and line feed, separators of lines, marks of direction. */
const steering =
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u180e\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Text of anybody as it may be written: nothing in it is a command to the runner, a terminal or a browser. The runner trims
 * a line of all that .NET calls white space and reads `::command::` at its start, and `##[command]` anywhere in it.
 */
export function harmless(text: string): string {
  return text
    .split(/\r\n|[\n\r]/)
    .map((line) =>
      line
        .replace(steering, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
        .replace(/^(\s*)::/, "$1: :")
        .replaceAll("##[", "## ["),
    )
    .join("\n");
}
