/** How long a remote store may take. One set for all providers, so that tests can make time short in one place. */
export interface RequestLimits {
  readonly connectTimeoutMs: number;
  /** No byte in either direction for so long ends a request. */
  readonly idleTimeoutMs: number;
  /** Less than `leastBytesPerSecond` for so long, of waiting, ends it too. */
  readonly slowAfterMs: number;
  /** From the request to the first byte of its answer, the sending of a part included. */
  readonly requestTimeoutMs: number;
  /** The first included. */
  readonly attempts: number;
  /** Of a store that is too busy, with pauses of 1, 2, 4 to 30 s between them; the first included. */
  readonly busyAttempts: number;
}

export const defaultLimits: RequestLimits = {
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 30_000,
  slowAfterMs: 5 * 60_000,
  requestTimeoutMs: 20 * 60_000,
  attempts: 4,
  busyAttempts: 8,
};
