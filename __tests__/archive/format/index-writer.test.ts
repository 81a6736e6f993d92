import { join } from "node:path";
import { expect, test } from "vitest";
import { FrameTable } from "../../../src/archive/format/frame-table.ts";
import { createIndexWriter } from "../../../src/archive/format/index-writer.ts";
import { signal, useScratch } from "../local-archive.ts";

/** A processor that others need as well: what comes meanwhile comes all at once. */
function keepBusy(): () => void {
  let timer: NodeJS.Immediate;
  const work = (): void => {
    const until = performance.now() + 2 * Math.random();
    while (performance.now() < until);
    timer = setImmediate(work);
  };
  timer = setImmediate(work);
  return () => {
    clearImmediate(timer);
  };
}

test("an index is the same to the byte whenever its parts come", async () =>
  useScratch(async (scratch) => {
    const owned = { mode: 0o644, uid: 1, gid: 1, mtimeNs: 1n };
    const header = { frame: 0, offset: 0, size: 512 };
    const seen = new Set<string>();
    for (let turn = 0; turn < 60; turn += 1) {
      const stop = turn % 2 === 0 ? keepBusy() : (): void => undefined;
      const index = await createIndexWriter(join(scratch, `index-${turn}`));
      for (let number = 0; number < 10; number += 1) {
        await index.add({ path: `file-${number}`, type: "file", size: 0, ...owned, header, pieces: [] });
      }
      const root = { name: "mainnet", ...owned, header };
      seen.add((await index.finish(root, new FrameTable(), 65_536, signal)).sha256);
      await index.close();
      stop();
    }
    expect([...seen]).toHaveLength(1);
  }));
