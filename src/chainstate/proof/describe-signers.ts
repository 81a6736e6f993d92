/** Who has signed the last blocks, in words: what was found and what that is worth. */
import { notMade, type Outcome, passed } from "../finding.ts";
import type { SignersReport } from "./signers-job.ts";

export function describeSigners(report: SignersReport): Outcome {
  const { newest, blocks, unknown, followsFrom, isVouched } = report;
  if (newest === undefined) return notMade(unknown.join("; "));
  const { cycle } = newest.set;
  let worth = "consistent, not confirmed: the set is the one in this chainstate";
  if (followsFrom !== undefined)
    worth = `the set ${followsFrom.cycle === cycle ? "is" : "follows from"} the trusted one of cycle ${followsFrom.cycle}`;
  else if (isVouched) worth += `, signed by the set of cycle ${cycle - 1}`;
  return passed([`${blocks} blocks are signed, ${signedBy(newest)}: ${worth}`, ...unknown].join("; "));
}

export function signedBy({
  height,
  signers,
  members,
  percent,
  set,
}: NonNullable<SignersReport["newest"]>): string {
  return `block ${height.toLocaleString("en-US")} by ${signers} of ${members} signers, ${percent} % of the weight, of cycle ${set.cycle}`;
}
