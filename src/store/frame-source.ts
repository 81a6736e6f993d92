/** A finished archive on a store, read range by range and bound to the one version it had when it was opened. */
import type { FrameSource } from "../archive/transport.ts";
import { ObjectChangedError, ObjectNotFoundError } from "./errors.ts";
import type { ObjectInfo, ObjectStore } from "./port.ts";

export interface StoredSource extends FrameSource {
  readonly etag: string | undefined;
  readonly modifiedAt: Date | undefined;
  /** Where it is read from, in words for people; after redirects also whose that is. */
  readonly place: string;
}

/**
 * `etag`: the version it must be, where the caller knows. ObjectNotFoundError; reads fail with ObjectChangedError once the
 * object is another one. Without an etag, size and date tell one version from another.
 */
export async function openFrameSource(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
  etag?: string,
): Promise<StoredSource> {
  const info = await store.head(key, signal);
  if (info === undefined) throw new ObjectNotFoundError(store.urlOf(key));
  const bound = etag ?? info.etag;
  const binding = bound === undefined ? {} : { ifMatch: bound };
  const requireSame = (found: ObjectInfo): void => {
    const isSame = found.size === info.size && found.modifiedAt?.getTime() === info.modifiedAt?.getTime();
    if (bound === undefined && !isSame) throw new ObjectChangedError(store.urlOf(key));
  };
  async function* whole(signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const { chunks, info: found } = await store.stream(key, { signal, ...binding });
    requireSame(found);
    yield* chunks;
  }
  return {
    size: info.size,
    url: store.urlOf(key),
    place: info.sentTo === undefined ? store.urlOf(key) : `${store.urlOf(key)}, which is at ${info.sentTo}`,
    etag: bound,
    modifiedAt: info.modifiedAt,
    ...(info.ranged === false ? { whole } : {}),
    async read(offset, length, signal, into) {
      const range = { offset, length };
      const place = into === undefined ? {} : { into };
      const { bytes, info: found } = await store.get(key, { range, signal, ...place, ...binding });
      requireSame(found);
      return bytes;
    },
  };
}
