/**
 * Opens the store a location names. Providers are loaded when they are asked for: a run against a directory never pays
 * for a cloud's SDK.
 */
import { requireTrustedWay } from "./addresses.ts";
import type { S3Options, StorageLocation } from "../domain/options.ts";
import type { ObjectStore } from "./port.ts";
import { defaultLimits, type RequestLimits } from "./limits.ts";
import type { S3ClientFactory } from "./s3/client.ts";
import { withTransferThreads } from "./transfer/threaded-store.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface OpenStoreOptions {
  /** Of this run: endpoints and credentials. */
  readonly environment: Environment;
  /** Other time limits than the defaults. */
  readonly limits?: RequestLimits;
  /** Threads that move the bytes of a store which is reached over the network; 0: none, all is done here. */
  readonly threads?: number;
  /** Tests put their own client here. */
  readonly s3ClientFactory?: S3ClientFactory;
}

/** Google's store speaks the S3 protocol to holders of HMAC keys, parallel multipart uploads included. */
const googleOptions: S3Options = {
  endpoint: "https://storage.googleapis.com",
  region: "auto",
  storageClass: "STANDARD",
};

/** Makes no request to the store yet. The caller closes it. */
export async function openStore(location: StorageLocation, options: OpenStoreOptions): Promise<ObjectStore> {
  const store = await openHere(location, options);
  const { threads = 0, limits, environment } = options;
  if (threads === 0 || location.scheme === "file") return store;
  return withTransferThreads(store, { location, limits }, { count: threads, environment });
}

async function openHere(location: StorageLocation, options: OpenStoreOptions): Promise<ObjectStore> {
  const { scheme } = location;
  const limits = options.limits ?? defaultLimits;
  if (scheme === "file") {
    const { openFileStore } = await import("./file/file-store.ts");
    return openFileStore(location.directory);
  }
  if (scheme === "s3" || scheme === "gs") {
    const [{ createS3Client }, { openS3Store }] = await Promise.all([
      import("./s3/client.ts"),
      import("./s3/s3-store.ts"),
    ]);
    const s3 = scheme === "s3" ? withEndpoint(location.s3, options.environment) : googleOptions;
    const client = await (options.s3ClientFactory ?? createS3Client)(s3, limits);
    return openS3Store(client, { ...location, s3, limits });
  }
  if (scheme === "az") {
    const [{ findAzureAccess }, { openAzureStore }] = await Promise.all([
      import("./azure/access.ts"),
      import("./azure/azure-store.ts"),
    ]);
    const access = findAzureAccess(location.account, options.environment);
    await requireTrustedWay(access.endpoint);
    return openAzureStore({ ...location, access, limits });
  }
  const { openHttpsStore } = await import("./https/https-store.ts");
  return openHttpsStore(location.url, limits, location);
}

/** The SDK would find it there too, but the commands that people are given must name it. */
function withEndpoint(options: S3Options, env: Environment): S3Options {
  const endpoint = options.endpoint ?? (env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"]);
  return endpoint === undefined || endpoint === "" ? options : { ...options, endpoint };
}
