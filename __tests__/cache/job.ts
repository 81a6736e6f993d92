/**
 * One of many jobs on a cache, for tests that kill some of them: takes or fills, clones, works in its clone as a node
 * would.
 *
 *   node job.ts CACHE KEY CLONE
 */
import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { cloneInto, makeTree, open } from "./support.ts";

const [root = "", key = "", clone = ""] = process.argv.slice(2);
const cache = await open(root);
const { seed, filledHere } = await cache.fill(key, {
  neededBytes: 1_000_000,
  async make(tree) {
    process.stdout.write("filling\n");
    // What a dead one left, as a source does that cannot go on with it.
    rmSync(tree, { recursive: true, force: true });
    // In pieces and slowly, so that there is a time to die at.
    for (const part of ["a", "b", "c"]) {
      makeTree(join(tree, part), key);
      await delay(300);
    }
    return { key };
  },
});
process.stdout.write(filledHere ? "filled\n" : "found\n");
await seed.clone(cloneInto(clone));
seed.release();
process.stdout.write("cloned\n");
appendFileSync(join(clone, "b/burnchain/shared.sqlite"), "a block");
