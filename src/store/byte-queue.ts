/** Bytes in order, taken out in other portions than they came in. */
export function createByteQueue(): { add(bytes: Uint8Array): void; take(size: number): Buffer } {
  const chunks: Uint8Array[] = [];
  return {
    add(bytes) {
      if (bytes.length > 0) chunks.push(bytes);
    },
    take(size) {
      const taken: Uint8Array[] = [];
      let missing = size;
      while (missing > 0) {
        const chunk = chunks.shift();
        if (chunk === undefined) throw new RangeError("fewer bytes were gathered than were planned");
        const used = chunk.subarray(0, missing);
        if (used.length < chunk.length) chunks.unshift(chunk.subarray(used.length));
        taken.push(used);
        missing -= used.length;
      }
      const [only] = taken;
      return taken.length === 1 && only !== undefined ? viewOf(only) : Buffer.concat(taken, size);
    },
  };
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
