/** SHA-256 of a whole archive, made by a thread of its own: a third of a second for each GB that the main thread is not held up. */
import { WorkerPool } from "./worker-pool.ts";

export class ArchiveHash {
  readonly #pool = new WorkerPool(1);
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** In the order of the archive. Resolves when the bytes may be used otherwise. */
  async add(bytes: Uint8Array): Promise<void> {
    await this.#pool.use(async (lease) => lease.call({ kind: "hash", bytes }), this.#signal);
  }

  /** Hex. Once, at the end. */
  async digest(): Promise<string> {
    return await this.#pool.use(async (lease) => lease.call({ kind: "digest" }), this.#signal);
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }
}
