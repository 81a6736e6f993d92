/** What transfer threads are told and what they answer: plain data that can be cloned. */
import type { StorageLocation } from "../../domain/options.ts";
import type { ThreadFailure } from "../../system/thread-failure.ts";
import type { RequestLimits } from "../limits.ts";
import type { GetOptions, ObjectInfo, PartToSend } from "../port.ts";

/** What a thread is told when it starts. */
export interface TransferData {
  readonly location: StorageLocation;
  readonly limits: RequestLimits | undefined;
}

export type TransferRequest =
  | ({ readonly kind: "read"; readonly key: string } & Pick<GetOptions, "range" | "into" | "ifMatch">)
  | { readonly kind: "send"; readonly part: PartToSend; readonly pieces: readonly Uint8Array[] };

export interface TransferReplies {
  /** Of bytes that went `into` memory which both sides see, there is nothing to move: how many there are. */
  read: { readonly bytes: Uint8Array | number; readonly info: ObjectInfo };
  /** What the upload needs to know of the part. */
  send: string;
}

/** `end`: of the request with this number, which is still answered. */
export type TransferMessage =
  | { readonly id: number; readonly end: false; readonly request: TransferRequest }
  | { readonly id: number; readonly end: true };

export type TransferAnswer =
  /** The pieces of a part are not read any more; its answer comes later. */
  | { readonly id: number; readonly released: true }
  | { readonly id: number; readonly ok: true; readonly reply: TransferReplies[TransferRequest["kind"]] }
  | { readonly id: number; readonly ok: false; readonly failure: ThreadFailure };
