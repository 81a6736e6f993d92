/** Etags as they are inside the program, and what a store tells about an object. */
import { StoreError } from "./errors.ts";
import type { ObjectInfo } from "./port.ts";

/** Stores give etags with quotes and without; here they have none. */
export function plainEtag(etag: string | undefined): string | undefined {
  const plain = etag?.replace(/^W\//u, "").replaceAll('"', "");
  return plain === "" ? undefined : plain;
}

export function quoted(etag: string): string {
  return `"${etag}"`;
}

export function objectInfo(
  key: string,
  size: number,
  etag: string | undefined,
  modifiedAt: Date | undefined,
): ObjectInfo {
  const plain = plainEtag(etag);
  return {
    key,
    size,
    ...(plain === undefined ? {} : { etag: plain }),
    ...(modifiedAt === undefined ? {} : { modifiedAt }),
  };
}

/** A store that does not tell the size of an object cannot be read from: 0 would be a guess. */
export function requireSize(url: string, size: number | undefined): number {
  if (size !== undefined) return size;
  throw new StoreError("STORE_UNSUPPORTED", `${url}: the store does not say how long the object is.`, {
    hint: "A proxy in between may have removed Content-Length: reach the store without it.",
  });
}

/**
 * The size of the whole object, from the headers of an answer that may hold a range of it. Undefined where the server
 * does not say it: that is not 0.
 */
export function wholeSize(
  contentRange: string | undefined,
  contentLength: number | undefined,
): number | undefined {
  if (contentRange === undefined) return contentLength;
  const total = /\/(\d+)$/u.exec(contentRange)?.[1];
  return total === undefined ? undefined : Number(total);
}
