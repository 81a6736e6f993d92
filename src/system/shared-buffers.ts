/**
 * Memory that threads share and use again. A buffer that is moved from thread to thread is an object for the garbage collector of
 * each; and on many machines memory used for the first time costs more than a copy.
 */
export interface SharedBytes {
  readonly bytes: Uint8Array;
  /** Once, when no thread reads or writes them any more. What is never released is left to the garbage collector. */
  readonly release: () => void;
}

export class SharedBuffers {
  readonly #free: SharedArrayBuffer[] = [];
  readonly #leastBytes: number;

  /** No buffer is made smaller than `leastBytes`: small ones that fit nobody later would only stay. Untouched pages cost nothing. */
  constructor(leastBytes: number) {
    this.#leastBytes = leastBytes;
  }

  /** `size` bytes with anything in them. */
  take(size: number): SharedBytes {
    const least = Math.max(size, this.#leastBytes);
    const at = this.#free.findIndex(({ byteLength }) => byteLength >= least && byteLength <= 4 * least);
    const buffer = at < 0 ? new SharedArrayBuffer(least) : (this.#free.splice(at, 1)[0] as SharedArrayBuffer);
    return { bytes: new Uint8Array(buffer, 0, size), release: () => void this.#free.push(buffer) };
  }
}
