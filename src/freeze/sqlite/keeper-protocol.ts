/**
 * What the keeper and the process that started it say to each other: one JSON value a line, requests on the keeper's
 * stdin, replies in the same order on its stdout. The first line from the keeper is its greeting.
 */

export interface Greeting {
  readonly pid: number;
  readonly sqliteVersion: string;
}

export type KeeperRequest =
  /** Connects to the databases (absolute paths) and reads from each once, which recovers a WAL that needs it. */
  | { readonly do: "open"; readonly databases: readonly string[] }
  /** Begins a transaction on each and fixes its view by a first read, in this order. */
  | { readonly do: "begin"; readonly databases: readonly string[] }
  | { readonly do: "rollback"; readonly databases: readonly string[] }
  /** Asks inside the transaction. */
  | { readonly do: "ask"; readonly database: string; readonly sql: string }
  /** Which of the opened databases are not inside a transaction. */
  | { readonly do: "lost" };

export type SqlValue = string | number | null;
export type Row = Readonly<Record<string, SqlValue>>;

export type KeeperReply =
  | { readonly ok: true; readonly rows?: readonly Row[]; readonly lost?: readonly string[] }
  /** The message names the database. */
  | { readonly ok: false; readonly message: string };
