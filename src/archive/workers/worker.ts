/** The worker's side of the archive's threads: one request, one answer, strictly one after the other. */
import { parentPort } from "node:worker_threads";
import type { Transferable } from "node:worker_threads";
import { ActionError, describeError } from "../../domain/errors.ts";
import { SegmentLoader } from "./segment-loader.ts";
import { placeFrame } from "./frame-placer.ts";
import { checkFrame } from "./frame-check.ts";
import { assembleFrame } from "./frame-assembler.ts";
import type { WorkerMessage } from "./worker-pool.ts";
import type { WorkerReplies, WorkerRequest } from "./worker-protocol.ts";
import { digestPages } from "./page-digests.ts";
import { freeMemory } from "../../system/free-memory.ts";
import { compressFrame, decompressFrame } from "../format/zstd-frame.ts";

interface Answer {
  readonly reply: WorkerReplies[WorkerRequest["kind"]];
  readonly transfer?: readonly Transferable[];
}

export function serveArchiveWork(): void {
  const port = parentPort;
  if (port === null) throw new Error("This file is the entry of a worker thread.");
  const loader = new SegmentLoader();
  port.on("message", (request: WorkerRequest) => {
    let message: WorkerMessage;
    let transfer: readonly Transferable[] = [];
    try {
      const answer = answerRequest(request, loader);
      message = { ok: true, reply: answer.reply };
      transfer = answer.transfer ?? [];
    } catch (error) {
      message = {
        ok: false,
        code: error instanceof ActionError ? error.code : "ARCHIVE_WORK_FAILED",
        text: error instanceof Error ? error.message : String(error),
        hint: error instanceof ActionError ? error.hint : undefined,
        cause: error instanceof Error && error.cause !== undefined ? describeError(error.cause) : undefined,
      };
    }
    port.postMessage(message, transfer);
  });
}

function answerRequest(request: WorkerRequest, loader: SegmentLoader): Answer {
  switch (request.kind) {
    case "load": {
      const sha256 = loader.load(request);
      if (request.level === undefined) return { reply: { sha256, bytes: undefined } };
      const bytes = compressFrame(loader.bytes, request.level);
      return { reply: { sha256, bytes }, transfer: [bytes.buffer as ArrayBuffer] };
    }
    case "compress": {
      const bytes = compressFrame(loader.bytes, request.level);
      return { reply: { bytes }, transfer: [bytes.buffer as ArrayBuffer] };
    }
    case "pages": {
      const reply = digestPages(request);
      return { reply, transfer: [reply.digests.buffer as ArrayBuffer, reply.bytes.buffer as ArrayBuffer] };
    }
    case "unpack": {
      unpack(request);
      return { reply: undefined };
    }
    case "seed":
    default:
      return { reply: placeFromSeeds(request) };
  }
}

function unpack(request: Extract<WorkerRequest, { kind: "unpack" }>): void {
  const bytes = decompressFrame(request.bytes, request.size);
  try {
    freeMemory(request.bytes);
    checkFrame(request, bytes);
    if (request.target !== undefined) placeFrame(request.items, request.target, bytes, undefined);
  } finally {
    freeMemory(bytes);
  }
}

function placeFromSeeds(request: Extract<WorkerRequest, { kind: "seed" }>): boolean {
  for (const directory of request.directories) {
    const bytes = assembleFrame(request, directory);
    if (bytes === undefined) continue;
    if (request.target !== undefined) placeFrame(request.items, request.target, bytes, directory);
    return true;
  }
  return false;
}
