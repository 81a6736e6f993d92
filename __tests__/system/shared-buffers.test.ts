import { expect, test } from "vitest";
import { SharedBuffers } from "../../src/system/shared-buffers.ts";

test("memory is used again only after it was released, also by what is smaller", () => {
  const buffers = new SharedBuffers(1000);
  const first = buffers.take(1000);
  const second = buffers.take(1000);
  expect(second.bytes.buffer).not.toBe(first.bytes.buffer);
  first.release();
  expect(new SharedBuffers(10).take(100).bytes.buffer.byteLength).toBe(160);
  const third = buffers.take(900);
  expect(third.bytes.buffer).toBe(first.bytes.buffer);
  expect(third.bytes).toHaveLength(900);
  expect(buffers.take(900).bytes.buffer).not.toBe(first.bytes.buffer);
});

test("what is free goes when all of them would be more than was said", () => {
  const buffers = new SharedBuffers(1000, 8000);
  const take = (size: number, count: number) => Array.from({ length: count }, () => buffers.take(size));
  const sizesOf = (taken: readonly { readonly bytes: Uint8Array }[]) =>
    taken.map(({ bytes }) => bytes.length);
  const large = take(4000, 2);
  for (const each of large) each.release();
  const small = take(1000, 3);
  for (const each of small) each.release();
  const known = new Set([...large, ...small].map(({ bytes }) => bytes.buffer));
  expect(known.size).toBe(5);
  const again = [...take(1000, 3), ...take(4000, 2)].filter(({ bytes }) => known.has(bytes.buffer));
  expect(sizesOf(again)).toEqual([1000, 1000, 1000, 4000]);
});
