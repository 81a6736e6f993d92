/** Archives on web servers that misbehave: whatever happens on the way, two versions are never mixed. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { locateArchive } from "../../src/config/locations.ts";
import { openFrameSource } from "../../src/store/frame-source.ts";
import { openStore, patientLimits } from "../store/open-store.ts";
import { serveObjects, type ObjectServer } from "../store/object-server.ts";
import { indexEntry, rawTar, unpackInto } from "./external-archives.ts";
import { signal } from "./local-archive.ts";

const content = randomBytes(40 * 1024 * 1024);
const bytes = rawTar({ path: "m/big", content }, { ...indexEntry, path: `m/${indexEntry.path}` });
const other = rawTar(
  { path: "m/big", content: Buffer.alloc(content.length) },
  { ...indexEntry, path: `m/${indexEntry.path}` },
);
const s3 = { storageClass: "STANDARD" };

let scratch: string;
let server: ObjectServer;
beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), "external-web-"));
  server = await serveObjects();
  server.objects.set("/a/x y.tar", { bytes, etag: '"one"' });
});
afterEach(async () => {
  await server.close();
  rmSync(scratch, { recursive: true, force: true });
});

async function unpackFrom(url: string): Promise<void> {
  const { location, key } = locateArchive(url, s3, "snapshot");
  const store = await openStore(location, { limits: patientLimits });
  const source = await openFrameSource(store, key, signal);
  expect(source.url).not.toContain("?");
  await unpackInto(join(scratch, "target"), source);
  expect(readFileSync(join(scratch, "target/m/big")).equals(content)).toBe(true);
}

test("who has it in the end is said where a server sends the reader on", async () => {
  server.redirects.set("/a/moved.tar", "/a/x%20y.tar");
  const store = await openStore({ scheme: "https", url: `${server.url}/a` });
  const host = new URL(server.url).host;
  expect((await openFrameSource(store, "moved.tar", signal)).place).toBe(
    `${server.url}/a/moved.tar, which is at ${host}`,
  );
  expect((await openFrameSource(store, "x y.tar", signal)).place).toBe(`${server.url}/a/x%20y.tar`);
});

describe("an archive on a web server", () => {
  test("is read by many ranges", async () => {
    await unpackFrom(`${server.url}/a/x%20y.tar`);
    expect(server.requests.filter((line) => /bytes=\d{7,}/.test(line)).length).toBeGreaterThan(3);
  });

  test("without ranges is read in one stream", async () => {
    server.ignoresRanges = true;
    await unpackFrom(`${server.url}/a/x%20y.tar`);
    expect(server.requests).toHaveLength(2);
  });

  test("is read on after broken bodies", async () => {
    server.misbehaviour = { kind: "cut", afterBytes: 1_000_000, times: 3 };
    await unpackFrom(`${server.url}/a/x%20y.tar`);
    expect(server.misbehaviour.times).toBe(0);
  });

  test("that is replaced in the middle is refused", async () => {
    server.objects.set("/a/x", { bytes, etag: '"one"' });
    const watch = setInterval(() => {
      if (server.requests.length >= 3) server.objects.set("/a/x", { bytes: other, etag: '"two"' });
    }, 1);
    try {
      await expect(unpackFrom(`${server.url}/a/x`)).rejects.toMatchObject({ code: "OBJECT_CHANGED" });
    } finally {
      clearInterval(watch);
    }
  });
});

describe("a signed address", () => {
  let gate: Server;
  /** Answers with redirects, each of them good for so many requests. */
  async function guard(
    requestsEach: number,
    renews: boolean,
  ): Promise<{ url: string; issued: () => number }> {
    let issued = 0;
    const left = new Map<string, number>();
    gate = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://gate");
      if (pathname === "/latest.tar") {
        if (renews || issued === 0) {
          issued += 1;
          left.set(String(issued), requestsEach);
        }
        response.writeHead(302, { location: `/signed/x.tar?X-Amz-Signature=${issued}` }).end();
        return;
      }
      const signature = searchParams.get("X-Amz-Signature") ?? "";
      const stillGoodFor = left.get(signature) ?? 0;
      left.set(signature, stillGoodFor - 1);
      if (stillGoodFor <= 0) {
        response.writeHead(403).end();
        return;
      }
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
      const part = bytes.subarray(Number(first), Number(last) + 1);
      const range = `bytes ${first}-${last}/${bytes.length}`;
      response
        .writeHead(206, { etag: '"one"', "content-range": range, "content-length": part.length })
        .end(part);
    });
    await new Promise<void>((resolve) => gate.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${(gate.address() as AddressInfo).port}`, issued: () => issued };
  }
  afterEach(async () => {
    gate.closeAllConnections();
    await new Promise((resolve) => gate.close(resolve));
  });

  test("that expires in the middle is asked for anew", async () => {
    const { url, issued } = await guard(1, true);
    await unpackFrom(`${url}/latest.tar`);
    expect(issued()).toBeGreaterThan(3);
  });

  test("that expires and cannot be had anew is refused", async () => {
    const { url } = await guard(3, false);
    await expect(unpackFrom(`${url}/latest.tar`)).rejects.toMatchObject({ code: "STORE_DENIED" });
  });

  test("keeps its query with every request, and it is in no message", async () => {
    const { url } = await guard(3, false);
    await (await fetch(`${url}/latest.tar`, { redirect: "manual" })).arrayBuffer();
    await expect(unpackFrom(`${url}/signed/x.tar?X-Amz-Signature=1`)).rejects.toSatisfy(
      (error: Error) =>
        "code" in error && error.code === "STORE_DENIED" && !error.message.includes("Signature"),
    );
  });
});
