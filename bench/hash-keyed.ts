/** A database with the node's `data_table`, whose keys are hashes. */
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

export class HashKeyed {
  readonly path: string;
  #made = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** `replaced`: the share of them that replace old ones. */
  addRows(count: number, replaced: number): void {
    const connection = new DatabaseSync(this.path);
    connection.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -4000000");
    connection.exec("CREATE TABLE IF NOT EXISTS data_table (key TEXT PRIMARY KEY, value TEXT); BEGIN");
    const insert = connection.prepare("REPLACE INTO data_table VALUES (?, ?)");
    for (let at = 0; at < count; at += 1) {
      const isOld = this.#made > 0 && Math.random() < replaced;
      const row = isOld ? Math.floor(Math.random() * this.#made) : this.#made;
      if (!isOld) this.#made += 1;
      insert.run(
        `${hash(`k${row}`)}0000000000000000`,
        hash(`v${row}${at}`)
          .repeat(2)
          .slice(0, 40 + (row % 80)),
      );
    }
    connection.exec("COMMIT");
    connection.close();
  }
}
