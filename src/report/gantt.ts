/**
 * The phases as a Mermaid Gantt. A run has phases of half a second and of hours; on one axis the short ones are a hair's
 * breadth, and they are the ones the downtime consists of. So when the downtime is a small part of the run, a second
 * chart shows its surroundings alone.
 */
import type { PhaseRecord, RunRecord } from "./record.ts";
import { formatDuration, markdownFence } from "./words.ts";

interface Span {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  /** Colours that can be told apart and read in GitHub's light and dark theme: red for what failed, blue for the downtime. */
  readonly tag: "crit" | "done" | "active";
}

/** Below this share of the run the downtime gets a chart of its own. */
const smallShare = 0.15;
/** Fewer phases than this say no more than the table does. */
const fewestBars = 3;
/** More bars than this are unreadable; the longest ones are kept. */
const mostBars = 24;

/** Markdown with one chart or two; empty where there is nothing to show. */
export function renderGantts(record: RunRecord, now: number): string {
  const phases = record.phases.map((phase) => phaseSpan(phase, now));
  if (phases.length < fewestBars) return "";
  const downs = record.downtimes.map((span): Span => {
    const to = span.endedAt ?? now;
    const still = span.endedAt === undefined ? ", still" : "";
    return {
      label: `down for ${formatDuration(to - span.startedAt)}${still}`,
      from: span.startedAt,
      to,
      tag: "active",
    };
  });
  const first = downs[0];
  const last = downs.at(-1);
  if (first === undefined || last === undefined) return chart(phases, downs);
  const everything = [...phases, ...downs];
  const runMs = Math.max(...everything.map(({ to }) => to)) - Math.min(...everything.map(({ from }) => from));
  const downMs = last.to - first.from;
  if (downMs >= runMs * smallShare) return chart(phases, downs);
  const marginMs = Math.max(1000, downMs * 0.25);
  const window = { from: first.from - marginMs, to: last.to + marginMs };
  const near = phases
    .filter(({ from, to }) => to > window.from && from < window.to)
    .map((span) => clip(span, window));
  const apart = phases.filter(({ from, to }) => from < first.from || to > last.to);
  return `${chart(apart, downs)}\n\nThe downtime, seen closer:\n\n${chart(near, downs)}`;
}

function phaseSpan(phase: PhaseRecord, now: number): Span {
  const to = phase.endedAt ?? now;
  const failed = phase.failed === true ? ", failed" : "";
  return {
    label: `${phase.name} ${formatDuration(to - phase.startedAt)}${failed}`,
    from: phase.startedAt,
    to,
    tag: phase.failed === true ? "crit" : "done",
  };
}

function clip(span: Span, window: { readonly from: number; readonly to: number }): Span {
  return { ...span, from: Math.max(span.from, window.from), to: Math.min(span.to, window.to) };
}

function chart(phases: readonly Span[], downs: readonly Span[]): string {
  const shown = [...phases]
    .sort((a, b) => b.to - b.from - (a.to - a.from))
    .slice(0, mostBars)
    .sort((a, b) => a.from - b.from);
  const all = [...shown, ...downs];
  const from = Math.min(...all.map((span) => span.from));
  const spanMs = Math.max(...all.map((span) => span.to)) - from;
  const lines = [
    "gantt",
    "  dateFormat x",
    `  axisFormat ${axisFormat(spanMs)}`,
    `  tickInterval ${tickInterval(spanMs)}`,
    "  todayMarker off",
  ];
  if (downs.length > 0) lines.push("  section node", ...downs.map((span) => bar(span)));
  lines.push("  section run", ...shown.map((span) => bar(span)));
  return markdownFence("mermaid", lines.join("\n"));
}

function bar(span: Span): string {
  const label = span.label.replace(/[:;#,\n]/g, " ");
  const from = Math.round(span.from);
  // A bar without length is not drawn at all.
  return `  ${label} :${span.tag}, ${from}, ${Math.max(from + 1, Math.round(span.to))}`;
}

function axisFormat(spanMs: number): string {
  if (spanMs < 10_000) return "%M:%S.%L";
  if (spanMs < 3_600_000) return "%H:%M:%S";
  return spanMs < 36 * 3_600_000 ? "%H:%M" : "%d %H:%M";
}

/** Some five to ten ticks whatever the length, so that their labels do not run into each other. */
function tickInterval(spanMs: number): string {
  const steps: readonly [number, string][] = [
    [100, "100millisecond"],
    [500, "500millisecond"],
    [1000, "1second"],
    [2000, "2second"],
    [5000, "5second"],
    [15_000, "15second"],
    [30_000, "30second"],
    [60_000, "1minute"],
    [120_000, "2minute"],
    [300_000, "5minute"],
    [900_000, "15minute"],
    [1_800_000, "30minute"],
    [3_600_000, "1hour"],
    [2 * 3_600_000, "2hour"],
    [4 * 3_600_000, "4hour"],
    [12 * 3_600_000, "12hour"],
    [24 * 3_600_000, "1day"],
  ];
  return steps.find(([stepMs]) => spanMs / stepMs <= 8)?.[1] ?? "1week";
}
