/**
 * What this host has proven of a chainstate, between two runs: up to which block, by which version of the proof. Kept in
 * the state directory, one small file a chainstate. Losing it costs one proof of everything.
 */
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { type ProofRecord, proofRecordSchema } from "../../domain/manifest.ts";
import { writeFileAtomically } from "../../system/atomic-file.ts";

const schema = v.strictObject({ chainstate: v.string(), proof: proofRecordSchema });

/** `chainstate`: the mode directory, absolute. Undefined where nothing is known, or nothing that can be read. */
export async function provenBefore(stateDir: string, chainstate: string): Promise<ProofRecord | undefined> {
  try {
    const text = await readFile(pathOf(stateDir, chainstate), "utf8");
    const kept = v.parse(schema, JSON.parse(text));
    return kept.chainstate === chainstate ? kept.proof : undefined;
  } catch {
    return undefined;
  }
}

export async function rememberProven(
  stateDir: string,
  chainstate: string,
  proof: ProofRecord,
): Promise<void> {
  const kept: v.InferOutput<typeof schema> = { chainstate, proof };
  await writeFileAtomically(pathOf(stateDir, chainstate), `${JSON.stringify(kept)}\n`, 0o600);
}

/** Before another chainstate takes its place. */
export async function forgetProven(stateDir: string, chainstate: string): Promise<void> {
  await rm(pathOf(stateDir, chainstate), { force: true });
}

function pathOf(stateDir: string, chainstate: string): string {
  const name = createHash("sha256").update(chainstate).digest("hex").slice(0, 16);
  return join(stateDir, `proof-${name}.json`);
}
