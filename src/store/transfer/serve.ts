/** A transfer thread's side: it opens the store for itself, with its own connections, and moves the bytes of many requests at once. */
import { parentPort, workerData } from "node:worker_threads";
import { CancelledError } from "../../domain/errors.ts";
import { failureOf } from "../../system/thread-failure.ts";
import type { ObjectStore } from "../port.ts";
import type {
  TransferAnswer,
  TransferData,
  TransferMessage,
  TransferReplies,
  TransferRequest,
} from "./protocol.ts";

export function serveTransfers(openStore: (data: TransferData) => Promise<ObjectStore>): void {
  const port = parentPort;
  if (port === null) throw new Error("This file is the entry of a worker thread.");
  let store: Promise<ObjectStore> | undefined;
  const underWay = new Map<number, AbortController>();

  const answer = async (id: number, request: TransferRequest): Promise<void> => {
    const ending = new AbortController();
    underWay.set(id, ending);
    try {
      store ??= openStore(workerData as TransferData);
      const release = (): void => port.postMessage({ id, released: true } satisfies TransferAnswer, []);
      const reply = await transfer(await store, request, ending.signal, release);
      const moved =
        typeof reply === "string" || typeof reply.bytes === "number"
          ? []
          : [reply.bytes.buffer as ArrayBuffer];
      port.postMessage({ id, ok: true, reply } satisfies TransferAnswer, moved);
    } catch (error) {
      const failure = failureOf(error, "STORE_FAILED");
      port.postMessage({ id, ok: false, failure } satisfies TransferAnswer);
    } finally {
      underWay.delete(id);
    }
  };

  port.on("message", (message: TransferMessage) => {
    if (message.end) underWay.get(message.id)?.abort(new CancelledError());
    // Its failure is an answer.
    else void answer(message.id, message.request);
  });
}

async function transfer(
  store: ObjectStore,
  request: TransferRequest,
  signal: AbortSignal,
  release: () => void,
): Promise<TransferReplies[TransferRequest["kind"]]> {
  if (request.kind === "send") {
    if (store.sendPart === undefined) throw new RangeError(`${store.url} takes no parts.`);
    return await store.sendPart(request.part, request.pieces, signal, release);
  }
  const { key, range, into, ifMatch } = request;
  const { bytes, info } = await store.get(key, {
    signal,
    ...(range === undefined ? {} : { range }),
    ...(into === undefined ? {} : { into }),
    ...(ifMatch === undefined ? {} : { ifMatch }),
  });
  if (into !== undefined) return { bytes: bytes.length, info };
  const isAlone = bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer;
  return { bytes: isAlone ? bytes : new Uint8Array(bytes), info };
}
