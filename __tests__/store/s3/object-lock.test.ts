/** A bucket with Object Lock, as AWS documents it: a body without its MD5 is refused, of objects and of parts. */
import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ObjectStore } from "../../../src/store/port.ts";
import { s3Location } from "../ceph.ts";
import { openStore, patientLimits } from "../open-store.ts";

const signal = new AbortController().signal;

let server: Server;
let store: ObjectStore;
let refusesParts = false;
const objects = new Map<string, Buffer>();
const uploads = new Map<string, Map<number, Buffer>>();
/** PUTs without and with a checksum. */
const bodies = { without: 0, with: 0 };
const environment = { ...process.env };

beforeEach(async () => {
  process.env["AWS_ACCESS_KEY_ID"] = "AKTEST";
  process.env["AWS_SECRET_ACCESS_KEY"] = "SKTEST";
  objects.clear();
  uploads.clear();
  refusesParts = false;
  Object.assign(bodies, { without: 0, with: 0 });
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  store = await openStore(s3Location(`http://127.0.0.1:${port}`, "bucket", "p"), { limits: patientLimits });
});
afterEach(async () => {
  await store.close();
  server.closeAllConnections();
  server.close();
  process.env = { ...environment };
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://x");
  const key = decodeURIComponent(url.pathname);
  const body = Buffer.concat(await request.toArray());
  const id = url.searchParams.get("uploadId") ?? "";
  const refuse = (status: number, code: string): void =>
    void response.writeHead(status).end(`<Error><Code>${code}</Code><Message>no</Message></Error>`);
  const give = (bytes: Buffer): void => {
    response.setHeader("etag", `"${createHash("md5").update(bytes).digest("hex")}"`);
  };
  if (request.method === "PUT") {
    const md5 = request.headers["content-md5"];
    bodies[md5 === undefined ? "without" : "with"] += 1;
    if (md5 === undefined) return refuse(400, "InvalidRequest");
    if (md5 !== createHash("md5").update(body).digest("base64")) return refuse(400, "BadDigest");
    if (id !== "" && refusesParts) return refuse(400, "InvalidRequest");
    if (request.headers["if-none-match"] === "*" && objects.has(key))
      return refuse(412, "PreconditionFailed");
    const etag = createHash("md5")
      .update(objects.get(key) ?? "")
      .digest("hex");
    const wanted = request.headers["if-match"];
    if (wanted !== undefined && wanted !== `"${etag}"`) return refuse(412, "PreconditionFailed");
    if (id === "") objects.set(key, body);
    else uploads.get(id)?.set(Number(url.searchParams.get("partNumber")), body);
    give(body);
    return void response.end();
  }
  if (request.method === "POST" && url.searchParams.has("uploads")) {
    const made = randomUUID();
    uploads.set(made, new Map());
    return void response.end(
      `<InitiateMultipartUploadResult><UploadId>${made}</UploadId></InitiateMultipartUploadResult>`,
    );
  }
  if (request.method === "POST") {
    const parts = [...(uploads.get(id) ?? [])].toSorted(([a], [b]) => a - b);
    objects.set(key, Buffer.concat(parts.map(([, part]) => part)));
    uploads.delete(id);
    return void response.end("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>");
  }
  if (request.method === "DELETE") {
    if (id === "") objects.delete(key);
    else uploads.delete(id);
    return void response.writeHead(204).end();
  }
  if (url.searchParams.has("list-type")) return void response.end("<ListBucketResult></ListBucketResult>");
  const found = objects.get(key);
  if (found === undefined) return refuse(404, "NoSuchKey");
  give(found);
  response.setHeader("content-length", found.length);
  return void response.end(request.method === "HEAD" ? undefined : found);
}

test("a bucket that wants a checksum gets one, learnt by the probe and sent with everything", async () => {
  await store.probeWritable(signal);
  expect(store.capabilities.conditionalWrites).toBe(true);
  expect([objects.size, uploads.size]).toEqual([0, 0]);
  bodies.without = 0;
  await store.put("x", Buffer.from("one"), { signal });
  const upload = await store.openUpload("y", { signal });
  await upload.writePart({ number: 1, offset: 0 }, [Buffer.from("two")]);
  await upload.complete();
  expect(bodies.without).toBe(0);
  expect(Buffer.from((await store.get("y", { signal })).bytes).toString()).toBe("two");
});

test("it is learnt without a probe, too", async () => {
  await store.put("x", Buffer.from("one"), { signal });
  await store.put("x", Buffer.from("two"), { signal });
  expect(bodies).toEqual({ without: 1, with: 2 });
});

test("a bucket that takes objects and no parts is refused by the probe, which leaves nothing behind", async () => {
  refusesParts = true;
  await expect(store.probeWritable(signal)).rejects.toMatchObject({ code: "STORE_FAILED" });
  expect([objects.size, uploads.size]).toEqual([0, 0]);
});
