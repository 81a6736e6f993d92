/**
 * The node's HTTP API, as far as it is asked: `/v2/info`, `/v3/tenures/info`, `/v3/health`. A node may be starting, gone
 * or broken at any moment, so every outcome is an answer and none an exception. Plain `node:http` without keep-alive:
 * a connection kept open would make the node's shutdown wait.
 */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import * as v from "valibot";
import { hasCode, throwIfAborted } from "../domain/errors.ts";
import { timeLimit } from "../system/deadline.ts";

const height = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** `is_fully_synced` is left out on purpose: a Nakamoto node always says true. */
export const nodeInfoSchema = v.object({
  network_id: height,
  parent_network_id: height,
  burn_block_height: height,
  stacks_tip_height: height,
  stacks_tip: v.string(),
  stacks_tip_consensus_hash: v.string(),
  server_version: v.optional(v.string(), ""),
});
export type NodeInfo = v.InferOutput<typeof nodeInfoSchema>;

export const tenureInfoSchema = v.object({
  consensus_hash: v.string(),
  tip_block_id: v.string(),
  tip_height: height,
  reward_cycle: height,
});
export type TenureInfo = v.InferOutput<typeof tenureInfoSchema>;

export const nodeHealthSchema = v.object({
  difference_from_max_peer: height,
  max_stacks_height_of_neighbors: height,
  max_stacks_neighbor_address: v.nullable(v.string()),
  node_stacks_tip_height: height,
});

export type RpcOutcome<T> =
  | { readonly kind: "answer"; readonly value: T }
  /** Nobody listens: down, or the headers have not synced yet. */
  | { readonly kind: "refused" }
  /** Somebody listens and says nothing in time. */
  | { readonly kind: "timeout" }
  /** The host cannot be reached, its name not be resolved, the connection broke. */
  | { readonly kind: "unreachable"; readonly detail: string }
  | { readonly kind: "status"; readonly status: number }
  /** Status 200 with something else than a node's answer. */
  | { readonly kind: "invalid"; readonly detail: string };

export const askNodeInfo = asker("/v2/info", nodeInfoSchema);
export const askTenureInfo = asker("/v3/tenures/info", tenureInfoSchema);
export const askNodeHealth = asker("/v3/health", nodeHealthSchema);

/** A block of Nakamoto on the node's own chain, by its height: its bytes, or as many as hold its header. */
export async function askBlockAt(
  rpcUrl: string,
  stacksHeight: number,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<RpcOutcome<Buffer>> {
  const url = `${rpcUrl.replace(/\/+$/, "")}/v3/blocks/height/${stacksHeight}`;
  return await get(url, signal, timeoutMs, "application/octet-stream");
}

const defaultTimeoutMs = 5_000;
const maxBodyBytes = 1024 * 1024;

type Ask<T> = (rpcUrl: string, signal: AbortSignal, timeoutMs?: number) => Promise<RpcOutcome<T>>;

function asker<S extends v.GenericSchema>(path: string, schema: S): Ask<v.InferOutput<S>> {
  return async (rpcUrl, signal, timeoutMs = defaultTimeoutMs) => {
    const fetched = await get(rpcUrl.replace(/\/+$/, "") + path, signal, timeoutMs);
    if (fetched.kind !== "answer") return fetched;
    const { value } = fetched;
    if (value.length > maxBodyBytes) return { kind: "invalid", detail: `more than ${maxBodyBytes} bytes` };
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), value.toString("utf8"));
    return parsed.success
      ? { kind: "answer", value: parsed.output }
      : { kind: "invalid", detail: v.summarize(parsed.issues).slice(0, 300) };
  };
}

/** GET with a time limit on the whole exchange. No more than a little above the limit is read. Redirects are not followed. */
async function get(
  url: string,
  signal: AbortSignal,
  timeoutMs: number,
  accept = "application/json",
): Promise<RpcOutcome<Buffer>> {
  throwIfAborted(signal);
  const target = new URL(url);
  const request = target.protocol === "https:" ? httpsRequest : httpRequest;
  const limit = timeLimit(timeoutMs, "RPC_NOT_ANSWERING", "The RPC's answer");
  try {
    return await new Promise((resolve, reject) => {
      const sent = request(target, {
        agent: false,
        headers: { accept },
        signal: AbortSignal.any([signal, limit]),
      });
      sent.on("error", reject);
      // Without a listener the answer is nobody's: the promise would never settle, and nothing would keep the process alive.
      sent.on("upgrade", (response, socket) => {
        socket.destroy();
        resolve({ kind: "status", status: response.statusCode ?? 101 });
      });
      sent.on("response", (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        const status = response.statusCode ?? 0;
        const end = (): void =>
          resolve(
            status === 200 ? { kind: "answer", value: Buffer.concat(chunks) } : { kind: "status", status },
          );
        response.on("error", reject);
        response.on("data", (chunk: Buffer) => {
          size += chunk.length;
          chunks.push(chunk);
          if (size <= maxBodyBytes) return;
          end();
          response.destroy();
        });
        response.on("end", end);
      });
      sent.end();
    });
  } catch (error) {
    throwIfAborted(signal);
    if (limit.aborted) return { kind: "timeout" };
    if (hasCode(error, "ECONNREFUSED")) return { kind: "refused" };
    const code = error instanceof Error && "code" in error ? String(error.code) : "no connection";
    return { kind: "unreachable", detail: code };
  }
}

/** What an outcome means, in words. */
export function describeOutcome(outcome: RpcOutcome<unknown>): string {
  switch (outcome.kind) {
    case "answer":
      break;
    case "refused":
      return "the connection is refused";
    case "timeout":
      return "it takes the connection and does not answer";
    case "unreachable":
      return `it cannot be reached (${outcome.detail})`;
    case "status":
      return `it answers with HTTP status ${outcome.status}`;
    case "invalid":
      return `what answers there is not a node (${outcome.detail})`;
  }
  return "it answers";
}

/** An RPC's address for messages: without user, password and query. */
export function describeRpcUrl(rpcUrl: string): string {
  const { protocol, host, pathname } = new URL(rpcUrl);
  return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
}
