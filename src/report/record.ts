/**
 * What happened in a run, as plain data: the reporter fills it, the summary and the metrics are made from it. Every text
 * in it has had its secrets taken out.
 */
import type { Explanation } from "./explain-error.ts";
import type { ChainstatePlace, NodeStanding, OutputName, PhaseName } from "./port.ts";

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
  /** Of commands that have to do with one. */
  chainstateDir?: string;
  readonly startedAt: number;
  endedAt?: number;
  headline?: string;
  /** The run was killed, and a later step speaks for it. */
  interrupted?: boolean;
  node: NodeStanding;
  /** Said of a restore that did not end well after its exchange had begun. */
  chainstate?: ChainstatePlace;
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
  stopping: "The node was asked to stop and has not ended yet; the restart watchdog starts it when it has.",
  down: "The node is NOT running.",
  "left-down": "The node is NOT running, as before.",
  unknown: "Whether the node is running is not known.",
  "not-touched": "The node was not touched.",
};

export function nodeSentence(standing: NodeStanding): string {
  return nodeSentences[standing];
}

const placeSentences: Readonly<Record<ChainstatePlace, string>> = {
  new: "The restored chainstate is in place.",
  old: "The old chainstate is in place: the restore was taken back.",
  nothing: "No chainstate is in place, as before: the restore was taken back.",
  unknown:
    "Which chainstate is in place is not known: its exchange was begun and is neither done nor taken back.",
};

export function placeSentence(place: ChainstatePlace): string {
  return placeSentences[place];
}

/** Total time of the downtime so far, in milliseconds; undefined where there was none. */
export function downtimeMs(record: RunRecord, now: number): number | undefined {
  if (record.downtimes.length === 0) return undefined;
  return record.downtimes.reduce((sum, span) => sum + ((span.endedAt ?? now) - span.startedAt), 0);
}
