import { array, assert, nat, property, tuple, uint8Array } from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteQueue } from "../../../src/store/upload/byte-queue.ts";

describe("a queue of bytes", () => {
  it("gives out what came in, in whatever portions, and lets go of what no portion has any more", () => {
    /** One that is empty is held in the middle of a chunk. */
    const emptyPortion: [number, number][] = [
      [24, 0],
      [0, 1],
      [1, 1],
    ];
    const portions = array(tuple(nat(60), nat(3)));
    assert(
      property(array(uint8Array({ maxLength: 40 })), portions, (pieces, wanted) => {
        const queue = new ByteQueue();
        const all = Buffer.concat(pieces);
        const released: number[] = [];
        for (const [n, piece] of pieces.entries()) queue.add(piece, () => void released.push(n));
        /** Portions that were not released yet, by where they begin and end. */
        let held: { readonly from: number; readonly to: number; readonly release: () => void }[] = [];
        let at = 0;
        for (const [most, keep] of wanted) {
          const size = Math.min(most, all.length - at);
          const portion = queue.take(size);
          expect(Buffer.concat(portion.pieces).equals(all.subarray(at, at + size))).toBe(true);
          held.push({ from: at, to: at + size, release: () => portion.release() });
          at += size;
          // In whatever order: the newest first.
          while (held.length > keep) held.pop()?.release();
          let start = 0;
          for (const [n, piece] of pieces.entries()) {
            const end = start + piece.length;
            const isUsed = end > at || held.some(({ from, to }) => from < to && from < end && to > start);
            expect(released.filter((each) => each === n)).toHaveLength(piece.length > 0 && isUsed ? 0 : 1);
            start = end;
          }
        }
        held = [];
      }),
      { examples: [[[3, 9, 3, 8, 2].map((size) => new Uint8Array(size)), emptyPortion]] },
    );
  });

  it("refuses to give more than came in", () => {
    const queue = new ByteQueue();
    queue.add(Buffer.alloc(3));
    expect(() => queue.take(4)).toThrow(RangeError);
  });
});
