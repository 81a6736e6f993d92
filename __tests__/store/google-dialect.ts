/**
 * An S3 client that is answered as Google documents its XML interface, with a real S3 store behind it: requests that
 * Google does not list are an error of the test, conditions on writes are ignored, copies into a part are refused.
 * https://cloud.google.com/storage/docs/xml-api/reference-methods, …/reference-headers, …/docs/request-preconditions
 */
import type { S3ClientFactory } from "../../src/store/s3/client.ts";
import { createS3Client } from "../../src/store/s3/client.ts";

interface Listed {
  readonly method: string;
  /** The query parameters that make it this request. */
  readonly needs: readonly string[];
  readonly may: readonly string[];
}

const listed: readonly Listed[] = [
  { method: "GET", needs: ["list-type"], may: ["prefix", "continuation-token", "max-keys", "start-after"] },
  { method: "GET", needs: ["uploads"], may: ["prefix", "key-marker", "upload-id-marker", "max-uploads"] },
  { method: "GET", needs: [], may: [] },
  { method: "HEAD", needs: [], may: [] },
  { method: "PUT", needs: ["partNumber", "uploadId"], may: [] },
  { method: "PUT", needs: [], may: [] },
  { method: "DELETE", needs: ["uploadId"], may: [] },
  { method: "DELETE", needs: [], may: [] },
  { method: "POST", needs: ["uploads"], may: [] },
  { method: "POST", needs: ["uploadId"], may: [] },
];

/** Standard ones Google lists, those of HTTP itself, and of a signature of the fourth version. */
const listedHeaders = new Set(
  [
    "authorization content-md5 content-length content-type content-encoding range date cache-control",
    "if-match if-none-match if-modified-since if-unmodified-since",
    "host user-agent expect connection accept accept-encoding transfer-encoding",
    "x-amz-date x-amz-content-sha256 x-amz-storage-class x-amz-acl",
    // The SDK's own notes on the call, which a server need not know.
    "x-amz-user-agent amz-sdk-invocation-id amz-sdk-request",
  ].flatMap((line) => line.split(" ")),
);

interface HttpRequest {
  readonly method: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Record<string, string>;
}

export function googleClients(endpoint: string): S3ClientFactory {
  return async (options, limits) => {
    const client = await createS3Client({ ...options, endpoint, region: "us-east-1" }, limits);
    client.middlewareStack.add(
      (next) => async (args) => {
        answerAsGoogle(args.request as HttpRequest);
        return await next(args);
      },
      // Before it is signed.
      { step: "build", name: "answerAsGoogle", priority: "low" },
    );
    return client;
  };
}

function answerAsGoogle({ method, query, headers }: HttpRequest): void {
  const isPart = method === "PUT" && "partNumber" in query;
  if (isPart && Object.keys(headers).some((name) => name.startsWith("x-amz-copy-source"))) {
    throw Object.assign(new Error("a part cannot be copied"), {
      name: "InvalidArgument",
      $metadata: { httpStatusCode: 400, attempts: 1 },
    });
  }
  // `x-id` names the operation for the SDK's own logs; Google, as everybody, passes over parameters it does not know.
  const parameters = Object.keys(query).filter((name) => name !== "x-id");
  const isListed = listed.some(
    (one) =>
      one.method === method &&
      one.needs.every((name) => parameters.includes(name)) &&
      parameters.every((name) => one.needs.includes(name) || one.may.includes(name)),
  );
  if (!isListed) throw new Error(`Google lists no ${method} with ${parameters.join(", ")}`);
  const unknown = Object.keys(headers).filter((name) => !listedHeaders.has(name.toLowerCase()));
  if (unknown.length > 0) throw new Error(`Google lists no header ${unknown.join(", ")}`);
  // "Applies to requests that retrieve data."
  if (method === "PUT")
    for (const name of Object.keys(headers)) {
      if (/^if-(none-)?match$/i.test(name)) delete headers[name];
    }
}
