/** Etags as they are inside the program, and what a store tells about an object. */
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

/** The size of the whole object, from the headers of an answer that may hold a range of it. */
export function wholeSize(contentRange: string | undefined, contentLength: number | undefined): number {
  const total = /\/(\d+)$/u.exec(contentRange ?? "")?.[1];
  return total === undefined ? (contentLength ?? 0) : Number(total);
}
