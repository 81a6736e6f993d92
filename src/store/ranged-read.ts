/** Reading an object over HTTP, whatever the service: by range, bound to one version, going on after a broken body. */
import type { Readable } from "node:stream";
import { readResumably } from "./chunks.ts";
import { beyondEnd, ObjectChangedError } from "./errors.ts";
import type { RequestLimits } from "./limits.ts";
import type { GetOptions, ObjectInfo } from "./port.ts";

export interface RangedAnswer {
  /** Of the whole object. */
  readonly info: ObjectInfo;
  /** The range that was asked for. */
  readonly body: Readable;
}

export interface RangedObject {
  readonly url: string;
  readonly limits: RequestLimits;
  /** Asks for a range, or for everything. The body must break when the signal is aborted. */
  readonly request: (range: GetOptions["range"], signal: AbortSignal) => Promise<RangedAnswer>;
}

/** Versions are told apart by etag, size and (where there is no etag) date: stores disagree about `If-Match` on reads. */
export async function streamObject(
  object: RangedObject,
  options: GetOptions,
): Promise<{ readonly info: ObjectInfo; readonly chunks: AsyncIterable<Uint8Array> }> {
  const { range, ifMatch, signal } = options;
  // HTTP has no empty range: the first byte tells that the object is there.
  const asked = range?.length === 0 ? { offset: 0, length: 1 } : range;
  let first: RangedAnswer | undefined = await object.request(asked, signal);
  const { info, body } = first;
  const from = range?.offset ?? 0;
  const length = range?.length ?? info.size;
  const refusal =
    ifMatch !== undefined && info.etag !== ifMatch
      ? new ObjectChangedError(object.url)
      : from + length > info.size
        ? beyondEnd(object.url, { offset: from, length }, info.size)
        : undefined;
  if (refusal !== undefined || length === 0) body.destroy();
  if (refusal !== undefined) throw refusal;
  const open = async (offset: number, stop: AbortSignal): Promise<Readable> => {
    const answer = first ?? (await object.request({ offset: from + offset, length: length - offset }, stop));
    first = undefined;
    stop.addEventListener("abort", () => answer.body.destroy(), { once: true });
    if (isSameVersion(answer.info, info)) return answer.body;
    answer.body.destroy();
    throw new ObjectChangedError(object.url);
  };
  const chunks = readResumably({
    url: object.url,
    length,
    open,
    idleTimeoutMs: object.limits.idleTimeoutMs,
    maxFailures: object.limits.attempts,
    signal,
  });
  return { info, chunks };
}

function isSameVersion(a: ObjectInfo, b: ObjectInfo): boolean {
  if (a.size !== b.size || a.etag !== b.etag) return false;
  return a.etag !== undefined || a.modifiedAt?.getTime() === b.modifiedAt?.getTime();
}
