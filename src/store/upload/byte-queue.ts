/**
 * Bytes in order, taken out in other portions than they came in. Portions are copied into buffers that are used again:
 * on many machines memory used for the first time costs more than the copy, and what the garbage collector would have to find
 * it finds late.
 */
export interface ByteQueue {
  /** `release` is called as soon as the bytes are not needed any more. */
  add(bytes: Uint8Array, release?: () => void): void;
  /** The next `size` bytes, until they are given back. */
  take(size: number): Buffer;
  /** Only when nobody reads them any more; what is never given back is left to the garbage collector. */
  giveBack(taken: Buffer): void;
}

interface Chunk {
  bytes: Uint8Array;
  readonly release: (() => void) | undefined;
}

export function createByteQueue(): ByteQueue {
  const chunks: Chunk[] = [];
  const free: ArrayBuffer[] = [];

  const roomFor = (size: number): ArrayBuffer => {
    const at = free.findIndex(({ byteLength }) => byteLength >= size && byteLength <= 4 * size);
    const [found] = at < 0 ? [] : free.splice(at, 1);
    return found ?? Buffer.allocUnsafeSlow(size).buffer;
  };

  return {
    add(bytes, release) {
      if (bytes.length > 0) chunks.push({ bytes, release });
      else release?.();
    },
    take(size) {
      const taken = Buffer.from(roomFor(size), 0, size);
      for (let filled = 0; filled < size;) {
        const [chunk] = chunks;
        if (chunk === undefined) throw new RangeError("fewer bytes were gathered than were planned");
        const used = chunk.bytes.subarray(0, size - filled);
        taken.set(used, filled);
        filled += used.length;
        if (used.length < chunk.bytes.length) chunk.bytes = chunk.bytes.subarray(used.length);
        else chunks.shift()?.release?.();
      }
      return taken;
    },
    giveBack(taken) {
      if (taken.buffer instanceof ArrayBuffer) free.push(taken.buffer);
    },
  };
}
