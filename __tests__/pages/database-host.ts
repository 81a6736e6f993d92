/**
 * Changing databases in a process of their own, as a node has them: a process that closes any descriptor of a database loses the locks
 * of its connections, and what reads views opens and closes them.
 */
import { fork, type ChildProcess } from "node:child_process";
import { appendFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { randomFrom } from "../conformance/one-night.ts";
import { ChangingDatabase, type DatabaseOptions } from "./changing-databases.ts";

export const checkpoints = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] as const;

type Method = Exclude<keyof ChangingDatabase, "path">;

type Message =
  | { readonly do: "open"; readonly path: string; readonly options: DatabaseOptions }
  | {
      readonly do: "call";
      readonly path: string;
      readonly method: Method;
      readonly given: readonly unknown[];
    }
  | { readonly do: "write"; readonly blobs: string }
  | { readonly do: "rest" };

interface Answer {
  readonly error?: string;
  readonly written: number;
}

export class DatabaseHost {
  readonly #child: ChildProcess;
  readonly #died: Promise<never>;
  /** Transactions of its writer. */
  written = 0;

  constructor(seed: number) {
    const argv = ["--disable-warning=ExperimentalWarning"];
    this.#child = fork(fileURLToPath(import.meta.url), [String(seed)], { execArgv: argv });
    this.#died = once(this.#child, "exit").then(() => {
      throw new Error("The process of the databases has ended.");
    });
    this.#died.catch(() => undefined);
  }

  async open(path: string, options: DatabaseOptions): Promise<void> {
    await this.#ask({ do: "open", path, options });
  }

  async call<M extends Method>(
    path: string,
    method: M,
    ...given: Parameters<ChangingDatabase[M]>
  ): Promise<void> {
    await this.#ask({ do: "call", path, method, given });
  }

  /** Two hundred rows a second, checkpoints, and bytes behind this file, until `rest`; some rows only, however long it takes. */
  async write(blobs: string): Promise<void> {
    await this.#ask({ do: "write", blobs });
  }

  async rest(): Promise<void> {
    await this.#ask({ do: "rest" });
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }

  async #ask(message: Message): Promise<void> {
    const answered = once(this.#child, "message");
    this.#child.send(message);
    const [{ error, written }] = (await Promise.race([answered, this.#died])) as [Answer];
    this.written = written;
    if (error !== undefined) throw new Error(error);
  }
}

/** On a slow store a night would change more than is carried. */
const mostWrites = 200;

function serve(seed: number): void {
  const random = randomFrom(seed);
  const databases = new Map<string, ChangingDatabase>();
  let written = 0;
  let left = 0;
  let writer: NodeJS.Timeout | undefined;

  const write = (blobs: string): void => {
    appendFileSync(blobs, randomBytes(100));
    const database = [...databases.values()][random(databases.size)];
    database?.settle();
    database?.add(1);
    const how = checkpoints[random(8)];
    if (how !== undefined) database?.exec(`PRAGMA wal_checkpoint(${how})`);
    written += 1;
  };
  const act = (message: Message): void => {
    switch (message.do) {
      case "open":
        databases.set(message.path, new ChangingDatabase(message.path, random, message.options));
        break;
      case "call": {
        const { path, method, given } = message;
        const database = databases.get(path);
        if (database === undefined) throw new Error(`${path} is not open`);
        (database[method] as (...values: readonly unknown[]) => void).call(database, ...given);
        if (method === "remove") databases.delete(path);
        break;
      }
      case "write":
        left = mostWrites;
        writer = setInterval(() => (left-- > 0 ? write(message.blobs) : undefined), 5);
        break;
      case "rest":
        clearInterval(writer);
    }
  };
  process.on("message", (message: Message) => {
    try {
      act(message);
      process.send?.({ written });
    } catch (error) {
      process.send?.({ error: String(error), written });
    }
  });
  process.once("disconnect", () => process.exit(0));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve(Number(process.argv[2]));
