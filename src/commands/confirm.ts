/**
 * By whom it is confirmed that a chainstate is of the chain: by other nodes, whose block its tip is too, or by its signers,
 * who follow from a set that is trusted. A node that is behind, or does not answer, says nothing; what nobody says is not
 * confirmed.
 */
import { readFile } from "node:fs/promises";
import type { AskSigners, Inspection } from "../chainstate/inspect.ts";
import { signedBy } from "../chainstate/proof/describe-signers.ts";
import { confirmedBefore, rememberConfirmed } from "../chainstate/proof/remembered.ts";
import type { ConfirmOptions } from "../config/config.ts";
import { ActionError, describeError, InputError } from "../domain/errors.ts";
import type { ChainFacts, Confirmation, ProofRecord, SignerSetName } from "../domain/manifest.ts";
import type { TrustedSigners, TrustedSignerSets } from "../domain/options.ts";
import { describeRpcUrl } from "../node/rpc.ts";
import { ensureStateDirectory } from "../recovery/state-directory.ts";
import { whyNotTrusted } from "../store/addresses.ts";
import { bestEffort } from "../system/best-effort.ts";
import { askNode, type NodeAnswer } from "./ask-node.ts";
import type { RunContext } from "./context.ts";

export interface Found extends Pick<Inspection, "facts"> {
  readonly signers?: Inspection["signers"] | undefined;
}

export interface Confirming {
  /** For inspections of what is to be confirmed. */
  readonly signers: AskSigners;
  /**
   * CHAIN_DIFFERS, SIGNER_SET_DIFFERS. Where nobody says so and somebody was to: CHAIN_UNCONFIRMED, or a warning. Undefined:
   * nobody was asked, and no signature looked at.
   */
  confirm(found: Found, ifUnknown: "fail" | "warn"): Promise<Confirmation | undefined>;
}

/** Before anything is touched. INPUT_INVALID. `own`: the RPC of the node whose chainstate it is. */
export async function openConfirming(
  ctx: RunContext,
  { confirmWith = [], trustedSignerSets }: ConfirmOptions,
  own?: string,
): Promise<Confirming> {
  for (const url of confirmWith) {
    if (url === own)
      throw new InputError(
        "confirm-with",
        `${describeRpcUrl(url)} in 'confirm-with' is the node itself, whose word is no confirmation.`,
        "Name nodes of others.",
      );
    const why = await whyNotTrusted(url);
    if (why !== undefined)
      throw new InputError(
        "confirm-with",
        `${describeRpcUrl(url)} in 'confirm-with' is plain http, and ${why}: anybody on the way could confirm what they like.`,
        "Use https://. Plain http is for this host and for private networks.",
      );
  }
  const trusted = trustedSignerSets === undefined ? undefined : await readSets(trustedSignerSets);
  return {
    signers: async (facts) => {
      const { set } = await confirmedHere(ctx, facts);
      const known = trusted ?? (set === undefined ? [] : [set]);
      return { trusted: known, isTraced: confirmWith.length > 0 };
    },
    confirm: (found, ifUnknown) => confirm(ctx, { confirmWith, trusted }, found, ifUnknown),
  };
}

/** What a manifest says is proven: nothing where others are to confirm it, and nobody known has written it. */
export function believedProof(
  {
    confirmWith,
    trustedSignerSets,
    trustedSigners,
    expectDigest,
  }: ConfirmOptions & { readonly trustedSigners?: TrustedSigners; readonly expectDigest?: string },
  proof: ProofRecord | undefined,
): ProofRecord | undefined {
  const isByKnown = trustedSigners !== undefined || expectDigest !== undefined;
  const isConfirmed = confirmWith !== undefined || trustedSignerSets !== undefined;
  return isConfirmed && !isByKnown ? undefined : proof;
}

interface Asked {
  readonly confirmWith: readonly string[];
  /** Undefined: what this host remembers. */
  readonly trusted: readonly SignerSetName[] | undefined;
}

async function confirm(
  ctx: RunContext,
  { confirmWith, trusted }: Asked,
  { facts, signers }: Found,
  ifUnknown: "fail" | "warn",
): Promise<Confirmation | undefined> {
  const { report, host } = ctx;
  const kept = await confirmedHere(ctx, facts);
  if (signers?.differs !== undefined)
    throw setDiffers(signers.differs, trusted === undefined ? kept.file : undefined);
  const answers = await Promise.all(confirmWith.map((url) => askNode(ctx, url, facts)));
  const block = `Block ${facts.stacksHeight.toLocaleString("en-US")} (id ${facts.stacksTip})`;
  requireNoOther(block, answers);
  const { newest, followsFrom } = signers ?? {};
  const isTipSigned = newest !== undefined && newest.id === facts.stacksTip;
  const isBySet = isTipSigned && followsFrom !== undefined;
  const isByNodes = answers.some(({ kind }) => kind === "theirs");
  const missing = [
    ...(confirmWith.length > 0 && !isByNodes ? answers.map(describeAnswer) : []),
    ...(trusted !== undefined && !isBySet
      ? [`its signers do not follow from a trusted set: ${whyNot(signers)}`]
      : []),
  ];
  if (missing.length > 0) {
    const sentence = `${block} is not confirmed: ${missing.join("; ")}.`;
    if (ifUnknown === "fail") throw new ActionError("CHAIN_UNCONFIRMED", sentence);
    report.warning(`${sentence} The snapshot is published without it.`);
  } else if (trusted === undefined && kept.set !== undefined && signers !== undefined && !isBySet) {
    report.notice(
      `The signers do not follow from the set of cycle ${kept.set.cycle}, which this host has seen confirmed: ${whyNot(signers)}.`,
    );
  }
  if (newest !== undefined && (isBySet || (isByNodes && signers?.isTraced === true)))
    await bestEffort(report, "keep the set of signers that was confirmed", async () =>
      rememberConfirmed(await ensureStateDirectory(host.stateDir), facts, newest.set),
    );
  if (newest !== undefined) report.fact("Signer set", `${newest.set.cycle} ${newest.set.digest}`);
  const confirmation = wordsOf(answers, isTipSigned ? signers : undefined);
  if (confirmation !== undefined)
    report.fact(confirmation.by === "own-set" ? "Signed" : "Confirmed", confirmation.detail);
  return confirmation;
}

/** STATE_DIRECTORY_UNUSABLE: what somebody else could have put there is not believed. */
async function confirmedHere({ host }: RunContext, chain: ChainFacts): ReturnType<typeof confirmedBefore> {
  const kept = await confirmedBefore(host.stateDir, chain);
  if (kept.set !== undefined) await ensureStateDirectory(host.stateDir);
  return kept;
}

/** CHAIN_DIFFERS. */
function requireNoOther(block: string, answers: readonly NodeAnswer[]): void {
  const others = answers.filter(({ kind }) => kind === "differs");
  if (others.length === 0) return;
  throw new ActionError(
    "CHAIN_DIFFERS",
    `${block} is not the chain's: ${others.map(describeAnswer).join("; ")}.`,
  );
}

const describeAnswer = ({ url, detail }: NodeAnswer): string => `${describeRpcUrl(url)}: ${detail}`;

function whyNot(signers: Found["signers"]): string {
  if (signers === undefined) return "no signature was looked at, as the checks `proof` and `signers` say";
  return signers.whyNotFollowed ?? (signers.unknown.join("; ") || "the last block is not signed");
}

function wordsOf(answers: readonly NodeAnswer[], signers: Found["signers"]): Confirmation | undefined {
  const theirs = answers.filter(({ kind }) => kind === "theirs");
  const silent = answers.filter(({ kind }) => kind === "silent");
  const signed: string[] = [];
  if (signers?.newest !== undefined) {
    const { newest, followsFrom } = signers;
    const worth =
      followsFrom === undefined
        ? "consistent, not confirmed"
        : `they follow from the trusted set of cycle ${followsFrom.cycle}`;
    signed.push(`signed: ${signedBy(newest)}: ${worth}`);
  }
  if (theirs.length > 0) {
    const by = `confirmed by ${theirs.map(({ url }) => describeRpcUrl(url)).join(", ")}: the block is theirs`;
    return { by: "nodes", detail: [by, ...silent.map(describeAnswer), ...signed].join("; ") };
  }
  if (signers === undefined) return undefined;
  return { by: signers.followsFrom === undefined ? "own-set" : "signer-set", detail: signed.join("; ") };
}

function setDiffers(
  { trusted, found }: NonNullable<NonNullable<Found["signers"]>["differs"]>,
  file: string | undefined,
): ActionError {
  const by = file === undefined ? "`trusted-signer-set`" : `this host, in ${file}`;
  return new ActionError(
    "SIGNER_SET_DIFFERS",
    `The signers of reward cycle ${trusted.cycle} have the digest ${found} here, and ${trusted.digest} by ${by}.`,
  );
}

const setForms = "Each line is a reward cycle and the digest of its set: 118 9f2c… (64 hexadecimal digits).";

async function readSets(given: TrustedSignerSets): Promise<readonly SignerSetName[]> {
  const where = given.kind === "file" ? given.path : "'trusted-signer-set'";
  const unusable = (why: string): InputError =>
    new InputError("trusted-signer-set", `${where} cannot be used: ${why}.`, setForms);
  const text =
    given.kind === "lines"
      ? given.lines
      : await readFile(given.path, "utf8").catch((error: unknown) => {
          throw unusable(describeError(error));
        });
  const sets = text.split(/\r?\n/).flatMap((line, at) => {
    if (line.trim() === "" || line.trimStart().startsWith("#")) return [];
    const [, cycle, digest = ""] = /^(\d{1,9})\s+(?:0x)?([0-9a-f]{64})$/i.exec(line.trim()) ?? [];
    if (cycle === undefined) throw unusable(`line ${at + 1} is no cycle and digest`);
    return [{ cycle: Number(cycle), digest: digest.toLowerCase() }];
  });
  if (sets.length === 0) throw unusable("it names no set");
  return sets;
}
