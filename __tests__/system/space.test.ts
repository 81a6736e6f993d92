import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { formatBytes, requireSpace, spaceAt } from "../../src/system/space.ts";

test("space is reported and asked for in bytes", async () => {
  const space = await spaceAt(tmpdir());
  expect(space.freeBytes).toBeGreaterThan(0);
  expect(space.totalBytes).toBeGreaterThanOrEqual(space.freeBytes);
  await requireSpace(tmpdir(), 1, "try");
  await expect(requireSpace(tmpdir(), space.totalBytes * 2, "try")).rejects.toMatchObject({
    code: "SPACE_MISSING",
  });
});

test("sizes read well", () => {
  expect([0, 512, 1536, 32 * 1024 ** 2, 650 * 1024 ** 3].map(formatBytes)).toEqual([
    "0 B",
    "512 B",
    "1.50 KiB",
    "32.0 MiB",
    "650 GiB",
  ]);
});
