/**
 * Whether a snapshot fits the node it is to be given to, from its manifest alone: nothing is downloaded for the answer.
 * What is not known on either side is not compared.
 */
import type { ChainFacts } from "../domain/manifest.ts";
import { ActionError } from "../domain/errors.ts";

/** What the snapshot is compared with. */
export interface Target {
  /** Of the chainstate that is replaced, where there is one. */
  readonly replaced: ChainFacts | undefined;
  /** Of the node that will open it, such as "4.0.2". */
  readonly nodeVersion: string | undefined;
  /** Of that node's `/v2/info`, where it runs. */
  readonly node: { readonly network_id: number; readonly parent_network_id: number } | undefined;
  /** The operator's explicit word that a newer schema is wanted. */
  readonly allowNewerSchema: boolean;
  /** The operator's explicit word that it may go back, or that this very snapshot is wanted. */
  readonly allowLowerHeight: boolean;
}

type Schemas = ChainFacts["schemas"];

/** What releases write and open at most; an older release opens no more than the next one in this list. */
const newestSchemas: readonly {
  readonly version: string;
  readonly schemas: Record<keyof Schemas, number>;
}[] = [
  { version: "4.0.2", schemas: { index: 14, sortition: 11, burnchain: 3, nakamoto: 5, marf: 3, headers: 3 } },
];

/** From which release on a node writes what older ones cannot read, without raising a schema. */
const unannounced: readonly { readonly version: string; readonly what: string }[] = [
  { version: "3.3.0.0.6", what: "compressed tries (`marf_compress`)" },
];

const mainnetChainId = 1;
/** Burnchain modes, after which nodes name their mode directories. Others are names of an operator's own. */
const modes = new Set(["mainnet", "xenon", "krypton", "neon", "nakamoto-neon", "mocknet", "helium", "argon"]);

/**
 * Throws NETWORK_DIFFERS, SNAPSHOT_PRUNED, SCHEMA_NEWER or HEIGHT_LOWER. `producer`: the version of the node that wrote the chainstate, where
 * it is known.
 */
export function checkFits(chain: ChainFacts, target: Target, producer?: string | null): void {
  refuseOtherNetwork(chain, target);
  if (
    chain.pruned &&
    target.replaced !== undefined &&
    !target.replaced.pruned &&
    target.replaced.stacksTip !== null
  ) {
    throw new ActionError(
      "SNAPSHOT_PRUNED",
      "The snapshot is of a pruned chainstate, the one to be replaced is not.",
      {
        hint: "History that the node has now would be gone. Choose another snapshot, or restore into an empty directory.",
      },
    );
  }
  if (!target.allowNewerSchema) {
    refuseNewerSchema(chain.schemas, target);
    refuseNewerProducer(producer, target);
  }
  const lower = describeLower(chain, target);
  if (lower !== undefined && !target.allowLowerHeight) throw new ActionError("HEIGHT_LOWER", lower);
}

/** That the chain goes back, in a sentence; undefined where it does not, or nothing is known. */
export function describeLower(chain: ChainFacts, { replaced }: Target): string | undefined {
  if (replaced === undefined || replaced.stacksTip === null || chain.stacksTip === null) return undefined;
  if (chain.stacksHeight >= replaced.stacksHeight) return undefined;
  return `The snapshot is at Stacks height ${chain.stacksHeight}, and the chainstate to be replaced at ${replaced.stacksHeight}.`;
}

function refuseOtherNetwork(chain: ChainFacts, { replaced, node }: Target): void {
  const differs = (what: string, here: unknown, there: unknown, where: string): ActionError =>
    new ActionError(
      "NETWORK_DIFFERS",
      `The snapshot's ${what} is ${String(there)}, ${where} is ${String(here)}.`,
      {
        hint: "A node cannot run on another network's chainstate. Choose a snapshot of this network.",
      },
    );
  if (replaced !== undefined) {
    const where = "that of the chainstate to be replaced";
    for (const [key, what] of [
      ["mainnet", "`mainnet` flag"],
      ["chainId", "chain id"],
    ] as const) {
      const [here, there] = [replaced[key], chain[key]];
      if (here !== null && there !== null && here !== there) throw differs(what, here, there, where);
    }
    // Test networks share one chain id, so that only their names tell them apart.
    if (replaced.network !== chain.network && modes.has(replaced.network) && modes.has(chain.network)) {
      throw differs("network", replaced.network, chain.network, where);
    }
  }
  if (node === undefined) return;
  if (chain.chainId !== null && node.network_id !== chain.chainId) {
    throw differs("chain id", node.network_id, chain.chainId, "the running node's network id");
  }
  if (chain.mainnet !== null && chain.mainnet !== (node.network_id === mainnetChainId)) {
    throw differs("`mainnet` flag", node.network_id === mainnetChainId, chain.mainnet, "the running node's");
  }
}

function refuseNewerSchema(schemas: Schemas, { replaced, nodeVersion }: Target): void {
  const openable = nodeVersion === undefined ? undefined : schemasOf(nodeVersion);
  for (const [name, version] of Object.entries(schemas) as [keyof Schemas, number | null][]) {
    if (version === null) continue;
    const limit = openable?.[name];
    if (limit !== undefined && version > limit) {
      throw newer(name, version, `stacks-node ${nodeVersion ?? ""} opens ${limit} at most`);
    }
    const here = replaced?.schemas[name] ?? null;
    if (here !== null && version > here)
      throw newer(name, version, `the chainstate to be replaced has ${here}`);
  }
}

/** What a node of a later release may have written is taken to be there: only the tries themselves would tell. */
function refuseNewerProducer(producer: string | null | undefined, { nodeVersion }: Target): void {
  if (producer === null || producer === undefined || nodeVersion === undefined) return;
  for (const { version, what } of unannounced) {
    if (compareVersions(producer, version) < 0 || compareVersions(nodeVersion, version) >= 0) continue;
    throw new ActionError(
      "SCHEMA_NEWER",
      `The snapshot is of stacks-node ${producer}, which writes ${what} from ${version} on; stacks-node ${nodeVersion} cannot read them.`,
      {
        hint: "Upgrade the node first, choose an older snapshot, or, when you know that its node did not write them, set `allow-newer-schema: true`.",
      },
    );
  }
}

function newer(name: string, version: number, than: string): ActionError {
  return new ActionError("SCHEMA_NEWER", `The snapshot's ${name} schema is ${version}, but ${than}.`, {
    hint:
      "An older node refuses or panics on a newer schema. Upgrade the node first, choose an older snapshot, or, when you " +
      "know that the node opens it, set `allow-newer-schema: true`.",
  });
}

/** Undefined for a release newer than those known: what it opens is not. */
function schemasOf(version: string): Record<keyof Schemas, number> | undefined {
  return newestSchemas.find((release) => compareVersions(version, release.version) <= 0)?.schemas;
}

function compareVersions(a: string, b: string): number {
  const numbers = (version: string): number[] =>
    version.split(/[.+-]/).map((part) => Number.parseInt(part, 10) || 0);
  const [left, right] = [numbers(a), numbers(b)];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
