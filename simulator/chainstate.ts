/**
 * Makes chainstates of any height and keeps them growing: the files, tables and commit order of a Stacks node, with real
 * tries and blocks of values derived from a seed. For tests, benchmarks and the demo; nothing here is part of the action.
 *
 * A block is committed as a node commits it, in separate transactions that are not atomic together: Clarity, then
 * index, then sortition, the staged block marked processed in between. `.blobs` is appended and synced before the row
 * that records it. Each block hashes to its id and commits to the root of its state, so that the chain can be proven.
 */
import { createCipheriv, createHash } from "node:crypto";
import { closeSync, existsSync, fdatasyncSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { type BurnBlock, canonicalBurnBlocks, canonicalTip } from "./canonical-tip.ts";
import { type EncodedBlock, epoch2Block, idOf, nakamotoBlock } from "./blocks.ts";
import { MarfWriter, type NewTrie, padded, sha } from "./marf-writer.ts";
import { type SignerOptions, SimulatedSigners } from "./signers.ts";
import { type DatabaseKey, databasePaths, ddlOf, type Generation, type NetworkIdentity } from "./schema.ts";

export interface ChainstateOptions {
  readonly era: "nakamoto" | "epoch2";
  /** Stacks height of the tip; blocks 0 … height are there. */
  readonly height: number;
  readonly seed?: string;
  readonly generation?: Generation;
  readonly network?: NetworkIdentity;
  /** Of the last epoch-2 block of a Nakamoto chain; default half the height, 28 at most. */
  readonly lastEpoch2Height?: number;
  /** Nakamoto blocks a burn block; default 3. */
  readonly blocksPerTenure?: number;
  /** The newest blocks whose pages are still in the WALs; default 5. 0: everything is checkpointed. */
  readonly blocksInWal?: number;
  /** Random bytes each block adds to Clarity's `.blobs` and to its body; default 600. */
  readonly extraBytes?: number;
  /** For large states: how many values a block sets, and under which keys; default a few under keys that come again. */
  readonly values?: { count(height: number): number; key(height: number, i: number): number };
  /** Who signs Nakamoto blocks; default: nobody does, and the state knows no signers. */
  readonly signers?: SignerOptions;
}

export interface Tip {
  readonly height: number;
  readonly indexBlockHash: string;
  readonly blockHash: string;
  readonly consensusHash: string;
  readonly burnHeight: number;
  readonly era: "nakamoto" | "epoch2";
}

/** What the node counts of a tenure from its first block on. What a block costs is the same for all. */
function tenureColumns(
  { bytes, columns, fees }: EncodedBlock,
  before: Readonly<Record<string, unknown>>,
  burnView: string,
): Record<string, SQLInputValue> {
  const starts = columns["tenure_changed"] === 1;
  const isExtended = !starts && before["burn_view"] !== burnView;
  const earlier = (name: string, isReset: boolean): number => (isReset ? 0 : Number(before[name] ?? 0));
  const cost = { write_length: 90, write_count: 3, read_length: 40, read_count: 2, runtime: 5000 };
  const total =
    starts || isExtended
      ? cost
      : addCosts(cost, JSON.parse(String(before["total_tenure_cost"])) as typeof cost);
  return {
    tenure_tx_fees: String(fees + earlier("tenure_tx_fees", starts)),
    // Columns without a type: a number would be stored as a real one.
    height_in_tenure: BigInt(1 + earlier("height_in_tenure", starts)),
    total_tenure_size: BigInt(bytes.length + earlier("total_tenure_size", starts || isExtended)),
    burn_view: burnView,
    cost: JSON.stringify(cost),
    total_tenure_cost: JSON.stringify(total),
  };
}

function addCosts<T extends Readonly<Record<string, number>>>(cost: T, earlier: T): T {
  return Object.fromEntries(
    Object.entries(cost).map(([name, value]) => [name, value + (earlier[name] ?? 0)]),
  ) as T;
}

/** Which of a block's transactions are committed; a node that dies in between leaves the rest undone. */
export type CommitStage = "clarity" | "index" | "nakamoto" | "sortition";

export interface AppendOptions {
  /** The last transaction that is still committed; default all of them. */
  readonly until?: CommitStage;
  /** Index block hash of the block to build on, for a fork; default the tip. */
  readonly parent?: string;
  /** Makes two blocks on one parent differ. */
  readonly salt?: string;
  /** Of epoch 4.0: its first transaction is marked as one that is not executed. */
  readonly isMarked?: boolean;
}

type MarfKey = "clarity" | "index" | "sortition";

const none = "f".repeat(64);
const genesisColumns = {
  version: 0,
  total_burn: "0",
  total_work: "0",
  proof: "01".repeat(80),
  parent_block: none,
  parent_microblock: "0".repeat(64),
  tx_merkle_root: "0".repeat(64),
  state_index_root: "0".repeat(64),
  microblock_pubkey_hash: "0".repeat(40),
};
/** Values that a block sets, at most; what it adds to the blobs beyond them belongs to no trie. */
const mostValues = 24;
const bytesPerValue = 200;
const contract = "ST000000000000000000002AMW42H.genesis";
const contractSource = "(define-read-only (height) stacks-block-height)";
const firstBurnHeight = 200;
const testNetwork: NetworkIdentity = { mainnet: false, chainId: 2147483648 };

/** Makes the chainstate in `dir` (the mode directory, absent or empty) and leaves it as a stopped node does. */
export function createChainstate(dir: string, options: ChainstateOptions): Tip {
  const writer = ChainWriter.create(dir, options);
  const inWal = Math.min(options.blocksInWal ?? 5, options.height);
  writer.batch(() => {
    while (writer.tip.height < options.height - inWal) writer.appendBlock();
  });
  writer.checkpoint();
  if (inWal > 1) {
    // SQLite checkpoints each database when its own WAL is long: what the files alone say is not of one moment.
    writer.appendBlock();
    writer.checkpoint("index", "sortition");
  }
  while (writer.tip.height < options.height) writer.appendBlock();
  const tip = writer.tip;
  writer.close(inWal > 0);
  return tip;
}

/** Holds every database of one chainstate open and appends blocks. */
export class ChainWriter {
  readonly dir: string;
  readonly #databases = new Map<DatabaseKey, DatabaseSync>();
  readonly #inserts = new Map<
    string,
    { statement: StatementSync; columns: readonly string[]; fill: SQLInputValue[] }
  >();
  readonly #blobs = new Map<"clarity" | "index", { fd: number; length: number }>();
  readonly #tries = new Map<MarfKey, MarfWriter>();
  readonly #options: ChainstateOptions;
  readonly #signers: SimulatedSigners | undefined;
  readonly #durable: boolean;
  #tip: Tip | undefined;
  #tipTable: string | undefined;
  /** Empty on the first burn chain; makes the hashes of another one differ. */
  #forkName = "";
  #batched = false;

  private constructor(dir: string, options: ChainstateOptions, durable: boolean) {
    this.dir = dir;
    this.#options = options;
    this.#signers = options.signers && new SimulatedSigners(options.signers, firstBurnHeight);
    this.#durable = durable;
  }

  /** A new chainstate with its genesis block. Nothing is synced to the disk while it is made. */
  static create(dir: string, options: ChainstateOptions): ChainWriter {
    const writer = new ChainWriter(dir, options, false);
    writer.#openAll(options.generation ?? "current", options.network ?? testNetwork);
    writer.batch(() => writer.#appendGenesis());
    return writer;
  }

  /**
   * An existing chainstate, a real one too, to go on in its era and as durably as a node; databases that a node recreates
   * are made anew where they are missing.
   */
  static open(
    dir: string,
    options: Pick<ChainstateOptions, "seed" | "blocksPerTenure" | "extraBytes" | "signers"> = {},
  ): ChainWriter {
    const writer = new ChainWriter(
      dir,
      { ...options, era: "nakamoto", height: 0, lastEpoch2Height: 0 },
      true,
    );
    writer.#openAll("current", testNetwork);
    writer.#tip = writer.#readTip();
    return writer;
  }

  get tip(): Tip {
    if (this.#tip === undefined) throw new Error("the chainstate has no block");
    return this.#tip;
  }

  database(key: DatabaseKey): DatabaseSync {
    const database = this.#databases.get(key);
    if (database === undefined) throw new Error(`this chainstate has no ${key} database`);
    return database;
  }

  has(key: DatabaseKey): boolean {
    return this.#databases.has(key);
  }

  /** Everything in `work` in one transaction a database: for building long chains, not for how a node commits. */
  batch(work: () => void): void {
    for (const database of this.#databases.values()) database.exec("BEGIN");
    this.#batched = true;
    work();
    this.#batched = false;
    for (const database of this.#databases.values()) database.exec("COMMIT");
  }

  /** Moves everything out of the WALs (of all databases, or of these) and keeps SQLite from doing so again. */
  checkpoint(...keys: DatabaseKey[]): void {
    for (const [key, database] of this.#databases) {
      if (keys.length > 0 && !keys.includes(key)) continue;
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      database.exec("PRAGMA wal_autocheckpoint = 0");
    }
  }

  /**
   * `leaveWal`: the WALs stay behind with their content, as a node that exits without closing its databases leaves them.
   * The last connection to close is then a read-only one, which can neither checkpoint nor delete them.
   */
  close(leaveWal: boolean): void {
    const holders: DatabaseSync[] = [];
    if (leaveWal) {
      for (const key of this.#databases.keys()) {
        const holder = new DatabaseSync(join(this.dir, databasePaths[key]), { readOnly: true });
        holder.prepare("SELECT COUNT(*) FROM sqlite_master").get();
        holders.push(holder);
      }
    }
    this.#inserts.clear();
    for (const database of this.#databases.values()) database.close();
    for (const holder of holders) holder.close();
    for (const { fd } of this.#blobs.values()) closeSync(fd);
    this.#databases.clear();
    this.#blobs.clear();
    this.#tries.clear();
  }

  /** Adds a block on the tip (or on `parent`) and returns it. Nakamoto once the chain is past its last epoch-2 block. */
  appendBlock(options: AppendOptions = {}): Tip {
    const parent = options.parent === undefined ? this.tip : this.#lookUp(options.parent);
    const height = parent.height + 1;
    const era = this.#eraAt(height, parent);
    const salt = options.salt ?? this.#forkName;
    const hash = (kind: string): string => this.#hash(`${kind}${salt}`, height);
    const perTenure = this.#options.blocksPerTenure ?? 3;
    const opensTenure =
      era === "epoch2" ||
      parent.era === "epoch2" ||
      options.salt !== undefined ||
      this.#isOrphaned(parent) ||
      (height - this.#lastEpoch2Height() - 1) % perTenure === 0;
    const tenure = opensTenure ? this.#appendBurnBlock() : parent;
    const content = noise(hash("body"), this.#options.extraBytes ?? 600);
    const wanted = this.#options.values;
    const count = wanted?.count(height) ?? valuesIn(content.length);
    const key = (i: number): number => wanted?.key(height, i) ?? (height * 7 + i * i) % 997;
    const values = Array.from({ length: count }, (_, i) => hash(`value ${i}`));
    const state = this.#writer("clarity");
    state.begin(parent.indexBlockHash);
    values.forEach((value, i) => state.put(`vm::simulated::${key(i)}`, hashOfValue(value)));
    const sets = this.#signers?.computedIn(
      tenure.burnHeight,
      parent.height === 0 ? undefined : parent.burnHeight,
    );
    for (const [name, value] of this.#signersState(sets, parent)) {
      state.put(name, hashOfValue(value));
      values.push(value);
    }
    const stateTrie = state.seal();
    const burnView = canonicalBurnBlocks(this.database("sortition")).next().value?.consensusHash ?? "";
    const starts = opensTenure && era === "nakamoto";
    const before = this.#tenureSoFar(parent);
    const encoded = (era === "nakamoto" ? nakamotoBlock : epoch2Block)({
      height,
      consensusHash: tenure.consensusHash,
      parentId: parent.indexBlockHash,
      parentBlockHash: parent.blockHash,
      stateRoot: stateTrie.root,
      timestamp: 1_700_000_000 + height * 10,
      label: hash("block"),
      content,
      tenure: starts || before["burn_view"] !== burnView ? { starts, burnView } : undefined,
      marked: options.isMarked === true ? 0 : undefined,
      sign: this.#signers?.signer(height, tenure.burnHeight),
    });
    const block: Tip = {
      height,
      indexBlockHash: encoded.id,
      blockHash: encoded.blockHash,
      consensusHash: tenure.consensusHash,
      burnHeight: tenure.burnHeight,
      era,
    };
    const index = this.#writer("index");
    index.begin(parent.indexBlockHash);
    index.put(`chain_tip::${height % 5}`, hashOfValue(block.indexBlockHash));
    const indexTrie = index.seal(block.indexBlockHash);
    const roots = { clarity: stateTrie.root, index: indexTrie.root };
    const until = options.until ?? "sortition";

    if (era === "nakamoto") this.#stage(block, parent, opensTenure, encoded.bytes);
    this.#commit("clarity", () => {
      this.#appendTrie("clarity", block.indexBlockHash, stateTrie, content);
      for (const value of values) this.#insertValue("clarity", value);
    });
    if (until === "clarity") return block;
    this.#commit("index", () => {
      this.#appendTrie("index", block.indexBlockHash, indexTrie);
      const tenure = tenureColumns(encoded, before, burnView);
      this.#insertHeader(block, parent, roots, { ...encoded.columns, ...tenure }, encoded.bytes.length);
      this.#insertValue("index", block.indexBlockHash);
      for (const cycle of sets ?? []) {
        const row = {
          index_block_hash: block.indexBlockHash,
          reward_set: this.#signers?.rewardSet(cycle) ?? "",
        };
        this.insert("index", "nakamoto_reward_sets", row, "INSERT OR REPLACE");
      }
    });
    if (until === "index") return block;
    if (era === "nakamoto") {
      this.#commit("nakamoto", () =>
        this.database("nakamoto")
          .prepare("UPDATE nakamoto_staging_blocks SET processed = 1 WHERE index_block_hash = ?")
          .run(block.indexBlockHash),
      );
    } else {
      this.#writeBlockFile(block.indexBlockHash, encoded.bytes);
    }
    if (until === "nakamoto") return block;
    this.#commit("sortition", () => this.#recordTip(block));
    this.#tip = block;
    return block;
  }

  *#signersState(cycles: readonly number[] = [], parent: Tip): Generator<readonly [string, string]> {
    const signers = this.#signers;
    if (signers === undefined) return;
    if (parent.height === 0) yield* signers.settings();
    for (const cycle of cycles) yield [signers.stateKey(cycle), signers.stateValue(cycle)];
  }

  /**
   * Bitcoin is reorganised: its last `depth` blocks are replaced by one more of another fork, and the tip is the block that
   * the node had when the forks part. What is appended from then on is of the new fork.
   */
  reorganiseBurnchain(depth: number): void {
    const burn = [...canonicalBurnBlocks(this.database("sortition"))];
    const from = burn[Math.min(depth, burn.length - 1)];
    const orphaned = burn.indexOf(from ?? fail("there is no burn block"));
    this.#forkName = nextFork(this.database("sortition"), true);
    let parent = from;
    for (let count = 0; count <= orphaned; count += 1) parent = this.#appendBurnBlock(parent);
    this.#tip = this.#readTip();
  }

  #isOrphaned({ consensusHash }: Tip): boolean {
    for (const burn of canonicalBurnBlocks(this.database("sortition")))
      if (burn.consensusHash === consensusHash) return false;
    return true;
  }

  /** Inserts a row; columns that are not given and must not be null get an empty value of their type. */
  insert(
    key: DatabaseKey,
    table: string,
    values: Readonly<Record<string, SQLInputValue>>,
    verb = "INSERT",
  ): void {
    const id = `${key}/${table}/${verb}`;
    let prepared = this.#inserts.get(id);
    if (prepared === undefined) {
      const info = this.database(key).prepare(`PRAGMA table_info("${table}")`).all();
      const columns = info.map((column) => String(column["name"]));
      const fill = info.map((column): SQLInputValue => {
        if (column["notnull"] !== 1) return null;
        return /INT|BOOL|NUM|^$/i.test(String(column["type"])) ? 0 : "";
      });
      const marks = columns.map(() => "?").join(", ");
      const sql = `${verb} INTO "${table}" (${columns.map((name) => `"${name}"`).join(", ")}) VALUES (${marks})`;
      prepared = { statement: this.database(key).prepare(sql), columns, fill };
      this.#inserts.set(id, prepared);
    }
    const { columns, fill } = prepared;
    prepared.statement.run(...columns.map((name, at) => values[name] ?? fill[at] ?? null));
  }

  #openAll(generation: Generation, network: NetworkIdentity): void {
    for (const key of Object.keys(databasePaths) as DatabaseKey[]) {
      const ddl = ddlOf(key, generation, network);
      const path = join(this.dir, databasePaths[key]);
      const isThere = existsSync(path);
      if (ddl === undefined || (this.#isOldChain() && key === "nakamoto" && !isThere)) continue;
      mkdirSync(dirname(path), { recursive: true });
      const database = new DatabaseSync(path, { readBigInts: false });
      this.#databases.set(key, database);
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = " + (this.#durable ? "NORMAL" : "OFF"));
      const empty = database.prepare("SELECT COUNT(*) AS n FROM sqlite_master").get()?.["n"] === 0;
      if (!empty) continue;
      database.exec(`BEGIN; ${ddl}; COMMIT`);
      if (key === "peer") this.#makePeerIdentity();
    }
    for (const key of ["clarity", "index"] as const) {
      if (!this.#hasExternalTries(key)) continue;
      const path = join(this.dir, `${databasePaths[key]}.blobs`);
      // Like the node: a missing file is silently created empty.
      const fd = openSync(path, existsSync(path) ? "r+" : "w+");
      const end = this.database(key)
        .prepare("SELECT MAX(external_offset + external_length) AS n FROM marf_data")
        .get()?.["n"];
      this.#blobs.set(key, { fd, length: Number(end ?? 0) });
    }
    this.#tipTable = ["stacks_chain_tips_by_burn_view", "stacks_chain_tips"].find((table) =>
      hasTable(this.database("sortition"), table),
    );
    this.#forkName = nextFork(this.database("sortition"), false);
    const observers = join(this.dir, "..", "event_observers.sqlite");
    if (!existsSync(observers)) {
      const database = new DatabaseSync(observers);
      database.exec(`CREATE TABLE pending_payloads (id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL,
        payload TEXT NOT NULL, timeout INTEGER NOT NULL)`);
      database.close();
    }
    const reorg = join(this.dir, "headers.sqlite.reorg");
    if (!existsSync(reorg)) writeFileSync(reorg, "");
  }

  /** True when an existing chainstate was written before there were Nakamoto tables. */
  #isOldChain(): boolean {
    const index = this.#databases.get("index");
    return index !== undefined && !hasTable(index, "nakamoto_block_headers");
  }

  #hasExternalTries(key: "clarity" | "index"): boolean {
    return this.database(key)
      .prepare("PRAGMA table_info(marf_data)")
      .all()
      .some((column) => column["name"] === "external_offset");
  }

  #appendGenesis(): void {
    const blockHash = "0".repeat(64);
    const { consensusHash, burnHeight } = this.#appendBurnBlock();
    const id = idOf(blockHash, consensusHash);
    const block: Tip = { height: 0, indexBlockHash: id, blockHash, consensusHash, burnHeight, era: "epoch2" };
    const parent: Tip = { ...block, indexBlockHash: none };
    const committed = `${sha(contractSource).toString("hex")}00000000`;
    const state = this.#writer("clarity");
    state.begin(none);
    state.put(`clarity-contract::${contract}`, hashOfValue(committed));
    const stateTrie = state.seal(id);
    this.#appendTrie("clarity", id, stateTrie);
    this.#insertValue("clarity", committed);
    const key = `clr-meta::${contract}::vm-metadata::9::contract-src`;
    this.insert("clarity", "metadata_table", { key, blockhash: id, value: contractSource });
    const index = this.#writer("index");
    index.begin(none);
    const indexTrie = index.seal(id);
    this.#appendTrie("index", id, indexTrie);
    const roots = { clarity: stateTrie.root, index: indexTrie.root };
    this.#insertHeader(block, parent, roots, genesisColumns, 0);
    this.#recordTip(block);
    this.#tip = block;
  }

  /**
   * The next burn block: headers and burnchain database first, then the sortition that evaluates it. One that an earlier
   * run began and left (a node killed in between) is begun anew.
   */
  #appendBurnBlock(
    last: BurnBlock | undefined = canonicalBurnBlocks(this.database("sortition")).next().value ?? undefined,
  ): BurnBlock & { readonly burnHeight: number } {
    const height = last === undefined ? firstBurnHeight : last.height + 1;
    const fork = this.#forkName;
    const hash = this.#hash(`burn${fork}`, height);
    const previous = last?.hash ?? this.#hash("burn", height - 1);
    const consensusHash =
      last === undefined ? "0".repeat(40) : this.#hash(`consensus${fork}`, height).slice(0, 40);
    const time = timeOfBurnBlock(height);
    const replacing = "INSERT OR REPLACE";
    this.#commit("headers", () => {
      const header = { version: 2, prev_blockhash: previous, merkle_root: hash, time, height, hash };
      this.insert("headers", "headers", header, replacing);
    });
    this.#commit("burnchain", () => {
      const header = {
        block_height: height,
        block_hash: hash,
        parent_block_hash: previous,
        num_txs: 1,
        timestamp: time,
      };
      this.insert("burnchain", "burnchain_db_block_headers", header, replacing);
    });
    const sortitionId = this.#hash(`sortition${fork}`, height);
    const parentSortitionId = last?.sortitionId ?? "";
    this.#commit("sortition", () => {
      const trie = this.#writer("sortition");
      trie.begin(last?.sortitionId ?? none);
      for (const name of ["sortition", "consensus"])
        trie.put(`${name}::${height % 7}`, hashOfValue(consensusHash));
      const { bytes, root } = trie.seal(sortitionId);
      this.insert("sortition", "marf_data", { block_hash: sortitionId, data: bytes });
      this.#insertValue("sortition", consensusHash);
      this.insert("sortition", "snapshots", {
        block_height: height,
        burn_header_hash: hash,
        sortition_id: sortitionId,
        parent_sortition_id: parentSortitionId,
        burn_header_timestamp: time,
        parent_burn_header_hash: previous,
        consensus_hash: consensusHash,
        sortition: 1,
        index_root: root,
        num_sortitions: height - firstBurnHeight + 1,
        ...this.#rememberedTip(last),
        pox_valid: 1,
      });
    });
    return { height, hash, sortitionId, parentSortitionId, consensusHash, burnHeight: height };
  }

  /** The tip that a new sortition takes over from its parent. */
  #rememberedTip(parent: BurnBlock | undefined): Record<string, SQLInputValue> {
    const row = this.database("sortition")
      .prepare(
        `SELECT canonical_stacks_tip_height, canonical_stacks_tip_hash, canonical_stacks_tip_consensus_hash
         FROM snapshots WHERE sortition_id = ?`,
      )
      .get(parent?.sortitionId ?? "");
    return {
      canonical_stacks_tip_height: row?.["canonical_stacks_tip_height"] ?? 0,
      canonical_stacks_tip_hash: row?.["canonical_stacks_tip_hash"] ?? "0".repeat(64),
      canonical_stacks_tip_consensus_hash: row?.["canonical_stacks_tip_consensus_hash"] ?? "0".repeat(40),
    };
  }

  #stage(block: Tip, parent: Tip, startsTenure: boolean, body: Buffer): void {
    const row = {
      block_hash: block.blockHash,
      consensus_hash: block.consensusHash,
      parent_block_id: parent.indexBlockHash,
      is_tenure_start: startsTenure ? 1 : 0,
      burn_attachable: 1,
      height: block.height,
      index_block_hash: block.indexBlockHash,
      obtain_method: (body[0] ?? 0) & 0x80 ? "Shadow" : "Downloaded",
      signing_weight: 1,
      data: body,
    };
    this.#commit("nakamoto", () =>
      this.insert("nakamoto", "nakamoto_staging_blocks", row, "INSERT OR REPLACE"),
    );
  }

  #insertHeader(
    block: Tip,
    parent: Tip,
    roots: { clarity: string; index: string },
    columns: Readonly<Record<string, SQLInputValue>>,
    sizeBytes: number,
  ): void {
    // A real chain's burn blocks are not made here.
    const burn = this.database("sortition")
      .prepare(
        "SELECT burn_header_hash AS hash, burn_header_timestamp AS time FROM snapshots WHERE consensus_hash = ?",
      )
      .get(block.consensusHash);
    const common = {
      block_height: block.height,
      index_root: roots.index,
      state_index_root: roots.clarity,
      burn_header_hash: String(burn?.["hash"]),
      burn_header_height: block.burnHeight,
      burn_header_timestamp: Number(burn?.["time"]),
      consensus_hash: block.consensusHash,
      block_hash: block.blockHash,
      index_block_hash: block.indexBlockHash,
      parent_block_id: parent.indexBlockHash,
      block_size: String(sizeBytes),
      ...columns,
    };
    if (block.era === "epoch2") {
      this.insert("index", "block_headers", common);
      return;
    }
    this.insert("index", "nakamoto_block_headers", { ...common, header_type: "nakamoto" });
  }

  /** What the parent's row says of its tenure; nothing where it is of epoch 2. */
  #tenureSoFar(parent: Tip): Readonly<Record<string, unknown>> {
    if (parent.era === "epoch2") return {};
    const sql = "SELECT * FROM nakamoto_block_headers WHERE index_block_hash = ?";
    return this.database("index").prepare(sql).get(parent.indexBlockHash) ?? {};
  }

  #recordTip(block: Tip): void {
    const sortition = this.database("sortition");
    // The burn view is the highest burn block, whichever tenure the block is of.
    const [view] = canonicalBurnBlocks(sortition);
    const sortitionId = view?.sortitionId ?? "";
    if (this.#tipTable !== undefined) {
      const values = {
        sortition_id: sortitionId,
        consensus_hash: block.consensusHash,
        burn_view_consensus_hash: view?.consensusHash ?? "",
        block_hash: block.blockHash,
        block_height: block.height,
      };
      this.insert("sortition", this.#tipTable, values, "INSERT OR REPLACE");
    }
    // In the Nakamoto era the snapshot keeps the tip of the moment it was made.
    if (block.era === "nakamoto") return;
    sortition
      .prepare(
        `UPDATE snapshots SET canonical_stacks_tip_height = ?, canonical_stacks_tip_hash = ?,
           canonical_stacks_tip_consensus_hash = ?, stacks_block_accepted = 1, stacks_block_height = ? WHERE sortition_id = ?`,
      )
      .run(block.height, block.blockHash, block.consensusHash, block.height, sortitionId);
  }

  #writer(key: MarfKey): MarfWriter {
    let writer = this.#tries.get(key);
    if (writer === undefined) {
      const fd = key === "sortition" ? undefined : this.#blobs.get(key)?.fd;
      const isPacked = (this.#options.generation ?? "current") === "current";
      writer = new MarfWriter(this.database(key), fd, { isPacked, isBuiltAsMiner: key === "clarity" });
      this.#tries.set(key, writer);
    }
    return writer;
  }

  #insertValue(key: MarfKey, value: string): void {
    const hash = hashOfValue(value).toString("hex");
    const row = key === "clarity" ? { key: hash, value } : { value_hash: hash, value };
    this.insert(key, key === "clarity" ? "data_table" : "__fork_storage", row, "INSERT OR REPLACE");
  }

  /** `before`: bytes that do not compress, which lie before the trie where they are too many for values. */
  #appendTrie(key: "clarity" | "index", hash: string, { bytes }: NewTrie, before?: Buffer): void {
    const file = this.#blobs.get(key);
    if (file === undefined) {
      this.insert(key, "marf_data", { block_hash: hash, data: bytes });
      return;
    }
    const padding =
      before !== undefined && before.length > mostValues * bytesPerValue ? before : Buffer.alloc(0);
    writeSync(file.fd, Buffer.concat([padding, bytes]), 0, padding.length + bytes.length, file.length);
    if (this.#durable) fdatasyncSync(file.fd);
    const offset = file.length + padding.length;
    file.length = offset + bytes.length;
    this.insert(key, "marf_data", {
      block_hash: hash,
      data: "",
      external_offset: offset,
      external_length: bytes.length,
    });
  }

  #writeBlockFile(indexBlockHash: string, body: Buffer): void {
    const path = join(
      this.dir,
      "chainstate/blocks",
      indexBlockHash.slice(0, 4),
      indexBlockHash.slice(4, 8),
      indexBlockHash,
    );
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, body);
  }

  #makePeerIdentity(): void {
    this.insert("peer", "local_peer", {
      network_id: 2147483648,
      parent_network_id: 3669344250,
      nonce: this.#hash("peer nonce", 0),
      private_key: `${this.#hash("peer key", 0)}01`,
      private_key_expire: 9_007_199_254_740_991,
      port: 20444,
      data_url: "http://127.0.0.1:20443",
      stacker_dbs: "[]",
    });
  }

  #commit(key: DatabaseKey, work: () => void): void {
    if (this.#batched) return work();
    const database = this.database(key);
    database.exec("BEGIN IMMEDIATE");
    try {
      work();
      database.exec("COMMIT");
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
  }

  #eraAt(height: number, parent: Tip): "nakamoto" | "epoch2" {
    if (this.#options.era === "epoch2" || (this.#durable && parent.era === "epoch2")) return "epoch2";
    return height > this.#lastEpoch2Height() ? "nakamoto" : "epoch2";
  }

  #lastEpoch2Height(): number {
    return this.#options.lastEpoch2Height ?? Math.min(28, Math.floor(this.#options.height / 2));
  }

  #readTip(): Tip {
    const index = this.database("index");
    for (const table of ["nakamoto_block_headers", "block_headers"]) {
      if (!hasTable(index, table)) continue;
      const highest = index
        .prepare(`SELECT index_block_hash AS id FROM ${table} ORDER BY block_height DESC LIMIT 1`)
        .get();
      if (highest === undefined) continue;
      const tip = canonicalTip(this.database("sortition"), table === "nakamoto_block_headers");
      return this.#lookUp(this.#idOf(tip) ?? String(highest["id"]));
    }
    throw new Error("index.sqlite holds no block header");
  }

  #idOf(tip: ReturnType<typeof canonicalTip>): string | undefined {
    if (tip === undefined) return undefined;
    for (const table of ["nakamoto_block_headers", "block_headers"]) {
      if (!hasTable(this.database("index"), table)) continue;
      const found = this.database("index")
        .prepare(`SELECT index_block_hash AS id FROM ${table} WHERE consensus_hash = ? AND block_hash = ?`)
        .get(tip.consensusHash, tip.blockHash);
      if (found !== undefined) return String(found["id"]);
    }
    return undefined;
  }

  #lookUp(indexBlockHash: string): Tip {
    const index = this.database("index");
    for (const table of ["nakamoto_block_headers", "block_headers"]) {
      if (!hasTable(index, table)) continue;
      const row = index
        .prepare(
          `SELECT block_height, block_hash, consensus_hash, burn_header_height FROM ${table} WHERE index_block_hash = ?`,
        )
        .get(indexBlockHash);
      if (row === undefined) continue;
      return {
        height: Number(row["block_height"]),
        indexBlockHash,
        blockHash: String(row["block_hash"]),
        consensusHash: String(row["consensus_hash"]),
        burnHeight: Number(row["burn_header_height"]),
        era: table === "block_headers" ? "epoch2" : "nakamoto",
      };
    }
    throw new Error(`index.sqlite has no header of ${indexBlockHash}`);
  }

  #hash(kind: string, height: number): string {
    return sha256(`${this.#options.seed ?? "seed"} ${kind} ${height}`);
  }
}

/** A name that no fork of the burn chain has yet; empty while there is one chain alone. */
function nextFork(sortition: DatabaseSync, isForked: boolean): string {
  const sql = "SELECT COUNT(*) AS rows, COUNT(DISTINCT block_height) AS heights FROM snapshots";
  const { rows, heights } = { ...sortition.prepare(sql).get() };
  return isForked || rows !== heights ? `fork ${Number(rows)}` : "";
}

function fail(why: string): never {
  throw new Error(why);
}

export function hasTable(database: DatabaseSync, table: string): boolean {
  return (
    database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table) !== undefined
  );
}

const hashOfValue = (value: string): Buffer => padded(sha(value));

function valuesIn(extraBytes: number): number {
  return Math.max(1, Math.min(mostValues, Math.floor(extraBytes / bytesPerValue)));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Bytes that do not compress, the same ones for the same label. */
function noise(label: string, length: number): Buffer {
  const key = createHash("sha256").update(label).digest();
  return createCipheriv("aes-128-ctr", key.subarray(0, 16), key.subarray(16)).update(Buffer.alloc(length));
}

function timeOfBurnBlock(height: number): number {
  return 1_700_000_000 + height * 600;
}
