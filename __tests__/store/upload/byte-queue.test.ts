import { array, assert, nat, property, uint8Array } from "fast-check";
import { describe, expect, it } from "vitest";
import { createByteQueue } from "../../../src/store/upload/byte-queue.ts";

describe("a queue of bytes", () => {
  it("gives out what came in, in whatever portions, and lets go of each piece once it is through", () => {
    assert(
      property(array(uint8Array({ maxLength: 40 })), array(nat(60)), (pieces, portions) => {
        const queue = createByteQueue();
        const all = Buffer.concat(pieces);
        const released = new Set<number>();
        for (const [n, piece] of pieces.entries()) queue.add(piece, () => void released.add(n));
        let at = 0;
        for (const portion of portions) {
          const size = Math.min(portion, all.length - at);
          const taken = queue.take(size);
          expect(taken.equals(all.subarray(at, at + size))).toBe(true);
          queue.giveBack(taken);
          at += size;
          let end = 0;
          for (const [n, piece] of pieces.entries()) {
            end += piece.length;
            expect(released.has(n)).toBe(piece.length === 0 || end <= at);
          }
        }
      }),
    );
  });

  it("fills a buffer again only after it was given back", () => {
    const queue = createByteQueue();
    for (const letter of "abc") queue.add(Buffer.alloc(1000, letter));
    const first = queue.take(1000);
    const second = queue.take(1000);
    expect(second.buffer).not.toBe(first.buffer);
    queue.giveBack(first);
    const third = queue.take(900);
    expect(third.buffer).toBe(first.buffer);
    expect(second.every((byte) => byte === 98)).toBe(true);
    expect(third.every((byte) => byte === 99)).toBe(true);
  });

  it("refuses to give more than came in", () => {
    const queue = createByteQueue();
    queue.add(Buffer.alloc(3));
    expect(() => queue.take(4)).toThrow(RangeError);
  });
});
