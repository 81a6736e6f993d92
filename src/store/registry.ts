/**
 * Opens the store a location names. Providers are loaded when they are asked for: a run against a directory never pays
 * for a cloud's SDK.
 */
import type { StorageLocation } from "../config.ts";
import { StoreError } from "./errors.ts";
import type { ObjectStore } from "./port.ts";
import type { S3ClientFactory, S3Limits } from "./s3-client.ts";

export interface OpenStoreOptions {
  /** Other time limits than the defaults. */
  readonly limits?: S3Limits;
  /** Tests put their own client here. */
  readonly s3ClientFactory?: S3ClientFactory;
}

/** Makes no request yet. The caller closes it. */
export async function openStore(
  location: StorageLocation,
  options: OpenStoreOptions = {},
): Promise<ObjectStore> {
  const { scheme } = location;
  if (scheme === "file") {
    const { openFileStore } = await import("./file-store.ts");
    return openFileStore(location.directory);
  }
  if (scheme === "s3") {
    const [{ createS3Client, defaultS3Limits }, { openS3Store }] = await Promise.all([
      import("./s3-client.ts"),
      import("./s3-store.ts"),
    ]);
    const limits = options.limits ?? defaultS3Limits;
    const client = await (options.s3ClientFactory ?? createS3Client)(location.s3, limits);
    return openS3Store(client, { ...location, limits });
  }
  throw new StoreError("STORE_UNSUPPORTED", `${location.url}: this kind of store is not built in yet.`);
}
