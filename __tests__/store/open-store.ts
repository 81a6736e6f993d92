/** A store as `app/wiring.ts` opens it: with the environment of this process. */
import type { StorageLocation } from "../../src/domain/options.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { openStore as open, type OpenStoreOptions } from "../../src/store/registry.ts";

export async function openStore(
  location: StorageLocation,
  options: Omit<OpenStoreOptions, "environment"> = {},
): Promise<ObjectStore> {
  return await open(location, { environment: process.env, ...options });
}
