/**
 * Freezes a chainstate, prints its keeper's pid (or the code of the error) and waits for its own end.
 * Arguments: mode directory, state directory.
 */
import { sqliteFreezer } from "../../../src/freeze/sqlite/sqlite.ts";
import { keepersOf, requestFor, rules, viewOf } from "../support.ts";

const [directory = "", stateDir = ""] = process.argv.slice(2);
try {
  await sqliteFreezer({ viewOf, rules, limits: { minFreeBytes: 1 } }).freeze(
    requestFor(directory, stateDir),
    true,
  );
  process.stdout.write(String(keepersOf()[0] ?? 0));
  setInterval(() => undefined, 60_000);
} catch (error) {
  process.stdout.write(error instanceof Error && "code" in error ? String(error.code) : String(error));
}
