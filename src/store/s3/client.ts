/**
 * Builds the S3 client: credentials, region and endpoint from the SDK's default chain (environment, web identity,
 * profiles, instance role), with what the action's inputs say on top. Limits are set here once, so that no request can
 * hang: the SDK has none by default.
 */
import type { S3Options } from "../../domain/options.ts";
import { ListBucketsCommand, S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { proxyEnvironment } from "../../system/proxy.ts";
import { requireTrustedWay } from "../addresses.ts";
import type { RequestLimits } from "../limits.ts";

/** Replaced in tests. */
export type S3ClientFactory = (options: S3Options, limits: RequestLimits) => Promise<S3Client>;

const maxConnections = 64;

export const createS3Client: S3ClientFactory = async (options, limits) => {
  const agent = { keepAlive: true, maxSockets: maxConnections, proxyEnv: proxyEnvironment() };
  const config: S3ClientConfig = {
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.region === undefined ? {} : { region: options.region }),
    // A bucket in another region is found by the answer to the first request.
    followRegionRedirects: true,
    maxAttempts: limits.attempts,
    // The SDK's own trailing checksums break stores that do not know them (Ceph 16 answers 411). Every body here is a
    // buffer, so its SHA-256 is part of the signature and the store refuses bytes that were changed on the way.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      connectionTimeout: limits.connectTimeoutMs,
      socketTimeout: limits.idleTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  };
  const found = await whereItGoes(config);
  return onTrustedWays(new S3Client({ ...config, ...found }));
};

/** Those that take a bucket in the host's name alone; the others that speak S3 all know it in the path, and few have a certificate for each name. */
const bucketsInHosts = /(?:^|\.)(?:amazonaws\.com(?:\.cn)?|api\.aws|aliyuncs\.com|myqcloud\.com)$/u;

/** What depends on where requests go, whoever named that: an input, a variable or a profile. Nothing is sent. */
async function whereItGoes(
  config: S3ClientConfig,
): Promise<{ readonly region?: string; readonly forcePathStyle: boolean }> {
  let client = new S3Client(config);
  let region = {};
  if (!(await knowsRegion(client))) {
    client.destroy();
    // Compatible stores ignore it, and AWS redirects from here to where the bucket is.
    region = { region: "us-east-1" };
    client = new S3Client({ ...config, ...region });
  }
  let host = "";
  client.middlewareStack.add(
    () => async (args) => {
      ({ hostname: host } = args.request as { readonly hostname: string });
      return await Promise.resolve({ response: {}, output: { $metadata: {} } });
    },
    { step: "build", name: "hostOnly" },
  );
  await client.send(new ListBucketsCommand({}));
  client.destroy();
  return { ...region, forcePathStyle: !bucketsInHosts.test(host) };
}

/** Whoever named the endpoint: an input, a variable, a profile, or an answer that redirects. */
function onTrustedWays(client: S3Client): S3Client {
  client.middlewareStack.add(
    (next) => async (args) => {
      const { protocol, hostname } = args.request as { readonly protocol: string; readonly hostname: string };
      await requireTrustedWay(`${protocol}//${hostname}`);
      return await next(args);
    },
    { step: "build", name: "requireTrustedWay" },
  );
  return client;
}

async function knowsRegion(client: S3Client): Promise<boolean> {
  try {
    await client.config.region();
    return true;
  } catch {
    // The provider has no other way of saying that nobody named a region.
    return false;
  }
}
