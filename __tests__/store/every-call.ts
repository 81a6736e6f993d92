/** Runs something once for each call it makes of a store, with that call failing: before it does anything, or after. */
import { StoreError } from "../../src/store/errors.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { faultyTwin } from "./faulty.ts";

export interface Attempt<T> {
  /** The real one. */
  readonly store: ObjectStore;
  readonly where: string;
  readonly outcome: PromiseSettledResult<T>;
}

/** Returns how many calls failed in turn. `fresh` makes the state before; `check` looks at what is there afterwards. */
export async function failEachCall<S extends ObjectStore, T>(
  fresh: () => Promise<S>,
  work: (store: ObjectStore) => Promise<T>,
  check: (attempt: Attempt<T> & { readonly store: S }) => Promise<void>,
): Promise<number> {
  let failed = 0;
  for (const afterwards of [false, true]) {
    for (const once of [true, false]) {
      for (let failAt = 1; ; failAt += 1) {
        const store = await fresh();
        const error = new StoreError("STORE_FAILED", `Call ${failAt} fails.`);
        const twin = faultyTwin(store, { failAt, once, afterwards, error });
        const [outcome] = await Promise.allSettled([work(twin.store)]);
        if (twin.calls() < failAt) break;
        failed += 1;
        const where = `call ${failAt} fails ${once ? "once" : "for ever"}${afterwards ? ", its work done" : ""}`;
        await check({ store, where, outcome });
      }
    }
  }
  return failed;
}
