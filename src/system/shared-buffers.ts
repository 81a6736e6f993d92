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
  readonly #mostBytes: number;
  /** Of all that are in use or free. */
  #bytes = 0;

  /**
   * Buffers are of `leastBytes`, or twice as large, and so on: any other size would fit nobody later. Untouched pages cost nothing, but
   * with time each page has been touched: a free one stays only while all of them together are no more than `mostBytes`.
   */
  constructor(leastBytes: number, mostBytes = Infinity) {
    this.#leastBytes = leastBytes;
    this.#mostBytes = mostBytes;
  }

  /** `size` bytes with anything in them. */
  take(size: number): SharedBytes {
    let bytes = this.#leastBytes;
    while (bytes < size) bytes *= 2;
    const at = this.#free.findLastIndex(({ byteLength }) => byteLength === bytes);
    const [used] = at < 0 ? [] : this.#free.splice(at, 1);
    const buffer = used ?? this.#make(bytes);
    return { bytes: new Uint8Array(buffer, 0, size), release: () => void this.#free.push(buffer) };
  }

  #make(bytes: number): SharedArrayBuffer {
    this.#bytes += bytes;
    while (this.#bytes > this.#mostBytes && this.#free.length > 0)
      this.#bytes -= this.#free.shift()?.byteLength ?? 0;
    return new SharedArrayBuffer(bytes);
  }
}
