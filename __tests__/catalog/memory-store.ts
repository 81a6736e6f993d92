/** An ObjectStore in memory: fast, with the faults the catalogue has to live with. It passes the port's suite. */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "../../src/domain/errors.ts";
import {
  beyondEnd,
  ObjectChangedError,
  ObjectNotFoundError,
  PreconditionFailedError,
  StoreError,
  tooLarge,
  uploadClosed,
} from "../../src/store/errors.ts";
import { withMembers } from "../../src/system/with-members.ts";
import type { ObjectInfo, ObjectStore, PartPlace, Upload, UploadToken } from "../../src/store/port.ts";

export interface MemoryStoreOptions {
  /** False: conditions are looked at before the write, with a gap in between. */
  readonly conditionalWrites?: boolean;
  /** What an object written now is dated. */
  readonly now?: () => number;
}

interface Stored {
  readonly bytes: Uint8Array;
  readonly info: ObjectInfo;
}

interface OpenUpload {
  readonly token: UploadToken;
  readonly startedAt: Date;
  readonly parts: Map<number, { readonly offset: number; readonly bytes: Uint8Array }>;
}

export interface MemoryStore extends ObjectStore {
  readonly objects: Map<string, Stored>;
  /** A second opening of the same place. */
  again(): MemoryStore;
}

export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  return openMemory(new Map(), new Map(), options);
}

function openMemory(
  objects: Map<string, Stored>,
  uploads: Map<string, OpenUpload>,
  options: MemoryStoreOptions,
): MemoryStore {
  const now = options.now ?? Date.now;
  const urlOf = (key: string): string => `memory://test/${key}`;
  const conditionalWrites = options.conditionalWrites ?? true;

  const write = (key: string, bytes: Uint8Array): ObjectInfo => {
    const etag = createHash("sha1")
      .update(`${objects.get(key)?.info.etag}`)
      .update(bytes)
      .digest("hex");
    const info = { key, size: bytes.length, etag, modifiedAt: new Date(now()) };
    objects.set(key, { bytes: Uint8Array.from(bytes), info });
    return info;
  };
  const turn = async (key: string | undefined, signal: AbortSignal): Promise<void> => {
    throwIfAborted(signal);
    if (key !== undefined && !/^(?!\.)[^/\n]+(\/(?!\.)[^/\n]+)*$/.test(key)) {
      throw new StoreError("STORE_UNSUPPORTED", `"${key}" is no key.`);
    }
    await setImmediate();
  };
  const find = (key: string, range?: { offset: number; length: number }, ifMatch?: string): Stored => {
    const found = objects.get(key);
    if (found === undefined) throw new ObjectNotFoundError(urlOf(key));
    if (ifMatch !== undefined && found.info.etag !== ifMatch) throw new ObjectChangedError(urlOf(key));
    if (range === undefined) return found;
    if (range.offset + range.length > found.info.size) throw beyondEnd(urlOf(key), range, found.info.size);
    return { info: found.info, bytes: found.bytes.subarray(range.offset, range.offset + range.length) };
  };

  return {
    objects,
    again: () => openMemory(objects, uploads, options),
    url: "memory://test",
    urlOf,
    capabilities: { conditionalWrites, copyRange: false, readOnly: false },
    partLimits: { minPartSizeBytes: 1, maxPartSizeBytes: 2 ** 40, maxParts: 10_000 },
    close: async () => await Promise.resolve(),
    async head(key, signal) {
      await turn(key, signal);
      return objects.get(key)?.info;
    },
    async get(key, { range, into, ifMatch, atMostBytes = Infinity, signal }) {
      await turn(key, signal);
      const found = find(key, range, ifMatch);
      if (range === undefined && found.bytes.length > atMostBytes) throw tooLarge(urlOf(key), atMostBytes);
      if (into === undefined) return found;
      into.set(found.bytes);
      return { ...found, bytes: into.subarray(0, found.bytes.length) };
    },
    async stream(key, { range, ifMatch, signal }) {
      await turn(key, signal);
      const { bytes, info } = find(key, range, ifMatch);
      return { info, chunks: chunked(bytes) };
    },
    async put(key, bytes, { ifAbsent, ifMatch, signal }) {
      await turn(key, signal);
      const present = objects.get(key)?.info.etag;
      const lost =
        (ifAbsent === true && present !== undefined) || (ifMatch !== undefined && present !== ifMatch);
      if (lost) throw new PreconditionFailedError(urlOf(key));
      if (!conditionalWrites) await turn(key, signal);
      return write(key, bytes);
    },
    async *list(prefix, signal) {
      await turn(undefined, signal);
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix));
      for (const key of keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
        const found = objects.get(key);
        if (found !== undefined) yield found.info;
      }
    },
    async delete(key, signal) {
      await turn(key, signal);
      objects.delete(key);
    },
    async openUpload(key, { signal }) {
      await turn(key, signal);
      const token = { key, id: String(uploads.size + 1) };
      uploads.set(token.id, { token, startedAt: new Date(now()), parts: new Map() });
      return uploadOf(token, uploads, urlOf, write);
    },
    async abortUpload(token, signal) {
      await turn(token.key, signal);
      uploads.delete(token.id);
    },
    async *listUploads(prefix, signal) {
      await turn(undefined, signal);
      for (const { token, startedAt } of uploads.values()) {
        if (token.key.startsWith(prefix)) yield { token, startedAt };
      }
    },
    async probeWritable(signal) {
      await turn(undefined, signal);
    },
  };
}

function uploadOf(
  token: UploadToken,
  uploads: Map<string, OpenUpload>,
  urlOf: (key: string) => string,
  write: (key: string, bytes: Uint8Array) => ObjectInfo,
): Upload {
  const open = (): OpenUpload => {
    const found = uploads.get(token.id);
    if (found === undefined) throw uploadClosed(urlOf(token.key));
    return found;
  };
  return {
    token,
    copies: "none",
    async writePart(place: PartPlace, pieces, release) {
      open().parts.set(place.number, { offset: place.offset, bytes: Buffer.concat(pieces) });
      release?.();
      await setImmediate();
    },
    async copyPart() {
      await setImmediate();
      throw new StoreError("STORE_UNSUPPORTED", "This store cannot copy ranges.");
    },
    async complete() {
      await setImmediate();
      const parts = [...open().parts].sort(([a], [b]) => a - b).map(([, part]) => part);
      let end = 0;
      for (const { offset, bytes } of parts) {
        if (offset !== end) throw new StoreError("STORE_MISMATCH", `${token.key}: the parts do not join.`);
        end += bytes.length;
      }
      uploads.delete(token.id);
      return write(token.key, Buffer.concat(parts.map(({ bytes }) => bytes)));
    },
    async abort() {
      await setImmediate();
      uploads.delete(token.id);
    },
  };
}

async function* chunked(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += 65_536) {
    await setImmediate();
    yield bytes.subarray(at, at + 65_536);
  }
}

export class Crashed extends Error {}

/** The same store for a process that dies at its change number `left`: that one and all after it never happen. */
export function mortalStore(store: MemoryStore, left: number): ObjectStore {
  let remaining = left;
  const spend = (): void => {
    if (remaining <= 0) throw new Crashed();
    remaining -= 1;
  };
  return withMembers<ObjectStore>(store, {
    async put(key, bytes, options) {
      spend();
      return await store.put(key, bytes, options);
    },
    async delete(key, signal) {
      spend();
      await store.delete(key, signal);
    },
    async abortUpload(token, signal) {
      spend();
      await store.abortUpload(token, signal);
    },
  });
}
