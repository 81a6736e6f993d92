/** What there is to prove of a chainstate, or why it cannot be proven, as its databases say. */
import { databases } from "../layout.ts";
import type { Ask } from "../read-only-database.ts";
import { hexLiteral, numberOf, textOf } from "../source.ts";
import type { Tips } from "../tips.ts";
import { hasExternalTries, recordedEnd } from "../tries.ts";
import { type MarfName, valueTables } from "./job.ts";

/** What is proven: all of it, the last blocks, or what came after a block that was proven before. */
export type ProofRange =
  | { readonly kind: "all" }
  | { readonly kind: "last"; readonly blocks: number }
  | { readonly kind: "after"; readonly height: number; readonly id: string };

export interface BlockName {
  readonly height: number;
  readonly id: string;
}

export interface MarfPlan {
  readonly name: MarfName;
  readonly database: string;
  /** Its file below the directory; undefined: the tries are in the database. */
  readonly blobs: string | undefined;
  /** By `block_id`: proven is what is above `after`, up to `upTo`. */
  readonly after: number;
  readonly upTo: number;
  /** About. */
  readonly bytes: number;
  /** Tries that microblocks of epoch 2 left, part of no chain. */
  readonly unconfirmed: number;
}

export interface ProofPlan {
  readonly marfs: readonly MarfPlan[];
  /** The last block that is not proven this time; undefined: all are. */
  readonly after: BlockName | undefined;
  readonly upTo: BlockName;
}

export const marfNames = ["clarity", "index", "sortition"] as const satisfies readonly MarfName[];
/** Of a MARF's tables; another may mean anything. */
const highestSchema = 3;

/** In words why nothing can be proven, or what is to be. */
export async function planProof(tips: Tips, range: ProofRange): Promise<ProofPlan | string> {
  for (const name of marfNames) {
    const database = databases[name];
    if (!tips.source.has(database)) return `${database} cannot be asked`;
    const why = await whyNotProvable(tips, name);
    if (why !== undefined) return `${database} ${why}`;
  }
  const upTo = await lastBlock(tips);
  if (upTo === undefined) return `${databases.index} holds no block`;
  const after = await firstOfRange(tips, range);
  const marfs: MarfPlan[] = [];
  for (const name of marfNames) marfs.push(await planMarf(tips, name, after));
  return { marfs, upTo, after: marfs.some((marf) => marf.after > 0) ? after : undefined };
}

async function whyNotProvable(tips: Tips, name: MarfName): Promise<string | undefined> {
  const { ask } = tips.source;
  const database = databases[name];
  const schema = await tips.schema(database);
  const { table, key } = valueTables[name];
  if (!schema.has("marf_data", "unconfirmed") || !schema.has(table, key))
    return "has no MARF that is known here";
  if (schema.has("schema_version")) {
    const version = numberOf((await ask(database, "SELECT MAX(version) AS v FROM schema_version"))[0], "v");
    if (version !== undefined && version > highestSchema)
      return `has a MARF of schema ${version}, which is not known here`;
  }
  if (schema.has("marf_squash_info")) {
    const rows = await ask(database, "SELECT squash_height AS h FROM marf_squash_info LIMIT 1");
    const height = numberOf(rows[0], "h");
    if (rows.length > 0)
      return `is squashed (pruned) up to height ${height}: the state below cannot be tied to block headers`;
  }
  return undefined;
}

/** The node's tip; all that was committed is proven, tries of forks too. */
async function lastBlock(tips: Tips): Promise<BlockName | undefined> {
  const header = await tips.tip();
  return header === undefined ? undefined : { height: header.height, id: header.id };
}

/** The block that the range comes after; undefined: all is proven. */
async function firstOfRange(tips: Tips, range: ProofRange): Promise<BlockName | undefined> {
  if (range.kind === "all") return undefined;
  const { ask } = tips.source;
  let id: string | undefined;
  if (range.kind === "after") id = range.id;
  else {
    const sql = `SELECT block_hash AS h FROM marf_data WHERE unconfirmed = 0 ORDER BY block_id DESC LIMIT 1 OFFSET ${range.blocks}`;
    id = textOf((await ask(databases.index, sql))[0], "h");
  }
  const header = id === undefined ? undefined : await tips.header(id);
  if (header === undefined || (range.kind === "after" && header.height !== range.height)) return undefined;
  for (const name of ["clarity", "index"] as const)
    if ((await idOf(ask, databases[name], header.id)) === undefined) return undefined;
  return { height: header.height, id: header.id };
}

async function planMarf(tips: Tips, name: MarfName, after: BlockName | undefined): Promise<MarfPlan> {
  const { ask } = tips.source;
  const database = databases[name];
  const schema = await tips.schema(database);
  const end = hasExternalTries(schema) ? await recordedEnd(ask, database, schema) : 0;
  const first = after === undefined ? 0 : await beforeRange(tips, name, after);
  const columns = "MAX(block_id) AS last, SUM(unconfirmed) AS unconfirmed";
  const [row] = await ask(database, `SELECT ${columns} FROM marf_data`);
  let bytes = end;
  if (end > 0 && first > 0) {
    const sql = `SELECT external_offset + external_length AS e FROM marf_data WHERE block_id = ${first}`;
    bytes -= numberOf((await ask(database, sql))[0], "e") ?? 0;
  }
  return {
    name,
    database,
    blobs: end > 0 ? `${database}.blobs` : undefined,
    after: first,
    upTo: numberOf(row, "last") ?? 0,
    bytes,
    unconfirmed: numberOf(row, "unconfirmed") ?? 0,
  };
}

/** The sortition MARF's tries are of burn blocks: what came after that of the block's tenure. 0: all. */
async function beforeRange(tips: Tips, name: MarfName, { id }: BlockName): Promise<number> {
  const { ask } = tips.source;
  if (name !== "sortition") return (await idOf(ask, databases[name], id)) ?? 0;
  const header = await tips.header(id);
  const consensusHash = hexLiteral(header?.consensusHash ?? "");
  const sql = `SELECT sortition_id AS s FROM snapshots WHERE consensus_hash = ${consensusHash} LIMIT 1`;
  const sortition = textOf((await ask(databases.sortition, sql))[0], "s");
  return sortition === undefined ? 0 : ((await idOf(ask, databases.sortition, sortition)) ?? 0);
}

async function idOf(ask: Ask, database: string, hash: string): Promise<number | undefined> {
  const sql = `SELECT block_id AS id FROM marf_data WHERE unconfirmed = 0 AND block_hash = ${hexLiteral(hash)} LIMIT 1`;
  return numberOf((await ask(database, sql))[0], "id");
}
