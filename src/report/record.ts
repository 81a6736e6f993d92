/**
 * What happened in a run, as plain data: the reporter fills it, the summary and the metrics are made from it. Every text
 * in it has had its secrets taken out.
 */
import type { Explanation } from "./explain-error.ts";
import type { NodeStanding, OutputName, PhaseName } from "./port.ts";

export interface PhaseRecord {
  readonly name: PhaseName;
  readonly title: string;
  readonly startedAt: number;
  /** Undefined while it runs. */
  endedAt?: number;
  bytes?: number;
  failed?: boolean;
}

/** A span in which the node did not answer; milliseconds since the epoch. */
export interface Downtime {
  readonly startedAt: number;
  endedAt?: number;
}

export interface TableRecord {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface RunRecord {
  readonly step: "main" | "post";
  command: string;
  readonly startedAt: number;
  endedAt?: number;
  headline?: string;
  node: NodeStanding;
  readonly phases: PhaseRecord[];
  readonly downtimes: Downtime[];
  readonly facts: { readonly label: string; readonly value: string }[];
  readonly links: { readonly label: string; readonly url: string }[];
  readonly commands: { readonly title: string; readonly lines: readonly string[] }[];
  readonly tables: TableRecord[];
  readonly warnings: string[];
  readonly outputs: Map<OutputName, string>;
  /** Set when the run failed or was cancelled. */
  failure?: Explanation;
}

export function newRecord(step: RunRecord["step"], startedAt: number): RunRecord {
  return {
    step,
    command: "",
    startedAt,
    node: "not-touched",
    phases: [],
    downtimes: [],
    facts: [],
    links: [],
    commands: [],
    tables: [],
    warnings: [],
    outputs: new Map(),
  };
}

const nodeSentences: Readonly<Record<NodeStanding, string>> = {
  running: "The node is running.",
  down: "The node is NOT running.",
  "left-down": "The node was not running before and was not started.",
  unknown: "Whether the node is running is not known.",
  "not-touched": "The node was not touched.",
};

export function nodeSentence(standing: NodeStanding): string {
  return nodeSentences[standing];
}

/** Total time of the downtime so far, in milliseconds; undefined where there was none. */
export function downtimeMs(record: RunRecord, now: number): number | undefined {
  if (record.downtimes.length === 0) return undefined;
  return record.downtimes.reduce((sum, span) => sum + ((span.endedAt ?? now) - span.startedAt), 0);
}
