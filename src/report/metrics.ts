/**
 * A Prometheus text file for the node exporter's textfile collector: when a command last ran and last succeeded, and
 * the figures of its last success. Several commands may share one file; a failed run keeps the figures of the success
 * before it, because an alarm on "no success for a day" needs exactly those.
 */
import { readFile } from "node:fs/promises";
import { hasCode } from "../domain/errors.ts";
import { writeFileAtomically } from "../system/atomic-file.ts";
import { downtimeMs, type RunRecord } from "./record.ts";
import type { OutputName } from "./port.ts";

const prefix = "chainstate_snapshot_";

const help = {
  last_run_timestamp_seconds: "When the command last ended, as Unix time.",
  last_run_success: "1 if the last run succeeded, 0 if not.",
  last_run_duration_seconds: "How long the last run took.",
  node_running: "1 if the node was running when the last run ended, 0 if not.",
  last_success_timestamp_seconds: "When the command last succeeded, as Unix time.",
  stacks_height: "Stacks height of the last snapshot made or restored.",
  burn_height: "Burnchain height of the last snapshot made or restored.",
  downtime_seconds: "How long the node was down in the last run that stopped it.",
  size_bytes: "Size of the last snapshot's archive.",
  uploaded_bytes: "Bytes sent for the last snapshot.",
  fetched_bytes: "Bytes fetched by the last restore or verification.",
  reused_frames: "Frames of the last snapshot or restore that did not have to be sent or fetched.",
  reused_percent: "The same as a share of the archive's bytes, in percent.",
} as const;

type MetricName = keyof typeof help;

const ofOutputs: readonly (readonly [OutputName, MetricName])[] = [
  ["stacks-height", "stacks_height"],
  ["burn-height", "burn_height"],
  ["size-bytes", "size_bytes"],
  ["uploaded-bytes", "uploaded_bytes"],
  ["fetched-bytes", "fetched_bytes"],
  ["reused-frames", "reused_frames"],
  ["reused-percent", "reused_percent"],
];

/** Replaces the file in one step, so that a scrape sees the old file or the new one. */
export async function writeMetrics(path: string, record: RunRecord): Promise<void> {
  const series = parseMetrics(await readIfThere(path));
  for (const [name, value] of valuesOf(record)) series.set(`${prefix}${name}{${labelsOf(record)}}`, value);
  // Its temporary file has a name nobody can guess and is made anew: the directory may be everybody's.
  await writeFileAtomically(path, formatMetrics(series), 0o644);
}

/** Two nodes on one host may share a file, so a series says whose it is. */
function labelsOf({ command, chainstateDir }: RunRecord): string {
  const escaped = chainstateDir?.replaceAll(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");
  return `command="${command}"${escaped === undefined ? "" : `,chainstate="${escaped}"`}`;
}

function valuesOf(record: RunRecord): readonly (readonly [MetricName, number])[] {
  const endedAt = record.endedAt ?? record.startedAt;
  const succeeded = record.failure === undefined && record.interrupted !== true;
  const values: (readonly [MetricName, number])[] = [
    ["last_run_timestamp_seconds", endedAt / 1000],
    ["last_run_success", succeeded ? 1 : 0],
    ["last_run_duration_seconds", (endedAt - record.startedAt) / 1000],
  ];
  if (record.node !== "not-touched" && record.node !== "unknown") {
    values.push(["node_running", record.node === "running" ? 1 : 0]);
  }
  const down = downtimeMs(record, endedAt);
  if (down !== undefined) values.push(["downtime_seconds", down / 1000]);
  if (!succeeded) return values;
  values.push(["last_success_timestamp_seconds", endedAt / 1000]);
  for (const [output, name] of ofOutputs) {
    const value = Number(record.outputs.get(output) ?? Number.NaN);
    if (Number.isFinite(value)) values.push([name, value]);
  }
  return values;
}

/** The series of ours in an earlier file, by name and labels; anything else in it is left out. */
function parseMetrics(text: string): Map<string, number> {
  const series = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, key, name, value] =
      /^((chainstate_snapshot_[a-z_]+)\{command="[a-z]+"(?:,chainstate="(?:[^"\\]|\\.)*")?\}) (\S+)$/.exec(
        line,
      ) ?? [];
    if (key === undefined || name === undefined || !(name.slice(prefix.length) in help)) continue;
    if (Number.isFinite(Number(value))) series.set(key, Number(value));
  }
  return series;
}

function formatMetrics(series: ReadonlyMap<string, number>): string {
  const lines: string[] = [];
  for (const [name, words] of Object.entries(help)) {
    const own = [...series]
      .filter(([key]) => key.startsWith(`${prefix}${name}{`))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    if (own.length === 0) continue;
    lines.push(`# HELP ${prefix}${name} ${words}`, `# TYPE ${prefix}${name} gauge`);
    lines.push(...own.map(([key, value]) => `${key} ${value}`));
  }
  return `${lines.join("\n")}\n`;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return "";
    throw error;
  }
}
