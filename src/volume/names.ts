/**
 * Names of everything this folder makes on a host or in a cloud. They carry the run's id, so a later run can tell a dead
 * run's leavings from anything else; what is not named so is never removed.
 */
import { ActionError } from "../domain/errors.ts";

/** Also the key of tags and the namespace of ZFS properties. */
export const toolName = "chainstate-snapshot";

const runIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/;

/** "chainstate-snapshot-<runId>": fit for ZFS, btrfs and LVM. RUN_ID_INVALID for ids that could not be part of a name. */
export function nameFor(runId: string): string {
  if (!runIdPattern.test(runId) || runId.includes("..")) {
    throw new ActionError("RUN_ID_INVALID", `"${runId}" cannot name a snapshot.`);
  }
  return `${toolName}-${runId}`;
}

/** The run that a name belongs to; undefined where the name is not one of ours. */
export function runIdOf(name: string): string | undefined {
  if (!name.startsWith(`${toolName}-`)) return undefined;
  const runId = name.slice(toolName.length + 1);
  return runIdPattern.test(runId) ? runId : undefined;
}

/** For whoever is about to remove something that this tool did not make. */
export function notOurs(what: string): ActionError {
  return new ActionError("NOT_OURS", `${what} was not made by this action and is left alone.`);
}
