/**
 * The watcher's loop: looks whether the run that holds a journal still lives, and when it does not, and nobody takes its
 * place within the grace (the post step comes first), recovers. It runs in a process of its own, started by
 * `watchdog.ts`; a systemd timer calls it with `once`, a detached watcher stays in it.
 */
import type { SudoMode } from "../domain/options.ts";
import { describeError, hasCode } from "../domain/errors.ts";
import type { Privilege } from "../system/privilege.ts";
import type { JournalContent } from "./content.ts";
import { isLocked } from "../system/process-lock.ts";
import { lockPathOf, readJournal, takeJournal, type Journal } from "./journal.ts";
import { needsRecovery, recover, tryPutAway, type RecoverOptions } from "./recover.ts";

export interface WatchOptions extends Omit<RecoverOptions, "privilege"> {
  readonly privilege: (mode: SudoMode) => Privilege;
  readonly journalPath: string;
  /** The run this watcher was armed by; another run's journal is not its business. */
  readonly runId: string;
  /** Return as soon as the owner is seen alive; somebody will call again. */
  readonly once: boolean;
  readonly timings?: Partial<WatchTimings>;
  readonly log: (line: string) => void;
}

export interface WatchTimings {
  readonly intervalMs: number;
  /** From the first sight of a dead owner to recovery. */
  readonly graceMs: number;
  /** How long a recovery that fails is tried again, and a journal that cannot be read is looked at. */
  readonly giveUpMs: number;
  /** Between two looks at a restored node that is neither confirmed nor to be put back. */
  readonly confirmEveryMs: number;
}

export const watchTimings: WatchTimings = {
  intervalMs: 2_000,
  graceMs: 20_000,
  giveUpMs: 24 * 3600_000,
  confirmEveryMs: 10_000,
};

/** Why the watch ended; after all but "owner-alive" there is nothing left to watch. */
export type WatchEnd = "owner-alive" | "disarmed" | "recovered" | "nothing-to-do" | "gave-up";

type Look =
  | { readonly kind: "gone" }
  | { readonly kind: "alive" }
  | { readonly kind: "unreadable"; readonly error: unknown }
  | { readonly kind: "dead"; readonly content: JournalContent };

export async function watch(options: WatchOptions): Promise<WatchEnd> {
  const { clock, log, signal } = options;
  const timings = { ...watchTimings, ...options.timings };
  let deadSince: number | undefined;
  let failingSince: number | undefined;
  let said = "";
  let failures = 0;
  let isOpen = false;
  const say = (line: string): void => {
    if (line !== said) log(line);
    said = line;
  };
  for (;;) {
    const look = await lookAt(options);
    if (look.kind === "gone") return "disarmed";
    if (look.kind === "alive") {
      if (options.once) return "owner-alive";
      deadSince = undefined;
      failingSince = undefined;
      failures = 0;
    } else {
      deadSince ??= clock.now();
      const deadForMs = clock.now() - deadSince;
      // A node that still ends is no failure: it is waited for however long that takes.
      if (failingSince !== undefined && clock.now() - failingSince > timings.giveUpMs) return "gave-up";
      if (look.kind === "unreadable") {
        failingSince ??= clock.now();
        say(`Not acting: ${describeError(look.error)}`);
      } else if (deadForMs < timings.graceMs) {
        say(`Run ${options.runId} is dead; waiting ${timings.graceMs / 1000} s for its post step.`);
      } else if (!needsRecovery(look.content)) {
        return "nothing-to-do";
      } else {
        const failed = await attempt(options, say);
        if (failed === "done") return "recovered";
        isOpen = failed === "unconfirmed";
        failures = failed === "failed" ? failures + 1 : 0;
        failingSince = failed === "failed" ? (failingSince ?? clock.now()) : undefined;
      }
    }
    // The main loop and no `poll`: it goes on for as long as the run lives, and its pauses follow what it found.
    const pauseMs = isOpen ? timings.confirmEveryMs : timings.intervalMs * 2 ** Math.min(failures, 4);
    await clock.sleep(Math.min(pauseMs, 30_000), signal);
  }
}

async function lookAt(options: WatchOptions): Promise<Look> {
  try {
    const content = await readJournal(options.journalPath);
    if (content?.runId !== options.runId) return { kind: "gone" };
    return isLocked(lockPathOf(options.journalPath)) ? { kind: "alive" } : { kind: "dead", content };
  } catch (error) {
    return { kind: "unreadable", error };
  }
}

async function attempt(
  options: WatchOptions,
  say: (line: string) => void,
): Promise<"done" | "later" | "unconfirmed" | "failed"> {
  let journal: Journal | undefined;
  try {
    const { signal, clock } = options;
    journal = await takeJournal(options.journalPath, { role: "watchdog", signal, clock });
    if (journal?.content.runId !== options.runId) return "later";
    const privilege = options.privilege(journal.content.sudo);
    const { swap, node, why } = await recover(journal, { ...options, privilege });
    if (swap === "unconfirmed" && node !== "stopping") {
      say(`The restored chainstate is not confirmed yet: ${why}.`);
      return "unconfirmed";
    }
    for (const line of await tryPutAway(journal, { ...options, privilege })) say(line);
    say(`Recovered: swap ${swap}, node ${node}${why === undefined ? "" : ` (${why})`}.`);
    return node === "stopping" ? "later" : "done";
  } catch (error) {
    if (hasCode(error, "RUN_IN_PROGRESS")) return "later";
    say(`Recovery failed and is tried again: ${describeError(error)}`);
    return "failed";
  } finally {
    journal?.release();
  }
}
