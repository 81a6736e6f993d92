/** Names and labels of what is made at Google, within the letters that it takes. */
import { nameFor, toolName } from "../../names.ts";
import type { Run } from "../disks.ts";

export const runLabel = `${toolName}-run`;

export function labelOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "-")
    .slice(0, 63);
}

export function resourceName(runId: string, suffix: string): string {
  return `${labelOf(nameFor(runId)).replaceAll("_", "-").slice(0, 55)}-${suffix}`;
}

export function labelsOf({ runId, facts }: Run): Record<string, string> {
  return {
    name: "stacks-snapshot",
    type: "chainstate",
    [runLabel]: labelOf(runId),
    ...(facts === undefined
      ? {}
      : {
          [`${toolName}-id`]: labelOf(facts.snapshotId),
          [`${toolName}-network`]: labelOf(facts.network),
          [`${toolName}-stacks-height`]: String(facts.stacksHeight),
          ...(facts.burnHeight === null ? {} : { [`${toolName}-burn-height`]: String(facts.burnHeight) }),
        }),
  };
}
