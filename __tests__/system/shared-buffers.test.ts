import { expect, test } from "vitest";
import { SharedBuffers } from "../../src/system/shared-buffers.ts";

test("memory is used again only after it was released, also by what is smaller", () => {
  const buffers = new SharedBuffers(1000);
  const first = buffers.take(1000);
  const second = buffers.take(1000);
  expect(second.bytes.buffer).not.toBe(first.bytes.buffer);
  first.release();
  expect(new SharedBuffers(10).take(100).bytes.buffer.byteLength).toBe(100);
  const third = buffers.take(900);
  expect(third.bytes.buffer).toBe(first.bytes.buffer);
  expect(third.bytes).toHaveLength(900);
  expect(buffers.take(900).bytes.buffer).not.toBe(first.bytes.buffer);
});
