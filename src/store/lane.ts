/** Work of one kind under way at once: so many pieces, and so many bytes held by them. */
export interface Lane {
  /** Resolves when work of this size may start. */
  room(sizeBytes: number): Promise<void>;
  /** `work` must not reject. */
  add(sizeBytes: number, work: Promise<void>): void;
  drained(): Promise<void>;
}

export function createLane(maxCount: number, maxBytes: number): Lane {
  const underWay = new Set<Promise<void>>();
  let bytes = 0;
  return {
    async room(sizeBytes) {
      const isFull = (): boolean => underWay.size >= maxCount || bytes + sizeBytes > maxBytes;
      while (underWay.size > 0 && isFull()) await Promise.race(underWay);
    },
    add(sizeBytes, work) {
      bytes += sizeBytes;
      const entry = work.then(() => {
        bytes -= sizeBytes;
        underWay.delete(entry);
      });
      underWay.add(entry);
    },
    async drained() {
      await Promise.all(underWay);
    },
  };
}
