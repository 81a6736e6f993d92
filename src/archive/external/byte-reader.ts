/** Chunks of a stream, looked at before they are taken and put back where too much was taken. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** What is at hand, at least one byte; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#rest;
      this.#rest = new Uint8Array();
      if (chunk.length > 0) return chunk;
      const { value, done } = await this.#chunks.next();
      if (done === true) return undefined;
      this.#rest = value;
    }
  }

  /** To be the first of what comes next. */
  putBack(bytes: Uint8Array): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([bytes, this.#rest]);
  }

  /** The next `count` bytes, fewer at the end; they still come. */
  async peek(count: number): Promise<Buffer> {
    const seen: Uint8Array[] = [];
    for (let missing = count; missing > 0;) {
      const chunk = await this.next();
      if (chunk === undefined) break;
      seen.push(chunk);
      missing -= chunk.length;
    }
    const [only = new Uint8Array()] = seen;
    const all =
      seen.length > 1 ? Buffer.concat(seen) : Buffer.from(only.buffer, only.byteOffset, only.length);
    this.putBack(all);
    return all.subarray(0, count);
  }

  /** Drops bytes; returns how many were missing. */
  async skip(count: number): Promise<number> {
    for (let missing = count; missing > 0;) {
      const chunk = await this.next();
      if (chunk === undefined) return missing;
      if (chunk.length > missing) this.putBack(chunk.subarray(missing));
      missing -= Math.min(missing, chunk.length);
    }
    return 0;
  }

  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let chunk = await this.next(); chunk !== undefined; chunk = await this.next()) yield chunk;
  }
}
