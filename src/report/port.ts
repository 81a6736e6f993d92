/**
 * What commands tell people and the runner, as a port: commands report facts, `report/` finds the words, writes the
 * log, annotations, outputs and the summary, and keeps what main hands over to post. Nothing else writes to stdout.
 */

export type PhaseName =
  | "preflight"
  | "stop"
  | "verify-stopped"
  | "check"
  | "freeze"
  | "start"
  | "sync"
  | "archive"
  | "download"
  | "verify"
  | "publish"
  | "swap"
  | "retention"
  | "clean-up";

export interface Progress {
  readonly doneBytes: number;
  /** Undefined while it is not known. */
  readonly totalBytes?: number;
}

export interface Reporter {
  /** Runs `work` as a log group and records its time (and bytes, if it reports progress) for the table and the Gantt. */
  phase<T>(
    name: PhaseName,
    title: string,
    work: (phase: Phase) => Promise<T>,
    /** It goes on beside others: lines instead of a group, which would swallow theirs. */
    isBeside?: boolean,
  ): Promise<T>;
  info(message: string): void;
  /** An annotation. Used sparingly: the runner shows ten a step. */
  warning(message: string): void;
  notice(message: string): void;
  /** Marks the downtime on the Gantt. `ended` undefined while the node is still down. */
  downtime(startedAt: Date, endedAt: Date | undefined): void;
  output(name: OutputName, value: string): void;
  /** Facts for the summary's table, in order of the calls. */
  fact(label: string, value: string): void;
  /** What is known of the node from now on. Said wherever the outcome is said, so keep it true at every step. */
  node(standing: NodeStanding): void;
  /** Which chainstate is in place, of a restore that did not end well after its exchange had begun. */
  chainstate(place: ChainstatePlace): void;
  /** The outcome of a run, in one sentence. `isInterrupted`: of one that did not live to say it itself. */
  headline(sentence: string, isInterrupted?: boolean): void;
  link(label: string, url: string): void;
  /** Shell lines for people, such as those that restore by hand. */
  commands(title: string, lines: readonly string[]): void;
  /** A table for the log and the summary, such as that of `list`. */
  table(title: string, header: readonly string[], rows: readonly (readonly string[])[]): void;
}

/**
 * The node as far as this run knows. "left-down": it was not running before and is not now. "stopping": it was asked to stop and had not ended. "unknown": this run
 * touched it and could not find out. "not-touched": nothing was asked of it yet, or there is none to manage.
 */
export type NodeStanding = "running" | "stopping" | "down" | "left-down" | "unknown" | "not-touched";

/** "old", or "nothing" where there was none: the restore was taken back. "unknown": the exchange is half done. */
export type ChainstatePlace = "new" | "old" | "nothing" | "unknown";

export interface Phase {
  /** May be called as often as wanted; a line is printed at most every ten seconds. */
  progress(progress: Progress): void;
  /** Bytes moved in this phase, for the table, where `progress` is not called. */
  bytes(count: number): void;
}

export const outputNames = [
  "snapshot-id",
  "archive-url",
  "manifest-url",
  "manifest-path",
  "manifest-digest",
  "stacks-height",
  "burn-height",
  "size-bytes",
  "uploaded-bytes",
  "fetched-bytes",
  "reused-frames",
  "reused-percent",
  "downtime-seconds",
  "node-running",
  "restored-dir",
  "cache-hit",
  "volume-snapshots",
  "snapshots",
  "newest-id",
  "newest-created-at",
  "pruned",
  "plan",
] as const;

export type OutputName = (typeof outputNames)[number];
