/** A store as `app/wiring.ts` opens it: with the environment of this process. */
import { patienceMs } from "../../simulator/launch.ts";
import type { StorageLocation } from "../../src/domain/options.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import type { RequestLimits } from "../../src/store/limits.ts";
import { openStore as open, type OpenStoreOptions } from "../../src/store/registry.ts";

export async function openStore(
  location: StorageLocation,
  options: Omit<OpenStoreOptions, "environment"> = {},
): Promise<ObjectStore> {
  return await open(location, { environment: process.env, ...options });
}

/** Few attempts, and no impatience: a busy machine is no silent store. Tests of silence take a short limit for it. */
export const patientLimits: RequestLimits = {
  connectTimeoutMs: patienceMs,
  idleTimeoutMs: patienceMs,
  slowAfterMs: patienceMs,
  requestTimeoutMs: patienceMs,
  attempts: 2,
  busyAttempts: 1,
};
