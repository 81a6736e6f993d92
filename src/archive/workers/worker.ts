/** The worker's side of the archive's threads: one request, one answer, strictly one after the other. */
import { createHash, hash as digestOf, type Hash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import type { Transferable } from "node:worker_threads";
import { SegmentLoader } from "./segment-loader.ts";
import { placeFrame } from "./frame-placer.ts";
import { checkFrame, requireDigest } from "./frame-check.ts";
import { assembleFrame } from "./frame-assembler.ts";
import type { WorkerMessage } from "./worker-pool.ts";
import type { CompressedFrame, Compression, WorkerReplies, WorkerRequest } from "./worker-protocol.ts";
import { digestPages } from "./page-digests.ts";
import { freeMemory } from "../../system/free-memory.ts";
import { failureOf } from "../../system/thread-failure.ts";
import { compressFrame, decompressFrame } from "../format/zstd-frame.ts";

interface Answer {
  readonly reply: WorkerReplies[WorkerRequest["kind"]];
  readonly transfer?: readonly Transferable[];
}

export function serveArchiveWork(): void {
  const port = parentPort;
  if (port === null) throw new Error("This file is the entry of a worker thread.");
  const loader = new SegmentLoader();
  const hash = createHash("sha256");
  port.on("message", (request: WorkerRequest) => {
    let message: WorkerMessage;
    let transfer: readonly Transferable[] = [];
    try {
      const answer = answerRequest(request, loader, hash);
      message = { ok: true, reply: answer.reply };
      transfer = answer.transfer ?? [];
    } catch (error) {
      message = { ok: false, failure: failureOf(error, "ARCHIVE_WORK_FAILED") };
    }
    port.postMessage(message, transfer);
  });
}

function answerRequest(request: WorkerRequest, loader: SegmentLoader, hash: Hash): Answer {
  switch (request.kind) {
    case "load": {
      const sha256 = loader.load(request);
      const frame = request.compress === undefined ? undefined : compress(loader.bytes, request.compress);
      return { reply: { sha256, frame } };
    }
    case "compress":
      return { reply: compress(loader.bytes, request) };
    case "hash":
      hash.update(request.bytes);
      return { reply: undefined };
    case "digest":
      return { reply: hash.digest("hex") };
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

function compress(segment: Buffer, { level, into }: Compression): CompressedFrame {
  const frame = compressFrame(segment, level);
  const made = { size: frame.length, compressedSha256: digestOf("sha256", frame, "hex") };
  into.set(frame);
  freeMemory(frame);
  return made;
}

function unpack(request: Extract<WorkerRequest, { kind: "unpack" }>): void {
  requireDigest(request.frame, request.bytes, request.compressedSha256);
  const bytes = decompressFrame(request.bytes, request.size);
  try {
    // What is restored is known by its compressed bytes, a third of them, and zstd's own checksum; who verifies looks at all.
    if (request.target === undefined) requireDigest(request.frame, bytes, request.sha256);
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
