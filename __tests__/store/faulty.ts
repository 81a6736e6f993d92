/** Stores and uploads that fail on purpose, for tests of whoever uses them. */
import type { ObjectStore, Upload } from "../../src/store/port.ts";

export interface Fault {
  /** The call that fails, from 1; every later one fails too. */
  readonly failAt: number;
  readonly error: Error;
}

function countdown({ failAt, error }: Fault): () => void {
  let calls = 0;
  return () => {
    calls += 1;
    if (calls >= failAt) throw error;
  };
}

/** Fails at the n-th part, written or copied. `abort` always works. */
export function faultyUpload(upload: Upload, fault: Fault): Upload {
  const count = countdown(fault);
  return {
    ...upload,
    async writePart(place, bytes) {
      count();
      return upload.writePart(place, bytes);
    },
    async copyPart(place, range) {
      count();
      return upload.copyPart(place, range);
    },
  };
}

const methods = [
  "head",
  "get",
  "stream",
  "put",
  "delete",
  "openUpload",
  "abortUpload",
  "probeWritable",
] as const;
export type StoreMethod = (typeof methods)[number] | "part" | "complete";

/** Fails at the n-th call of the methods named (all by default); parts and completions of its uploads count too. */
export function faultyStore(
  store: ObjectStore,
  fault: Fault & { readonly methods?: readonly StoreMethod[] },
): ObjectStore {
  const count = countdown(fault);
  const counted = (method: StoreMethod): void => {
    if (fault.methods === undefined || fault.methods.includes(method)) count();
  };
  return {
    ...store,
    get capabilities() {
      return store.capabilities;
    },
    async head(...args) {
      counted("head");
      return store.head(...args);
    },
    async get(...args) {
      counted("get");
      return store.get(...args);
    },
    async stream(...args) {
      counted("stream");
      return store.stream(...args);
    },
    async put(...args) {
      counted("put");
      return store.put(...args);
    },
    async delete(...args) {
      counted("delete");
      return store.delete(...args);
    },
    async openUpload(...args) {
      counted("openUpload");
      const upload = await store.openUpload(...args);
      return {
        ...upload,
        async writePart(...part) {
          counted("part");
          return upload.writePart(...part);
        },
        async copyPart(...part) {
          counted("part");
          return upload.copyPart(...part);
        },
        async complete() {
          counted("complete");
          return upload.complete();
        },
      };
    },
    async abortUpload(...args) {
      counted("abortUpload");
      return store.abortUpload(...args);
    },
    async probeWritable(...args) {
      counted("probeWritable");
      return store.probeWritable(...args);
    },
  };
}

/** Gives every object cut off after so many bytes, without saying so: a damaged store. */
export function truncatingStore(store: ObjectStore, keptBytes: number): ObjectStore {
  return {
    ...store,
    async get(key, options) {
      const { bytes, info } = await store.get(key, options);
      return { bytes: bytes.subarray(0, keptBytes), info };
    },
    async stream(key, options) {
      const { chunks, info } = await store.stream(key, options);
      return { chunks: cutOff(chunks, keptBytes), info };
    },
  };
}

async function* cutOff(chunks: AsyncIterable<Uint8Array>, keptBytes: number): AsyncGenerator<Uint8Array> {
  let rest = keptBytes;
  for await (const chunk of chunks) {
    yield chunk.subarray(0, rest);
    rest -= chunk.length;
    if (rest <= 0) return;
  }
}
