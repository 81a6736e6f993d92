/** Bytes in order, taken out in other portions than they came in, without a copy. */
export interface Portion {
  /** One after the other. */
  readonly pieces: readonly Uint8Array[];
  /** When nobody reads them any more. */
  release(): void;
}

interface Chunk {
  bytes: Uint8Array;
  /** Portions that have a part of it, and the queue. */
  users: number;
  readonly release: (() => void) | undefined;
}

export class ByteQueue {
  readonly #chunks: Chunk[] = [];

  /** `release` is called when the last portion with some of these bytes was released. */
  add(bytes: Uint8Array, release?: () => void): void {
    if (bytes.length > 0) this.#chunks.push({ bytes, users: 1, release });
    else release?.();
  }

  /** The next `size` bytes. */
  take(size: number): Portion {
    const pieces: Uint8Array[] = [];
    const used: Chunk[] = [];
    for (let filled = 0; filled < size;) {
      const [chunk] = this.#chunks;
      if (chunk === undefined) throw new RangeError("fewer bytes were gathered than were planned");
      const piece = chunk.bytes.subarray(0, size - filled);
      pieces.push(piece);
      used.push(chunk);
      filled += piece.length;
      chunk.bytes = chunk.bytes.subarray(piece.length);
      // The queue's own use goes over to the last portion.
      if (chunk.bytes.length > 0) chunk.users += 1;
      else this.#chunks.shift();
    }
    return {
      pieces,
      release() {
        for (const chunk of used) {
          chunk.users -= 1;
          if (chunk.users === 0) chunk.release?.();
        }
      },
    };
  }
}
