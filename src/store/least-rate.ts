/**
 * The least that a sender must give. A limit on silence alone lets a server that sends a byte every two seconds keep a run, and
 * the lock of its journal, for days.
 */
import { StoreError } from "./errors.ts";

export const leastBytesPerSecond = 1024;

export class LeastRate {
  readonly #url: string;
  readonly #windowMs: number;
  #waitedMs = 0;
  #bytes = 0;

  constructor(url: string, windowMs: number) {
    this.#url = url;
    this.#windowMs = windowMs;
  }

  /** So many bytes were waited for so long; what their reader does in between does not count. STORE_STALLED: a window had too few. */
  count(bytes: number, waitedMs: number): void {
    this.#bytes += bytes;
    this.#waitedMs += waitedMs;
    if (this.#waitedMs < this.#windowMs) return;
    const seconds = this.#waitedMs / 1000;
    if (this.#bytes < leastBytesPerSecond * seconds) {
      throw new StoreError(
        "STORE_STALLED",
        `${this.#url} sends too slowly: ${this.#bytes} bytes in ${Math.round(seconds)} s.`,
        { hint: "Check the network between this host and the store, then run again." },
      );
    }
    this.#waitedMs = 0;
    this.#bytes = 0;
  }
}
