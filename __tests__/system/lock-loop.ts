/** Takes a lock again and again, removes its file each time, and says how often another had it too. For `process-lock.test.ts`. */
import { rmSync, writeFileSync } from "node:fs";
import { hasCode } from "../../src/domain/errors.ts";
import { tryLock } from "../../src/system/process-lock.ts";

const [path = "", turns = "0"] = process.argv.slice(2);
let both = 0;
for (let turn = 0; turn < Number(turns);) {
  const lock = tryLock(path);
  if (lock === undefined) continue;
  turn += 1;
  try {
    writeFileSync(`${path}.held`, "", { flag: "wx" });
    rmSync(`${path}.held`);
  } catch (error) {
    if (!hasCode(error, "EEXIST") && !hasCode(error, "ENOENT")) throw error;
    both += 1;
  }
  lock.releaseAndRemove();
}
process.stdout.write(String(both));
