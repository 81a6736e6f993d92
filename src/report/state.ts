/**
 * What `main` leaves to `post`: the only user of the runner's step state. Saved in pieces as the run goes on, because
 * `main` may be killed at any moment; the rest of the truth is in the journal, whose path is the first thing saved.
 */
import { appendFile } from "node:fs/promises";
import type { Environment } from "./console.ts";

export interface RunState {
  readonly runId?: string;
  /** Absolute path of the journal that says what has to be put right. */
  readonly journalPath?: string;
  /** "failed" and "succeeded" are said at the end of `main`; absent: it never got there. */
  readonly outcome?: "succeeded" | "failed";
  /** The restored directory that the post step removes (`remove-after-job`), as `commands/restore/remove-after-job.ts` tells it. */
  readonly removeDirectory?: string;
}

const names = {
  runId: "runId",
  journalPath: "journalPath",
  outcome: "outcome",
  removeDirectory: "removeDirectory",
} as const satisfies Record<keyof RunState, string>;

export interface StateStore {
  load(): RunState;
  /** Adds to what the post step will know; later values win. */
  save(state: RunState): Promise<void>;
}

/** What the runner hands from `main` to `post`. */
export function runnerState(environment: Environment): StateStore {
  return {
    load() {
      const found = Object.entries(names).map(
        ([key, name]) => [key, environment[`STATE_${name}`] ?? ""] as const,
      );
      return Object.fromEntries(found.filter(([, value]) => value !== ""));
    },
    async save(state) {
      const path = environment["GITHUB_STATE"];
      if (path === undefined || path === "") return;
      const entries = Object.entries(state as Record<string, string>);
      if (entries.some(([, value]) => /[\n\r]/.test(value)))
        throw new Error("A state value must be one line.");
      await appendFile(path, entries.map(([name, value]) => `${name}=${value}\n`).join(""));
    },
  };
}

/** Outside a runner one process does the work of both steps. */
export function processState(): StateStore {
  let state: RunState = {};
  return {
    load: () => state,
    async save(more) {
      state = { ...state, ...more };
    },
  };
}
