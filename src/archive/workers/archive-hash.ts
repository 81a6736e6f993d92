/** SHA-256 of a whole archive, made by a thread of its own: half a second for each GB that the main thread is not held up. */
import { createHash } from "node:crypto";
import { WorkerPool } from "./worker-pool.ts";

/** What is not larger is hashed here, at the end: to start a thread costs more. */
const smallBytes = 4 * 1024 * 1024;

export class ArchiveHash {
  readonly #signal: AbortSignal;
  /** Copies of the first bytes, as long as there is no thread. */
  #first: Uint8Array[] = [];
  #firstBytes = 0;
  #pool: WorkerPool | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** In the order of the archive. Resolves when the bytes may be used otherwise. */
  async add(bytes: Uint8Array): Promise<void> {
    if (this.#pool === undefined && this.#firstBytes + bytes.length <= smallBytes) {
      this.#first.push(Uint8Array.from(bytes));
      this.#firstBytes += bytes.length;
      return;
    }
    for (const each of this.#first.splice(0)) await this.#hash(each);
    await this.#hash(bytes);
  }

  /** Hex. Once, at the end. */
  async digest(): Promise<string> {
    if (this.#pool !== undefined)
      return await this.#pool.use(async (lease) => lease.call({ kind: "digest" }), this.#signal);
    const hash = createHash("sha256");
    for (const each of this.#first) hash.update(each);
    return hash.digest("hex");
  }

  async close(): Promise<void> {
    await this.#pool?.close();
  }

  async #hash(bytes: Uint8Array): Promise<void> {
    this.#pool ??= new WorkerPool(1);
    await this.#pool.use(async (lease) => lease.call({ kind: "hash", bytes }), this.#signal);
  }
}
