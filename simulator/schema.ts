/**
 * The tables of a Stacks node's databases that decide whether a chainstate is one consistent state, and enough of the
 * others that every file a node keeps is there. Table, column and index names are the node's; three generations of them:
 *
 *   current   what stacks-node 4.0.2 writes
 *   previous  Nakamoto before `stacks_chain_tips_by_burn_view` and before the index of ready blocks
 *   epoch2    before Nakamoto: no Nakamoto tables, tries inside the databases, no `.blobs`
 */

export type Generation = "current" | "previous" | "epoch2";

/** Paths below the mode directory. */
export const databasePaths = {
  clarity: "chainstate/vm/clarity/marf.sqlite",
  index: "chainstate/vm/index.sqlite",
  nakamoto: "chainstate/blocks/nakamoto.sqlite",
  sortition: "burnchain/sortition/marf.sqlite",
  burnchain: "burnchain/burnchain.sqlite",
  headers: "headers.sqlite",
  mempool: "chainstate/mempool.sqlite",
  txTracking: "chainstate/tx_tracking.sqlite",
  costEstimates: "chainstate/estimates/cost_estimator_pessimistic.sqlite",
  feeEstimates: "chainstate/estimates/fee_estimator_scalar_rate.sqlite",
  peer: "peer.sqlite",
  atlas: "atlas.sqlite",
  stackerDb: "stacker_db.sqlite",
  miner: "miner.sqlite",
} as const;

export type DatabaseKey = keyof typeof databasePaths;

/** The databases without which there is no chainstate; a node recreates the others. */
export const essential: readonly DatabaseKey[] = ["clarity", "index", "sortition", "burnchain", "headers"];

/** Schema versions by generation, as each database records them. */
export const schemaVersions = {
  current: { index: 14, sortition: 11, burnchain: 3, nakamoto: 5, marf: 3, headers: 3 },
  previous: { index: 8, sortition: 10, burnchain: 3, nakamoto: 4, marf: 2, headers: 3 },
  epoch2: { index: 2, sortition: 4, burnchain: 2, nakamoto: 0, marf: 1, headers: 3 },
} as const;

function marf(generation: Generation, version: number): string {
  const external =
    generation === "epoch2"
      ? ""
      : `, external_offset INTEGER DEFAULT 0 NOT NULL, external_length INTEGER DEFAULT 0 NOT NULL`;
  return `
    CREATE TABLE marf_data (block_id INTEGER PRIMARY KEY, block_hash TEXT UNIQUE NOT NULL, data BLOB NOT NULL,
      unconfirmed INTEGER NOT NULL${external});
    CREATE TABLE mined_blocks (block_id INTEGER PRIMARY KEY, block_hash TEXT UNIQUE NOT NULL, data BLOB NOT NULL);
    CREATE TABLE block_extension_locks (block_hash TEXT PRIMARY KEY);
    CREATE TABLE schema_version (version INTEGER DEFAULT 1 NOT NULL);
    INSERT INTO schema_version VALUES (${version});
    CREATE TABLE migrated_version (version INTEGER DEFAULT 1 NOT NULL);
    INSERT INTO migrated_version VALUES (${version});
    CREATE INDEX block_hash_marf_data ON marf_data(block_hash);
    CREATE INDEX unconfirmed_marf_data ON marf_data(unconfirmed);
    ${external === "" ? "" : "CREATE INDEX index_external_offset ON marf_data(external_offset);"}`;
}

const clarityTables = `
    CREATE TABLE data_table (key TEXT PRIMARY KEY, value TEXT);
    CREATE TABLE metadata_table (key TEXT NOT NULL, blockhash TEXT, value TEXT, UNIQUE (key, blockhash));
    CREATE INDEX md_blockhashes ON metadata_table(blockhash);`;

const configTable = (version: number): string =>
  `CREATE TABLE db_config (version TEXT NOT NULL); INSERT INTO db_config VALUES ('${version}');`;

function indexTables(generation: Generation, network: NetworkIdentity): string {
  const epoch2 = `
    CREATE TABLE db_config (version TEXT NOT NULL, mainnet INTEGER NOT NULL, chain_id INTEGER NOT NULL);
    INSERT INTO db_config VALUES ('${schemaVersions[generation].index}', ${network.mainnet ? 1 : 0}, ${network.chainId});
    CREATE TABLE block_headers (version INTEGER NOT NULL, total_burn TEXT NOT NULL, total_work TEXT NOT NULL,
      proof TEXT NOT NULL, parent_block TEXT NOT NULL, parent_microblock TEXT NOT NULL,
      parent_microblock_sequence INTEGER NOT NULL, tx_merkle_root TEXT NOT NULL, state_index_root TEXT NOT NULL,
      microblock_pubkey_hash TEXT NOT NULL, block_hash TEXT NOT NULL, index_block_hash TEXT UNIQUE NOT NULL,
      block_height INTEGER NOT NULL, index_root TEXT NOT NULL, consensus_hash TEXT UNIQUE NOT NULL,
      burn_header_hash TEXT NOT NULL, burn_header_height INT NOT NULL, burn_header_timestamp INT NOT NULL,
      parent_block_id TEXT NOT NULL, cost TEXT NOT NULL, block_size TEXT NOT NULL,
      PRIMARY KEY (consensus_hash, block_hash));
    CREATE INDEX index_block_hash_to_primary_key ON block_headers(index_block_hash, consensus_hash, block_hash);
    CREATE INDEX block_headers_hash_index ON block_headers(block_hash, block_height);
    CREATE INDEX block_headers_burn_header_height ON block_headers(burn_header_height);
    CREATE INDEX index_headers_by_consensus_hash ON block_headers(consensus_hash);
    CREATE TABLE payments (address TEXT NOT NULL, block_hash TEXT NOT NULL, consensus_hash TEXT NOT NULL,
      coinbase TEXT NOT NULL, stacks_block_height INTEGER NOT NULL, index_block_hash TEXT NOT NULL, vtxindex INT NOT NULL);
    CREATE INDEX index_payments_index_block_hash_vtxindex ON payments(index_block_hash, vtxindex ASC);
    CREATE TABLE __fork_storage (value_hash TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (value_hash));`;
  if (generation === "epoch2") return epoch2;
  return `${epoch2}
    CREATE TABLE nakamoto_block_headers (block_height INTEGER NOT NULL, index_root TEXT NOT NULL,
      burn_header_hash TEXT NOT NULL, burn_header_height INT NOT NULL, burn_header_timestamp INT NOT NULL,
      block_size TEXT NOT NULL, version INTEGER NOT NULL, chain_length INTEGER NOT NULL, burn_spent INTEGER NOT NULL,
      consensus_hash TEXT NOT NULL, parent_block_id TEXT NOT NULL, tx_merkle_root TEXT NOT NULL,
      state_index_root TEXT NOT NULL, miner_signature TEXT NOT NULL, signer_signature TEXT NOT NULL,
      signer_bitvec TEXT NOT NULL, header_type TEXT NOT NULL, block_hash TEXT NOT NULL, index_block_hash TEXT NOT NULL,
      cost TEXT NOT NULL, total_tenure_cost TEXT NOT NULL, tenure_changed INTEGER NOT NULL, tenure_tx_fees TEXT NOT NULL,
      vrf_proof TEXT, timestamp INTEGER NOT NULL, burn_view TEXT, height_in_tenure${
        generation === "current"
          ? ", total_tenure_size NOT NULL DEFAULT 0, problematic_txs TEXT NOT NULL DEFAULT '[]'"
          : ""
      }, PRIMARY KEY (consensus_hash, block_hash));
    CREATE TABLE nakamoto_reward_sets (index_block_hash TEXT NOT NULL, reward_set TEXT NOT NULL,
      PRIMARY KEY (index_block_hash));
    CREATE INDEX nakamoto_block_headers_by_consensus_hash ON nakamoto_block_headers(consensus_hash);
    CREATE INDEX index_block_hash ON nakamoto_block_headers(index_block_hash);
    CREATE INDEX naka_block_headers_by_burn_hash ON nakamoto_block_headers(burn_header_hash);
    ${generation === "current" ? "CREATE INDEX naka_block_headers_by_burn_ht ON nakamoto_block_headers(burn_header_height);" : ""}`;
}

function sortitionTables(generation: Generation): string {
  const tips = `sortition_id TEXT PRIMARY KEY, consensus_hash TEXT NOT NULL, block_hash TEXT NOT NULL, block_height INTEGER NOT NULL`;
  const versions = Array.from({ length: schemaVersions[generation].sortition - 1 }, (_, i) => `('${i + 2}')`);
  return `
    CREATE TABLE snapshots (block_height INTEGER NOT NULL, burn_header_hash TEXT NOT NULL, sortition_id TEXT UNIQUE NOT NULL,
      parent_sortition_id TEXT NOT NULL, burn_header_timestamp INT NOT NULL, parent_burn_header_hash TEXT NOT NULL,
      consensus_hash TEXT UNIQUE NOT NULL, ops_hash TEXT NOT NULL, total_burn TEXT NOT NULL, sortition INTEGER NOT NULL,
      sortition_hash TEXT NOT NULL, winning_block_txid TEXT NOT NULL, winning_stacks_block_hash TEXT NOT NULL,
      index_root TEXT UNIQUE NOT NULL, num_sortitions INTEGER NOT NULL, stacks_block_accepted INTEGER NOT NULL,
      stacks_block_height INTEGER NOT NULL, arrival_index INTEGER NOT NULL, canonical_stacks_tip_height INTEGER NOT NULL,
      canonical_stacks_tip_hash TEXT NOT NULL, canonical_stacks_tip_consensus_hash TEXT NOT NULL,
      pox_valid INTEGER NOT NULL, PRIMARY KEY (sortition_id));
    CREATE INDEX snapshots_canonical_chain_tip ON snapshots(pox_valid, block_height DESC, burn_header_hash ASC);
    CREATE INDEX index_burn_header_hash ON snapshots(burn_header_hash);
    CREATE TABLE db_config (version TEXT PRIMARY KEY);
    INSERT INTO db_config VALUES ${versions.join(", ")};
    CREATE TABLE __fork_storage (value_hash TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (value_hash));
    ${generation === "epoch2" ? "" : `CREATE TABLE stacks_chain_tips (${tips});`}
    ${
      generation === "current"
        ? `CREATE TABLE stacks_chain_tips_by_burn_view (${tips}, burn_view_consensus_hash TEXT NOT NULL);
           CREATE INDEX stacks_chain_tips_by_burn_view_by_sortition_id_and_block_height
             ON stacks_chain_tips_by_burn_view(sortition_id, block_height);`
        : ""
    }`;
}

const nakamotoTables = (generation: Generation): string => `
    CREATE TABLE nakamoto_staging_blocks (block_hash TEXT NOT NULL, consensus_hash TEXT NOT NULL,
      parent_block_id TEXT NOT NULL, is_tenure_start BOOL NOT NULL, burn_attachable INT NOT NULL, processed INT NOT NULL,
      orphaned INT NOT NULL, height INT NOT NULL, index_block_hash TEXT UNIQUE NOT NULL, processed_time INT NOT NULL,
      obtain_method TEXT NOT NULL, signing_weight INTEGER NOT NULL, data BLOB NOT NULL,
      PRIMARY KEY (block_hash, consensus_hash));
    CREATE INDEX nakamoto_staging_blocks_by_index_block_hash ON nakamoto_staging_blocks(index_block_hash);
    CREATE TABLE db_version (version INTEGER NOT NULL);
    INSERT INTO db_version VALUES (${schemaVersions[generation].nakamoto});
    ${
      generation === "current"
        ? `CREATE INDEX nakamoto_staging_blocks_by_ready_and_height
             ON nakamoto_staging_blocks(burn_attachable, orphaned, processed, height);`
        : ""
    }`;

const burnchainTables = (generation: Generation): string => `
    ${configTable(schemaVersions[generation].burnchain)}
    CREATE TABLE burnchain_db_block_headers (block_height INTEGER NOT NULL, block_hash TEXT UNIQUE NOT NULL,
      parent_block_hash TEXT NOT NULL, num_txs INTEGER NOT NULL, timestamp INTEGER NOT NULL, PRIMARY KEY (block_hash));
    CREATE INDEX index_burnchain_db_block_headers_height_hash
      ON burnchain_db_block_headers(block_height DESC, block_hash ASC);
    CREATE TABLE burnchain_db_block_ops (block_hash TEXT NOT NULL, op TEXT NOT NULL, txid TEXT NOT NULL);`;

const headersTables = `
    ${configTable(3)}
    CREATE TABLE headers (version INTEGER NOT NULL, prev_blockhash TEXT NOT NULL, merkle_root TEXT NOT NULL,
      time INTEGER NOT NULL, bits INTEGER NOT NULL, nonce INTEGER NOT NULL, height INTEGER PRIMARY KEY NOT NULL,
      hash TEXT NOT NULL);
    CREATE INDEX index_headers_by_hash ON headers(hash);
    CREATE TABLE chain_work (interval INTEGER PRIMARY KEY, work TEXT NOT NULL);`;

/** Databases a node makes anew when they are not there. */
const recreatable: Partial<Record<DatabaseKey, string>> = {
  mempool: `CREATE TABLE mempool (txid TEXT NOT NULL PRIMARY KEY, origin_address TEXT NOT NULL, tx BLOB NOT NULL,
      height INTEGER NOT NULL, accept_time INTEGER NOT NULL);
    CREATE TABLE schema_version (version NUMBER PRIMARY KEY);`,
  txTracking: `CREATE TABLE processed_txids (txid TEXT NOT NULL PRIMARY KEY);`,
  costEstimates: `CREATE TABLE pessimistic_estimator (estimate_key TEXT PRIMARY KEY, current_value NUMBER NOT NULL,
      samples TEXT NOT NULL);`,
  feeEstimates: `CREATE TABLE scalar_fee_estimator (estimate_key NUMBER PRIMARY KEY, high NUMBER NOT NULL,
      middle NUMBER NOT NULL, low NUMBER NOT NULL);`,
  peer: `${configTable(3)}
    CREATE TABLE frontier (peer_version INTEGER NOT NULL, network_id INTEGER NOT NULL, addrbytes TEXT NOT NULL,
      port INTEGER NOT NULL, public_key TEXT NOT NULL, slot INTEGER PRIMARY KEY);
    CREATE TABLE local_peer (network_id INT NOT NULL, parent_network_id INT NOT NULL, nonce TEXT NOT NULL,
      private_key TEXT NOT NULL, private_key_expire INTEGER NOT NULL, addrbytes TEXT NOT NULL, port INTEGER NOT NULL,
      services INTEGER NOT NULL, data_url TEXT NOT NULL, stacker_dbs TEXT);`,
  atlas: `${configTable(2)}
    CREATE TABLE attachments (hash TEXT UNIQUE PRIMARY KEY, content BLOB NOT NULL, was_instantiated INTEGER NOT NULL,
      created_at INTEGER NOT NULL);`,
  stackerDb: `CREATE TABLE databases (stackerdb_id INTEGER NOT NULL PRIMARY KEY, smart_contract_id TEXT UNIQUE NOT NULL);
    CREATE TABLE chunks (stackerdb_id INTEGER NOT NULL, slot_id INTEGER NOT NULL, version INTEGER NOT NULL,
      data_hash TEXT NOT NULL, signature TEXT NOT NULL, signer TEXT NOT NULL, data BLOB NOT NULL,
      write_time INTEGER NOT NULL, PRIMARY KEY (stackerdb_id, slot_id));`,
  miner: `CREATE TABLE db_config (version INTEGER NOT NULL) STRICT; INSERT INTO db_config VALUES (1);
    CREATE TABLE stackerdb_tracking (public_key TEXT NOT NULL, slot_id INTEGER NOT NULL, slot_version INTEGER NOT NULL,
      PRIMARY KEY (public_key, slot_id)) STRICT;`,
};

/** What `index.sqlite` says of the network: mainnet is chain id 1, everything else 2147483648 by default. */
export interface NetworkIdentity {
  readonly mainnet: boolean;
  readonly chainId: number;
}

/** The DDL of one database, or undefined where this generation has no such file. */
export function ddlOf(
  key: DatabaseKey,
  generation: Generation,
  network: NetworkIdentity,
): string | undefined {
  const marfTables = marf(generation, schemaVersions[generation].marf);
  if (key === "clarity") return marfTables + clarityTables;
  if (key === "index") return marfTables + indexTables(generation, network);
  if (key === "sortition") return marfTables + sortitionTables(generation);
  if (key === "nakamoto") return generation === "epoch2" ? undefined : nakamotoTables(generation);
  if (key === "burnchain") return burnchainTables(generation);
  if (key === "headers") return headersTables;
  return recreatable[key];
}
