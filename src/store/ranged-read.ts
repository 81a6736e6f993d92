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
  /** How many servers there may be behind the name, each with an etag of its own for the same bytes; 1 if it is not set. */
  readonly mirrors?: number;
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
  let first: RangedAnswer | undefined = await ask(
    object,
    asked,
    signal,
    ({ etag }) => ifMatch === undefined || etag === ifMatch,
  );
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
    const rest = { offset: from + offset, length: length - offset };
    const answer = first ?? (await ask(object, rest, stop, (found) => isSameVersion(found, info)));
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
    slowAfterMs: object.limits.slowAfterMs,
    maxFailures: object.limits.attempts,
    signal,
  });
  return { info, chunks };
}

/** The answer of that version; where the last server asked has no such, another one. */
async function ask(
  { request, mirrors = 1 }: RangedObject,
  range: GetOptions["range"],
  signal: AbortSignal,
  isWanted: (info: ObjectInfo) => boolean,
): Promise<RangedAnswer> {
  for (let asked = 1; ; asked += 1) {
    const answer = await request(range, signal);
    if (asked >= mirrors || isWanted(answer.info)) return answer;
    answer.body.destroy();
  }
}

function isSameVersion(a: ObjectInfo, b: ObjectInfo): boolean {
  if (a.size !== b.size || a.etag !== b.etag) return false;
  return a.etag !== undefined || a.modifiedAt?.getTime() === b.modifiedAt?.getTime();
}
