/** What the databases say of the chain, for manifest and summary: the tip that a snapshot is of, not the RPC's. */
import { basename } from "node:path";
import type { ChainFacts } from "../domain/manifest.ts";
import { databases } from "./layout.ts";
import { DatabaseUnreadableError } from "./read-only-database.ts";
import { numberOf, textOf } from "./source.ts";
import type { Tips } from "./tips.ts";
import type { Row } from "./reader-process.ts";

const unknownSchemas: ChainFacts["schemas"] = {
  index: null,
  sortition: null,
  burnchain: null,
  nakamoto: null,
  marf: null,
  headers: null,
};

/** SQL for the schema version, by database; `db_config` keeps texts, of which "9" is greater than "11". */
const versionQueries: Readonly<Record<keyof ChainFacts["schemas"], readonly [string, string]>> = {
  index: [databases.index, "SELECT version AS v FROM db_config LIMIT 1"],
  sortition: [databases.sortition, "SELECT MAX(CAST(version AS INTEGER)) AS v FROM db_config"],
  burnchain: [databases.burnchain, "SELECT MAX(CAST(version AS INTEGER)) AS v FROM db_config"],
  nakamoto: [databases.nakamoto, "SELECT MAX(version) AS v FROM db_version"],
  marf: [databases.clarity, "SELECT MAX(version) AS v FROM schema_version"],
  headers: [databases.headers, "SELECT MAX(CAST(version AS INTEGER)) AS v FROM db_config"],
};

/**
 * The tables that are keyed by hashes. A row that replaces an equal one gets a new rowid too, so of two snapshots these say how many
 * rows were written between them, and so what share of such a database a night changes.
 */
const hashKeyed: readonly (readonly [keyof typeof databases, string])[] = [
  ["clarity", "data_table"],
  ["clarity", "metadata_table"],
  ["index", "__fork_storage"],
  ["sortition", "__fork_storage"],
  ["nakamoto", "nakamoto_staging_blocks"],
];

/**
 * Never throws for a damaged chainstate: what cannot be read is null (height 0), and the checks say why.
 * `dir` gives the network its name; `hasPruningManifest`: a `PCS_manifest.toml` stands in it.
 */
export async function factsOf(tips: Tips, dir: string, hasPruningManifest: boolean): Promise<ChainFacts> {
  const { source } = tips;
  const first = async (database: string, sql: string): Promise<Row | undefined> =>
    source.has(database) ? (await readable(source.ask(database, sql)))?.[0] : undefined;
  const config = await first(databases.index, "SELECT mainnet, chain_id FROM db_config LIMIT 1");
  const tip = source.has(databases.index) ? await readable(tips.tip()) : undefined;
  const schemas = { ...unknownSchemas };
  for (const [name, [database, sql]] of Object.entries(versionQueries)) {
    schemas[name as keyof typeof schemas] = numberOf(await first(database, sql), "v") ?? null;
  }
  const mainnet = numberOf(config, "mainnet");
  return {
    network: basename(dir),
    mainnet: mainnet === undefined ? null : mainnet !== 0,
    chainId: numberOf(config, "chain_id") ?? null,
    stacksHeight: tip?.height ?? 0,
    stacksTip: tip?.id ?? null,
    consensusHash: tip?.consensusHash ?? null,
    burnHeight: source.has(databases.sortition) ? ((await readable(tips.burnHeight())) ?? null) : null,
    epochEra: tip === undefined ? "unknown" : tip.table === "block_headers" ? "epoch2" : "nakamoto",
    schemas,
    pruned: hasPruningManifest || (await isSquashed(tips)),
    largestRowids: await largestRowids(tips),
  };
}

/** One seek each. */
async function largestRowids({ source }: Tips): Promise<NonNullable<ChainFacts["largestRowids"]>> {
  const found: Record<string, number | null> = {};
  for (const [name, table] of hashKeyed) {
    const path = databases[name];
    const sql = `SELECT max(rowid) AS largest FROM ${table}`;
    const rows = source.has(path) ? await readable(source.ask(path, sql)) : undefined;
    const largest = numberOf(rows?.[0], "largest");
    found[`${name}.${table}`] = Number.isSafeInteger(largest) ? (largest ?? null) : null;
  }
  return found;
}

async function isSquashed(tips: Tips): Promise<boolean> {
  for (const database of [databases.clarity, databases.index, databases.sortition]) {
    if (!tips.source.has(database)) continue;
    const schema = await readable(tips.schema(database));
    if (schema?.has("marf_squash_info") !== true) continue;
    const rows = await readable(tips.source.ask(database, "SELECT 1 AS found FROM marf_squash_info LIMIT 1"));
    if (textOf(rows?.[0], "found") !== undefined) return true;
  }
  return false;
}

async function readable<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof DatabaseUnreadableError) return undefined;
    throw error;
  }
}
