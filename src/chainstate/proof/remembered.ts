/**
 * What this host knows between two runs, in its state directory. Of a chainstate: up to which block it has proven it, by
 * which version of the proof; losing it costs one proof of everything. Of a chain: the last set of signers that it has seen
 * confirmed; losing it costs a confirmation.
 */
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import {
  type ChainFacts,
  type ProofRecord,
  proofRecordSchema,
  type SignerSetName,
  signerSetSchema,
} from "../../domain/manifest.ts";
import { writeFileAtomically } from "../../system/atomic-file.ts";

const provenSchema = v.strictObject({ chainstate: v.string(), proof: proofRecordSchema });
const confirmedSchema = v.strictObject({ chain: v.string(), signers: signerSetSchema });

/** `chainstate`: the mode directory, absolute. Undefined where nothing is known, or nothing that can be read. */
export async function provenBefore(stateDir: string, chainstate: string): Promise<ProofRecord | undefined> {
  const kept = await read(provenSchema, pathOf(stateDir, "proof", chainstate));
  return kept?.chainstate === chainstate ? kept.proof : undefined;
}

export async function rememberProven(
  stateDir: string,
  chainstate: string,
  proof: ProofRecord,
): Promise<void> {
  const kept: v.InferOutput<typeof provenSchema> = { chainstate, proof };
  await writeFileAtomically(pathOf(stateDir, "proof", chainstate), `${JSON.stringify(kept)}\n`, 0o600);
}

/** Before another chainstate takes its place. */
export async function forgetProven(stateDir: string, chainstate: string): Promise<void> {
  await rm(pathOf(stateDir, "proof", chainstate), { force: true });
}

/** Where the set of a chain is kept, and the set; it is none where nothing that can be read is. */
export async function confirmedBefore(
  stateDir: string,
  chain: ChainFacts,
): Promise<{ readonly file: string; readonly set: SignerSetName | undefined }> {
  const file = pathOf(stateDir, "signers", nameOf(chain));
  const kept = await read(confirmedSchema, file);
  return { file, set: kept?.chain === nameOf(chain) ? kept.signers : undefined };
}

/** An older set than the one that is known is not kept. */
export async function rememberConfirmed(
  stateDir: string,
  chain: ChainFacts,
  signers: SignerSetName,
): Promise<void> {
  const { file, set } = await confirmedBefore(stateDir, chain);
  if (set !== undefined && set.cycle >= signers.cycle) return;
  const kept: v.InferOutput<typeof confirmedSchema> = { chain: nameOf(chain), signers };
  await writeFileAtomically(file, `${JSON.stringify(kept)}\n`, 0o600);
}

/** There is one mainnet. Others are what their directory is called. */
function nameOf({ mainnet, network, chainId }: ChainFacts): string {
  return mainnet === true ? "mainnet" : `${network} (${chainId})`;
}

async function read<S extends v.GenericSchema>(
  schema: S,
  file: string,
): Promise<v.InferOutput<S> | undefined> {
  try {
    return v.parse(schema, JSON.parse(await readFile(file, "utf8")));
  } catch {
    return undefined;
  }
}

function pathOf(stateDir: string, what: "proof" | "signers", of: string): string {
  const name = createHash("sha256").update(of).digest("hex").slice(0, 16);
  return join(stateDir, `${what}-${name}.json`);
}
