/** A registry on this host with one image, as much of one as an engine asks to pull it. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

export interface ImageRegistry {
  /** What to pull. */
  readonly image: string;
  /** Of the image: what the engine calls it by. */
  readonly id: string;
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Of an image with this directory for a root. */
export async function serveImage(root: string): Promise<ImageRegistry> {
  const tar = execFileSync("tar", ["-C", root, "-c", "."], { maxBuffer: 2 ** 28 });
  const layer = gzipSync(tar);
  const type = "application/vnd.docker";
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: "linux",
      config: {},
      rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
    }),
  );
  const part = (mediaType: string, bytes: Buffer): object => ({
    mediaType: `${type}.${mediaType}`,
    size: bytes.length,
    digest: digestOf(bytes),
  });
  const manifestType = `${type}.distribution.manifest.v2+json`;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: part("container.image.v1+json", config),
      layers: [part("image.rootfs.diff.tar.gzip", layer)],
    }),
  );
  const blobs = new Map([manifest, config, layer].map((bytes) => [digestOf(bytes), bytes]));
  const asked: string[] = [];
  const server = createServer(({ url = "", method }, response) => {
    asked.push(`${method} ${url}`);
    const [, kind, name = ""] = /^\/v2\/node\/(manifests|blobs)\/(.+)$/.exec(url) ?? [];
    const bytes = url === "/v2/" ? Buffer.from("{}") : name === "1" ? manifest : blobs.get(name);
    response.writeHead(bytes === undefined ? 404 : 200, {
      "content-type": kind === "manifests" ? manifestType : "application/octet-stream",
      "content-length": String(bytes?.length ?? 0),
      ...(bytes === undefined ? {} : { "docker-content-digest": digestOf(bytes) }),
    });
    response.end(method === "HEAD" ? undefined : bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    image: `127.0.0.1:${port}/node:1`,
    id: digestOf(config),
    asked,
    close: async () => await new Promise((resolve) => server.close(() => resolve())),
  };
}
