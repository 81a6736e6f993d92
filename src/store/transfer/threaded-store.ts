/**
 * A store whose bytes are moved by threads: ranges that are read, parts that are sent. Everything else is small and goes through
 * the store itself. Threads start with the first range or part.
 */
import { withMembers } from "../../system/with-members.ts";
import type { ObjectStore } from "../port.ts";
import type { TransferData } from "./protocol.ts";
import { TransferPool, type ThreadOptions } from "./transfer-pool.ts";

/** Less than this costs less than a thread's start. */
const leastRangeBytes = 64 * 1024;

/** Takes over `store`, which `data` opens again in each thread: `close` closes it. */
export function withTransferThreads(
  store: ObjectStore,
  data: TransferData,
  threads: ThreadOptions,
): ObjectStore {
  let started: TransferPool | undefined;
  const pool = (): TransferPool => (started ??= new TransferPool(data, threads));
  return withMembers<ObjectStore>(store, {
    async get(key, options) {
      const { range, into, ifMatch, signal } = options;
      if (range === undefined || range.length < leastRangeBytes) return await store.get(key, options);
      // Memory of this thread alone would be copied on its way there, and what is put into the copy lost.
      const shared = into?.buffer instanceof SharedArrayBuffer ? into : undefined;
      const request = {
        kind: "read",
        key,
        range,
        ...(shared === undefined ? {} : { into: shared }),
        ...(ifMatch === undefined ? {} : { ifMatch }),
      } as const;
      const { bytes, info } = await pool().call(request, signal);
      if (typeof bytes === "number") return { bytes: shared?.subarray(0, bytes) ?? new Uint8Array(), info };
      if (into === undefined) return { bytes, info };
      into.set(bytes);
      return { bytes: into.subarray(0, bytes.length), info };
    },
    async openUpload(key, options) {
      if (store.sendPart === undefined) return await store.openUpload(key, options);
      return await store.openUpload(key, {
        ...options,
        sendPart: async (part, pieces, signal, release) =>
          await pool().call({ kind: "send", part, pieces }, signal, release),
      });
    },
    async close() {
      await started?.close();
      await store.close();
    },
  });
}
