/**
 * The reporter: log, annotations, outputs, summary and metrics of one step. Open it before anything else, `begin` it
 * when the inputs are read, `conclude` it when the run is over, however it ended.
 */
import { systemClock, type Clock } from "../system/clock.ts";
import { openConsole, type Console, type Environment } from "./console.ts";
import { explainError } from "./explain-error.ts";
import { writeMetrics } from "./metrics.ts";
import type { ChainstatePlace, NodeStanding, OutputName, Phase, PhaseName, Reporter } from "./port.ts";
import { ProgressMeter } from "./progress.ts";
import { newRecord, type PhaseRecord, type RunRecord } from "./record.ts";
import { createRedactor, secretsIn, type Redact } from "./secrets.ts";
import { orderedFacts, outcomeLines, renderSummary } from "./summary.ts";
import { formatBytes } from "../system/space.ts";
import { formatDuration, formatRate, harmless, textTable } from "./words.ts";

export interface RunReport extends Reporter {
  /** Says what is about to be done, and from now on writes metrics where the inputs want them. */
  begin(config: Begun): void;
  /**
   * Says how it ended, writes summary and metrics, and makes the step fail if there is an error. Nothing may be
   * reported afterwards. Never throws: what cannot be written becomes a warning in the log.
   */
  conclude(error?: unknown): Promise<void>;
  /** What was recorded, for state between main and post and for tests. */
  readonly record: RunRecord;
  readonly redact: Redact;
}

interface Begun {
  readonly command: string;
  readonly metricsFile?: string;
  readonly chainstateDir?: string;
}

export interface ReportOptions {
  readonly step: "main" | "post";
  /** The process's environment: tells the runner from a terminal, and which texts are secret. */
  readonly environment: Environment;
  readonly toolVersion: string;
  readonly clock?: Clock;
  /** Gets whole lines; standard output by default. */
  readonly write?: (text: string) => void;
}

export async function openReport(options: ReportOptions): Promise<RunReport> {
  const write = options.write ?? ((text: string): void => void process.stdout.write(text));
  // Said before anything heavy is loaded.
  write(`chainstate-snapshot ${options.toolVersion}${options.step === "post" ? ", after the job" : ""}\n`);
  const secrets = secretsIn(options.environment);
  const withoutSecrets = createRedactor(secrets);
  const redact = (text: string): string => harmless(withoutSecrets(text));
  const console = await openConsole(options.environment, redact, write);
  for (const secret of secrets) console.mask(secret);
  return new StepReport(console, redact, options);
}

class StepReport implements RunReport {
  readonly record: RunRecord;
  readonly redact: Redact;
  readonly #console: Console;
  readonly #clock: Clock;
  readonly #environment: Environment;
  #openPhases = 0;
  #metricsFile: string | undefined;

  constructor(console: Console, redact: Redact, { step, clock, environment }: ReportOptions) {
    this.#console = console;
    this.#clock = clock ?? systemClock;
    this.#environment = environment;
    this.redact = redact;
    this.record = newRecord(step, this.#clock.now());
  }

  begin(config: Begun): void {
    this.record.command = config.command;
    if (config.chainstateDir !== undefined) this.record.chainstateDir = config.chainstateDir;
    this.#metricsFile = config.metricsFile;
  }

  async phase<T>(
    name: PhaseName,
    title: string,
    work: (phase: Phase) => Promise<T>,
    isBeside = false,
  ): Promise<T> {
    const record: PhaseRecord = { name, title: this.redact(title), startedAt: this.#clock.now() };
    this.record.phases.push(record);
    // The runner knows no groups within groups: a phase beside another gets a line instead.
    const grouped = this.#openPhases === 0 && !isBeside;
    if (!isBeside) this.#openPhases += 1;
    if (grouped) this.#console.startGroup(title);
    else this.info(`▸ ${title}`);
    const prefix = grouped ? "" : `${name}: `;
    const meter = new ProgressMeter(
      (line) => this.info(`${prefix}${line}`),
      () => this.#clock.now(),
    );
    try {
      return await work({
        progress(progress) {
          meter.update(progress);
          record.bytes = progress.doneBytes;
        },
        bytes(count) {
          record.bytes = count;
        },
      });
    } catch (error) {
      record.failed = true;
      throw error;
    } finally {
      meter.stop();
      record.endedAt = this.#clock.now();
      if (!isBeside) this.#openPhases -= 1;
      // Behind the group, so that it is seen while the group is closed.
      if (grouped) this.#console.endGroup();
      this.info(closingLine(record));
    }
  }

  info(message: string): void {
    this.#console.line(message);
  }

  warning(message: string): void {
    this.record.warnings.push(this.redact(message));
    this.#console.annotate("warning", message);
  }

  notice(message: string): void {
    this.#console.annotate("notice", message);
  }

  downtime(startedAt: Date, endedAt: Date | undefined): void {
    const from = startedAt.getTime();
    const span = this.record.downtimes.find((one) => one.startedAt === from);
    if (span === undefined) {
      this.record.downtimes.push({
        startedAt: from,
        ...(endedAt === undefined ? {} : { endedAt: endedAt.getTime() }),
      });
    } else if (endedAt !== undefined) {
      span.endedAt = endedAt.getTime();
    }
  }

  output(name: OutputName, value: string): void {
    this.record.outputs.set(name, value);
    this.#console.output(name, this.redact(value));
  }

  fact(label: string, value: string): void {
    this.record.facts.push({ label, value: this.redact(value) });
  }

  node(standing: NodeStanding): void {
    this.record.node = standing;
  }

  chainstate(place: ChainstatePlace): void {
    this.record.chainstate = place;
  }

  headline(sentence: string, isInterrupted = false): void {
    this.record.headline = this.redact(sentence);
    this.record.interrupted = isInterrupted;
  }

  link(label: string, url: string): void {
    this.record.links.push({ label, url: this.redact(url) });
  }

  commands(title: string, lines: readonly string[]): void {
    this.record.commands.push({ title, lines: lines.map(this.redact) });
  }

  table(title: string, header: readonly string[], rows: readonly (readonly string[])[]): void {
    this.record.tables.push({ title, header, rows: rows.map((row) => row.map(this.redact)) });
    this.info(title);
    for (const line of textTable(header, rows)) this.info(line);
  }

  async conclude(error?: unknown): Promise<void> {
    const { record } = this;
    record.endedAt = this.#clock.now();
    if (error === undefined && record.step === "post" && isUneventful(record)) {
      this.info("Nothing was left to do.");
      return;
    }
    // Only now is it known; what is said earlier would stand although a later step, or the watchdog, has started the node.
    if (record.step === "main" && record.node !== "not-touched")
      this.output("node-running", nodeRuns[record.node]);
    if (error !== undefined) record.failure = explainError(error, this.redact, this.#environment);
    const lines = outcomeLines(record, record.endedAt);
    if (record.failure === undefined) {
      for (const line of lines) this.info(line);
    } else {
      const { code, details } = record.failure;
      this.#console.annotate(
        "error",
        lines.join("\n"),
        `${record.command || "chainstate-snapshot"}: ${code}`,
      );
      if (details.length > 0) {
        this.#console.startGroup("Details for a report");
        for (const line of details) this.info(line);
        this.#console.endGroup();
      }
      this.#console.fail();
    }
    const metricsFile = this.#metricsFile;
    if (metricsFile !== undefined) {
      await this.#bestEffort("the metrics file", () => writeMetrics(metricsFile, record));
    }
    await this.#bestEffort("the summary", () =>
      this.#console.summary(this.redact(renderSummary(record, this.#clock.now())), compactSummary(record)),
    );
  }

  async #bestEffort(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      this.#console.annotate(
        "warning",
        `Cannot write ${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
      );
    }
  }
}

const nodeRuns = {
  running: "true",
  stopping: "stopping",
  down: "false",
  "left-down": "false",
  unknown: "unknown",
} as const;

/** A post step that had nothing to do needs no summary. */
function isUneventful({ node, headline, phases, warnings }: RunRecord): boolean {
  return node === "not-touched" && headline === undefined && phases.length === 0 && warnings.length === 0;
}

function closingLine(phase: PhaseRecord): string {
  const ms = (phase.endedAt ?? phase.startedAt) - phase.startedAt;
  const words = [phase.failed === true ? "failed after" : "done in", formatDuration(ms)];
  const bytes = phase.bytes ?? 0;
  const moved = bytes === 0 ? "" : `, ${formatBytes(bytes)}, ${formatRate(bytes, ms)}`;
  return `▸ ${phase.title}: ${words.join(" ")}${moved}`;
}

/** What a terminal shows in place of the summary. */
function compactSummary(record: RunRecord): readonly string[] {
  const lines: string[] = [];
  lines.push(
    ...textTable(
      ["", ""],
      orderedFacts(record).map(({ label, value }) => [label, value]),
    ).slice(1),
  );
  lines.push(...record.links.map(({ label, url }) => `${label}: ${url}`));
  for (const { title, lines: shell } of record.commands)
    lines.push("", title, ...shell.map((one) => `  ${one}`));
  return lines;
}
