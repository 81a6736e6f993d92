/**
 * Sources of contracts: the state has, under `clarity-contract::<contract>`, a value that begins with the hash of the
 * source; the source itself stands in `metadata_table` under the block that deployed it.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { hashHex } from "./format.ts";
import type { Marf, Trie } from "./marf.ts";

const prefix = "clr-meta::";
const separator = "::";
const ending = "::contract-src";

export class ContractSources {
  verified = 0;
  readonly #marf: Marf;
  readonly #rows: StatementSync;
  readonly #value: StatementSync;

  constructor(database: DatabaseSync, marf: Marf) {
    this.#marf = marf;
    this.#rows = database.prepare(
      `SELECT key AS k, CASE WHEN key LIKE '%${ending}' THEN value END AS v FROM metadata_table WHERE blockhash = ?`,
    );
    this.#value = database.prepare("SELECT value AS v FROM data_table WHERE key = ?");
  }

  /** Of the contracts that a block has deployed. */
  verify({ id, hash }: Trie, fail: (what: string) => void): void {
    const contracts = new Map<string, boolean>();
    for (const row of this.#rows.all(hash)) {
      const key = String(row["k"]);
      const end = key.indexOf(separator, prefix.length);
      if (!key.startsWith(prefix) || end < 0) {
        fail(`metadata under ${key}, which is of no contract`);
        continue;
      }
      const contract = key.slice(prefix.length, end);
      const isSource = key.endsWith(ending);
      contracts.set(contract, isSource || contracts.get(contract) === true);
      if (isSource) this.#verifySource(id, contract, row["v"], fail);
    }
    for (const [contract, hasSource] of contracts)
      if (!hasSource) fail(`metadata of ${contract} without its source`);
  }

  #verifySource(id: number, contract: string, source: unknown, fail: (what: string) => void): void {
    const value = this.#marf.get(id, `clarity-contract::${contract}`)?.toString("hex");
    const committed = value === undefined ? undefined : this.#value.get(value)?.["v"];
    if (typeof committed !== "string") return fail(`the state does not know the contract ${contract}`);
    if (typeof source !== "string" || !committed.startsWith(hashHex(source)))
      return fail(`the source of ${contract} does not hash to what the state commits to`);
    this.verified += 1;
  }
}
