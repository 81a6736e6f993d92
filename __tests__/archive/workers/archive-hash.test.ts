import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { ArchiveHash } from "../../../src/archive/workers/archive-hash.ts";
import { signal } from "../local-archive.ts";

test.each([
  ["nothing", []],
  ["small pieces, which are hashed here", [1, 1000, 17]],
  ["more than a thread's start is worth", [3_000_000, 1_000_000, 2_000_000, 5]],
  ["a first piece that is large", [9_000_000, 3]],
])("the digest of %s is that of all bytes in order", async (_, sizes) => {
  const hash = new ArchiveHash(signal);
  const all = createHash("sha256");
  try {
    for (const size of sizes) {
      const bytes = randomBytes(size);
      all.update(bytes);
      await hash.add(bytes);
      // They are the caller's again.
      bytes.fill(0);
    }
    expect(await hash.digest()).toBe(all.digest("hex"));
  } finally {
    await hash.close();
  }
});
