/** Stores and uploads that fail on purpose, for tests of whoever uses them. */
import { withMembers } from "../../src/system/with-members.ts";
import type { ObjectInfo, ObjectStore, Upload } from "../../src/store/port.ts";

export interface Fault {
  /** The call that fails, from 1. */
  readonly failAt: number;
  /** Only that one: what comes after it works again. Otherwise every later one fails too. */
  readonly once?: boolean;
  /** The call does its work and its answer is lost. */
  readonly afterwards?: boolean;
  readonly error: Error;
}

export type StoreMethod =
  | "head"
  | "get"
  | "stream"
  | "chunk"
  | "put"
  | "list"
  | "delete"
  | "openUpload"
  | "abortUpload"
  | "listUploads"
  | "probeWritable"
  | "part"
  | "complete"
  | "abort";

export interface FaultyStore {
  readonly store: ObjectStore;
  /** How many calls were counted so far: whether `failAt` was reached. */
  calls(): number;
}

type Counted = <T>(method: StoreMethod, work: () => Promise<T>) => Promise<T>;

/** Fails at the n-th call of the methods named (all by default); those of its uploads and of its streams count too. */
export function faultyTwin(
  store: ObjectStore,
  {
    failAt,
    once = false,
    afterwards = false,
    error,
    methods,
  }: Fault & { readonly methods?: readonly StoreMethod[] },
): FaultyStore {
  let calls = 0;
  const counted: Counted = async (method, work) => {
    if (methods !== undefined && !methods.includes(method)) return await work();
    calls += 1;
    const fails = once ? calls === failAt : calls >= failAt;
    if (fails && afterwards) await work();
    if (fails) throw error;
    return await work();
  };
  const each = <A extends unknown[], T>(method: StoreMethod, call: (...args: A) => Promise<T>) => {
    return async (...args: A): Promise<T> => await counted(method, async () => await call.apply(store, args));
  };
  return {
    calls: () => calls,
    store: withMembers<ObjectStore>(store, {
      head: each("head", store.head.bind(store)),
      get: each("get", store.get.bind(store)),
      put: each("put", store.put.bind(store)),
      delete: each("delete", store.delete.bind(store)),
      abortUpload: each("abortUpload", store.abortUpload.bind(store)),
      probeWritable: each("probeWritable", store.probeWritable.bind(store)),
      async stream(key, options) {
        const { chunks, info } = await counted("stream", async () => await store.stream(key, options));
        return { info, chunks: failing(chunks, async () => await counted("chunk", async () => undefined)) };
      },
      list: (prefix, signal) => listing(store.list(prefix, signal), counted),
      async *listUploads(prefix, signal) {
        await counted("listUploads", async () => undefined);
        yield* store.listUploads(prefix, signal);
      },
      async openUpload(key, options) {
        const upload = await counted("openUpload", async () => await store.openUpload(key, options));
        return faultyParts(upload, counted);
      },
    }),
  };
}

/** As `faultyTwin`, where nobody asks how many calls there were. */
export function faultyStore(
  store: ObjectStore,
  fault: Fault & { readonly methods?: readonly StoreMethod[] },
): ObjectStore {
  return faultyTwin(store, fault).store;
}

function faultyParts(upload: Upload, counted: Counted): Upload {
  return withMembers(upload, {
    writePart: async (place, pieces, release) =>
      await counted("part", async () => await upload.writePart(place, pieces, release)),
    copyPart: async (place, range) => await counted("part", async () => await upload.copyPart(place, range)),
    complete: async () => await counted("complete", async () => await upload.complete()),
    abort: async () => await counted("abort", async () => await upload.abort()),
  });
}

async function* failing(
  chunks: AsyncIterable<Uint8Array>,
  fail: () => Promise<void>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    await fail();
    yield chunk;
  }
}

/** Half of the list has been given when it fails. */
async function* listing(
  found: AsyncIterable<ObjectInfo>,
  counted: Counted,
): AsyncGenerator<ObjectInfo, void, undefined> {
  const all: ObjectInfo[] = [];
  for await (const one of found) all.push(one);
  const half = Math.ceil(all.length / 2);
  yield* all.slice(0, half);
  await counted("list", async () => undefined);
  yield* all.slice(half);
}

/** Fails at the n-th part, written or copied, and at every later one. `abort` always works. */
export function faultyUpload(upload: Upload, { failAt, error }: Fault): Upload {
  let calls = 0;
  const count = (): void => {
    calls += 1;
    if (calls >= failAt) throw error;
  };
  return withMembers(upload, {
    async writePart(place, pieces, release) {
      count();
      await upload.writePart(place, pieces, release);
    },
    async copyPart(place, range) {
      count();
      await upload.copyPart(place, range);
    },
  });
}

/** Gives every object cut off after so many bytes, without saying so: a damaged store. */
export function truncatingStore(store: ObjectStore, keptBytes: number): ObjectStore {
  return withMembers<ObjectStore>(store, {
    async get(key, options) {
      const { bytes, info } = await store.get(key, options);
      return { bytes: bytes.subarray(0, keptBytes), info };
    },
    async stream(key, options) {
      const { chunks, info } = await store.stream(key, options);
      return { chunks: cutOff(chunks, keptBytes), info };
    },
  });
}

async function* cutOff(chunks: AsyncIterable<Uint8Array>, keptBytes: number): AsyncGenerator<Uint8Array> {
  let rest = keptBytes;
  for await (const chunk of chunks) {
    yield chunk.subarray(0, rest);
    rest -= chunk.length;
    if (rest <= 0) return;
  }
}
