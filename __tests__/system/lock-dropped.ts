/** Takes a lock, keeps no reference to it, has all memory collected, and says so. For `process-lock.test.ts`. */
import { setTimeout as sleep } from "node:timers/promises";
import { tryLock } from "../../src/system/process-lock.ts";

const [path = ""] = process.argv.slice(2);
tryLock(path);
for (let turn = 0; turn < 5; turn += 1) {
  globalThis.gc?.();
  await sleep(20);
}
process.stdout.write("collected");
await sleep(60_000);
