/** A finished archive on a store, read range by range and bound to the one version it had when it was opened. */
import type { FrameSource } from "../archive/transport.ts";
import { ObjectNotFoundError } from "./errors.ts";
import type { ObjectStore } from "./port.ts";

/**
 * `etag`: the version it must be, where the caller knows. ObjectNotFoundError; reads fail with ObjectChangedError once the
 * object is another one.
 */
export async function openFrameSource(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
  etag?: string,
): Promise<FrameSource & { readonly etag: string | undefined }> {
  const info = await store.head(key, signal);
  if (info === undefined) throw new ObjectNotFoundError(store.urlOf(key));
  const bound = etag ?? info.etag;
  return {
    size: info.size,
    url: store.urlOf(key),
    etag: bound,
    async read(offset, length, signal) {
      const { bytes } = await store.get(key, {
        range: { offset, length },
        signal,
        ...(bound === undefined ? {} : { ifMatch: bound }),
      });
      return bytes;
    },
  };
}
