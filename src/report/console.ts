/**
 * Where words go: the runner (groups, annotations, outputs, masks, the step's summary) or, outside GitHub, a terminal.
 * Nothing that is printed can be taken for a command to the runner, whoever wrote the text.
 */
import type { Redact } from "./secrets.ts";
import { truncate } from "./words.ts";

export type AnnotationKind = "error" | "warning" | "notice";

export interface Console {
  line(text: string): void;
  startGroup(title: string): void;
  endGroup(): void;
  annotate(kind: AnnotationKind, text: string, title?: string): void;
  output(name: string, value: string): void;
  mask(secret: string): void;
  /** Ends the step as failed once the process ends. */
  fail(): void;
  /** Shows the Markdown on the run's page; in a terminal the compact text. */
  summary(markdown: string, compact: readonly string[]): Promise<void>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the runner shows of one kind in one step; the rest would be dropped without a word. */
const shownAnnotations = 10;
const longestAnnotation = 4000;

/** `write` gets whole lines; `redact` makes texts harmless too (`words.ts`). It is asked anew for each line, so secrets found later are blanked too. */
export async function openConsole(
  environment: Environment,
  redact: Redact,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<Console> {
  const line = (text: string): void => write(`${redact(text)}\n`);
  if (environment["GITHUB_ACTIONS"] !== "true") return terminal(line);
  // Loading the toolkit takes a third of a second; the first line of the log is out before that.
  const core = await import("@actions/core");
  const counts: Record<AnnotationKind, number> = { error: 0, warning: 0, notice: 0 };
  return {
    line,
    startGroup: (title) => core.startGroup(redact(title)),
    endGroup: () => core.endGroup(),
    annotate(kind, text, title) {
      counts[kind] += 1;
      // The last place is kept for errors' sake: the outcome must always be shown.
      const limit = kind === "error" ? shownAnnotations : shownAnnotations - 1;
      const said = truncate(redact(text), longestAnnotation);
      if (counts[kind] > limit) line(`${kind}: ${said}`);
      else core[kind](said, title === undefined ? {} : { title: redact(title) });
    },
    output(name, value) {
      if (environment["GITHUB_OUTPUT"] !== undefined) core.setOutput(name, value);
    },
    mask: (secret) => core.setSecret(secret),
    fail() {
      process.exitCode = core.ExitCode.Failure;
    },
    async summary(markdown, compact) {
      if (environment["GITHUB_STEP_SUMMARY"] === undefined) {
        for (const text of compact) line(text);
        return;
      }
      await core.summary.addRaw(redact(markdown), true).write();
    },
  };
}

function terminal(line: (text: string) => void): Console {
  return {
    line,
    startGroup: (title) => line(`\n── ${title}`),
    endGroup: () => undefined,
    annotate: (kind, text) => line(`${kind}: ${text}`),
    output: () => undefined,
    mask: () => undefined,
    fail() {
      process.exitCode = 1;
    },
    async summary(_markdown, compact) {
      for (const text of compact) line(text);
    },
  };
}
