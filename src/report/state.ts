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
  /** The restored directory that the post step removes (`remove-after-job`), as `commands/remove-restored.ts` tells it. */
  readonly removeDirectory?: string;
}

const names = {
  runId: "runId",
  journalPath: "journalPath",
  outcome: "outcome",
  removeDirectory: "removeDirectory",
} as const satisfies Record<keyof RunState, string>;

/** True in the post step: `main` has marked that it began. */
export function isPost(environment: Environment): boolean {
  return environment["STATE_isPost"] === "true";
}

/** The first thing `main` does. */
export async function markMainBegun(environment: Environment): Promise<void> {
  await save(environment, { isPost: "true" });
}

/** Adds to what the post step will know; later values win. Outside a runner there is no post step and nothing is kept. */
export async function saveState(environment: Environment, state: RunState): Promise<void> {
  await save(environment, state);
}

export function loadState(environment: Environment): RunState {
  const found = Object.entries(names).map(
    ([key, name]) => [key, environment[`STATE_${name}`] ?? ""] as const,
  );
  return Object.fromEntries(found.filter(([, value]) => value !== ""));
}

async function save(
  environment: Environment,
  values: Readonly<Record<string, string>> | RunState,
): Promise<void> {
  const path = environment["GITHUB_STATE"];
  if (path === undefined || path === "") return;
  const entries = Object.entries(values as Record<string, string>);
  if (entries.some(([, value]) => /[\n\r]/.test(value))) throw new Error("A state value must be one line.");
  await appendFile(path, entries.map(([name, value]) => `${name}=${value}\n`).join(""));
}
