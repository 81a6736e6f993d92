/** The digests of a database's pages, in order, with the bytes of those that are not as they were the last time. */
import type { PageDigests, PagesRequest } from "../archive/workers/worker-protocol.ts";
import type { WorkerPool } from "../archive/workers/worker-pool.ts";
import { throwIfAborted } from "../domain/errors.ts";
import { inOrder } from "../system/concurrency.ts";
import type { RateLimit } from "../system/rate-limit.ts";
import { batchesOf, type Database } from "./database.ts";
import type { LastDigests } from "./page-state.ts";
import type { SamePages } from "./unread.ts";

export interface Looking {
  readonly pool: WorkerPool;
  readonly concurrency: number;
  readonly readRate: RateLimit | undefined;
  /** Undefined: nothing is compared. */
  readonly last: LastLook | undefined;
  /** They are not read, but for a sample of them. */
  readonly same: SamePages | undefined;
  readonly nights: number;
  readonly signal: AbortSignal;
}

export interface LastLook {
  readonly last: LastDigests;
  readonly record: { readonly pages: number };
  /** Why nothing is compared any more. */
  readonly givenUp: string | undefined;
  /** A page that by its blocks is as it was, was read all the same, and is not. */
  different: number | undefined;
}

/** One of so many batches is read and compared all the same, others each night. */
const sampledOf = 100;

interface Batch extends PagesRequest {
  /** Which of them share their blocks with the clone, although they are read. */
  readonly sampled: Uint8Array | undefined;
}

export async function* lookAt(database: Database, looking: Looking): AsyncGenerator<PageDigests> {
  const { pool, concurrency, readRate, last: compared, signal } = looking;
  const found = inOrder(batches(database, looking), concurrency + 2, async ({ sampled, ...request }) => {
    const { same, last, count, pageSize } = request;
    const unread = same?.reduce((sum, each) => sum + each, 0) ?? 0;
    if (last !== undefined && unread === count)
      return { digests: last, changed: [], bytes: new Uint8Array() };
    await readRate?.take((count - unread) * pageSize, signal);
    const read = await pool.use(async (lease) => lease.call({ kind: "pages", ...request }), signal);
    const different = read.changed.find((page) => sampled?.[page - request.firstPage] === 1);
    if (different !== undefined && compared !== undefined) compared.different = different;
    return read;
  });
  yield* found;
}

async function* batches(
  database: Database,
  { last: looking, same, nights, signal }: Looking,
): AsyncGenerator<Batch> {
  let number = 0;
  for (const batch of batchesOf(database)) {
    throwIfAborted(signal);
    number += 1;
    const last = await looking?.last.read(batch.count);
    const isFirst = batch.firstPage === 1;
    // A commit says how many pages there are: where that changed, there has to be one.
    if (last !== undefined && isFirst && database.pages !== looking?.record.pages) last[0] = ~(last[0] ?? 0);
    const unread = same?.among(batch.firstPage, batch.count);
    const isSampled = unread !== undefined && (number + nights) % sampledOf === 0;
    const isCompared = looking?.givenUp === undefined || unread !== undefined;
    yield {
      ...batch,
      last: isCompared ? last : undefined,
      same: isSampled ? undefined : unread,
      sampled: isSampled ? unread : undefined,
    };
  }
}
