/**
 * How long the checks take on databases as large as mainnet's: 5 million blocks, 20 GB of database files. Rows are made
 * by SQL with hashes that sort by height (so that it takes minutes, not hours), and the files are then lengthened sparsely:
 * what look-ups read is real, what nobody reads takes no disk.
 *
 *   node bench/checks.ts [BLOCKS] [DIR]      default 5,000,000 blocks below the system's temporary directory, about 5 GB
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createChainstate } from "../simulator/chainstate.ts";
import { databasePaths, type DatabaseKey } from "../simulator/schema.ts";
import { inspectChainstate } from "../src/chainstate/inspect.ts";

const blocks = Number(process.argv[2] ?? 5_000_000);
const dir = join(process.argv[3] ?? join(tmpdir(), `bench-checks-${process.pid}`), "mainnet");
const totalBytes = 20 * 1024 ** 3;
const runs = 5;

/** Hashes of block `n`, in SQL: hexadecimal digits that begin with the height, fewer than a real one's to spare the disk. */
const hash = (n: string, kind: string, digits = 40): string =>
  `printf('%016x%0${digits - 16}x', ${n}, ${kind})`;

function fill(key: DatabaseKey, statements: readonly string[]): void {
  const database = new DatabaseSync(join(dir, databasePaths[key]));
  database.exec(
    "PRAGMA journal_mode = DELETE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000",
  );
  for (const sql of statements) database.exec(sql);
  database.exec("PRAGMA journal_mode = WAL");
  database.close();
}

/** `INSERT INTO table SELECT …` with `n` from 1 to the number of rows; columns not named get an empty value. */
function insert(
  key: DatabaseKey,
  table: string,
  count: number,
  values: Readonly<Record<string, string>>,
): string {
  const database = new DatabaseSync(join(dir, databasePaths[key]), { readOnly: true });
  const info = database.prepare(`PRAGMA table_info(${table})`).all();
  database.close();
  const named = info.map((column) => {
    const name = String(column["name"]);
    if (values[name] !== undefined) return values[name];
    return /INT|BOOL|NUM|^$/i.test(String(column["type"])) ? "0" : "''";
  });
  return `WITH RECURSIVE rows(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM rows LIMIT ${count})
          INSERT INTO ${table} SELECT ${named.join(", ")} FROM rows`;
}

function build(): void {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  createChainstate(dir, { era: "nakamoto", height: 0, blocksInWal: 0 });
  const perTenure = 25;
  const tenures = Math.ceil(blocks / perTenure);
  const trieBytes = 268;
  const id = hash("n", "1");
  // Only the tip's is compared.
  const root = `CASE n WHEN ${blocks} THEN ${hash("n", "2", 64)} ELSE '' END`;
  const tenure = `(n + ${perTenure - 1}) / ${perTenure}`;
  const trie = {
    block_id: "n + 1",
    block_hash: id,
    data: "x''",
    external_offset: `n * ${trieBytes}`,
    external_length: String(trieBytes),
  };
  fill("clarity", [insert("clarity", "marf_data", blocks, trie)]);
  fill("index", [
    insert("index", "marf_data", blocks, trie),
    insert("index", "nakamoto_block_headers", blocks, {
      block_height: "n",
      index_root: root,
      state_index_root: root,
      burn_header_hash: hash(tenure, "3"),
      burn_header_height: `200 + ${tenure}`,
      consensus_hash: `substr(${hash(tenure, "4")}, 1, 40)`,
      block_hash: hash("n", "5"),
      index_block_hash: id,
      parent_block_id: `CASE n WHEN 1 THEN '' ELSE ${hash("n - 1", "1")} END`,
    }),
  ]);
  fill("nakamoto", [
    insert("nakamoto", "nakamoto_staging_blocks", blocks, {
      block_hash: hash("n", "5"),
      consensus_hash: `substr(${hash(tenure, "4")}, 1, 40)`,
      burn_attachable: "1",
      processed: "1",
      height: "n",
      index_block_hash: id,
      data: "x''",
    }),
  ]);
  fill("sortition", [
    insert("sortition", "snapshots", tenures, {
      block_height: "200 + n",
      burn_header_hash: hash("n", "3"),
      sortition_id: hash("n", "6"),
      consensus_hash: `substr(${hash("n", "4")}, 1, 40)`,
      index_root: hash("n", "7"),
      pox_valid: "1",
    }),
    insert("sortition", "stacks_chain_tips_by_burn_view", tenures, {
      sortition_id: hash("n", "6"),
      block_height: `MIN(n * ${perTenure}, ${blocks})`,
    }),
  ]);
  const burn = { block_height: "200 + n", block_hash: hash("n", "3") };
  fill("burnchain", [insert("burnchain", "burnchain_db_block_headers", tenures, burn)]);
  fill("headers", [insert("headers", "headers", tenures, { height: "200 + n", hash: hash("n", "3") })]);
  for (const key of ["clarity", "index"] as const) {
    const file = openSync(join(dir, `${databasePaths[key]}.blobs`), "r+");
    ftruncateSync(file, (blocks + 1) * trieBytes);
    const root = blocks.toString(16).padStart(16, "0") + "2".padStart(48, "0");
    const head = Buffer.from("00".repeat(36) + root, "hex");
    writeSync(file, head, 0, head.length, blocks * trieBytes);
    closeSync(file);
  }
}

/** Pages that no table refers to, at the end: the file is as large as the real one. */
function lengthen(key: DatabaseKey, bytes: number): void {
  const path = join(dir, databasePaths[key]);
  const pages = Math.ceil(bytes / 4096);
  if (statSync(path).size >= pages * 4096) return;
  const file = openSync(path, "r+");
  const count = Buffer.alloc(4);
  count.writeUInt32BE(pages);
  writeSync(file, count, 0, 4, 28);
  ftruncateSync(file, pages * 4096);
  closeSync(file);
}

const sizeOf = (): number =>
  Object.values(databasePaths).reduce((sum, path) => sum + statSync(join(dir, path)).size, 0);

const started = Date.now();
build();
const real = sizeOf();
const rest = totalBytes - real;
for (const [key, share] of [
  ["clarity", 0.3],
  ["index", 0.35],
  ["nakamoto", 0.35],
] as const) {
  lengthen(key, statSync(join(dir, databasePaths[key])).size + Math.max(0, rest) * share);
}
const gb = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
console.log(
  `${blocks} blocks, databases ${gb(sizeOf())} (${gb(real)} of rows), built in ${Math.round((Date.now() - started) / 1000)} s`,
);
const times: number[] = [];
for (let run = 0; run < runs; run += 1) {
  const begun = performance.now();
  const { checks, facts } = await inspectChainstate({
    dir,
    depth: "tips",
    signal: new AbortController().signal,
  });
  times.push(performance.now() - begun);
  const wrong = checks.filter((check) => check.result !== "passed");
  if (wrong.length > 0 || facts.stacksHeight !== blocks) throw new Error(JSON.stringify({ wrong, facts }));
}
times.sort((a, b) => a - b);
console.log(
  `checks A to H: median ${Math.round(times[2] ?? 0)} ms, worst ${Math.round(times.at(-1) ?? 0)} ms of ${runs} runs`,
);
if (process.argv[3] === undefined) rmSync(join(dir, ".."), { recursive: true, force: true });
