/**
 * Where frames go to and come from. The archive layer knows frames and bytes; how a store cuts them into parts, copies
 * ranges of an earlier object or fetches them again is the business of whoever implements these two.
 */

/** A frame on its way into an archive, handed over in archive order. */
export type OutgoingFrame =
  | ({ readonly kind: "bytes" } & FrameBytes)
  | {
      /** The same uncompressed bytes already stand as one frame at this range of the base archive. */
      readonly kind: "reusable";
      readonly baseOffset: number;
      readonly compressedSize: number;
      /** Compresses the frame after all, where the store needs bytes instead of a copy. */
      readonly materialize: () => Promise<FrameBytes>;
    };

export interface FrameBytes {
  readonly bytes: Uint8Array;
  /** To be called by whoever has copied or written them: their memory is used again then. */
  readonly release?: () => void;
}

/** Where a frame ended up in the new archive. */
export interface PlacedFrame {
  readonly offset: number;
  readonly compressedSize: number;
  /** True when the store copied it from the base archive and no byte of it was sent. */
  readonly reused: boolean;
}

export interface FrameSink {
  /**
   * Takes the next frame. The returned promise is the backpressure: it resolves when the sink can take another one.
   * `placed` is called exactly once per frame, in order, at the latest before `finish` asks for the tail.
   */
  append(frame: OutgoingFrame, placed: (at: PlacedFrame) => void): Promise<void>;
  /**
   * Decides where every frame still undecided goes, calls its `placed`, and only then asks for the `tail`: the last bytes
   * of the archive (the seek table, which lists what was placed). Writes it and all that is held back; nothing may follow.
   */
  finish(tail: () => Uint8Array): Promise<void>;
}

/** Random access to a finished archive. */
export interface FrameSource {
  /**
   * Exactly `length` bytes at `offset`, or an error; never short. Bound to one version of the object. `into`, which is as long, is where
   * they go then.
   */
  read(offset: number, length: number, signal: AbortSignal, into?: Uint8Array): Promise<Uint8Array>;
  /** All bytes in one stream, where ranges cannot be had: then `read` fails for most of them. */
  readonly whole?: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  readonly size: number;
  /** For messages, without credentials. */
  readonly url: string;
}
