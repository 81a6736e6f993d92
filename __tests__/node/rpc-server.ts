/** A small HTTP server that answers as a node, as a test wants it to. */
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Answer = object | number | ((response: ServerResponse) => void);

export interface RpcServer {
  readonly url: string;
  /** What each path answers: an object as JSON, a status, or whatever the function does. Paths not named: 404. */
  answers: Record<string, Answer>;
  close(): Promise<void>;
}

export async function startRpcServer(answers: Record<string, Answer>, port = 0): Promise<RpcServer> {
  const server = createServer((request, response) => {
    const answer = rpc.answers[request.url ?? ""] ?? 404;
    if (typeof answer === "function") answer(response);
    else if (typeof answer === "number") response.writeHead(answer).end("no");
    else response.end(JSON.stringify(answer));
  });
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  const rpc: RpcServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answers,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return rpc;
}

export function info(stacksHeight: number, changes: object = {}): object {
  return {
    peer_version: 402653196,
    network_id: 1,
    parent_network_id: 3652501241,
    burn_block_height: 900_000,
    stacks_tip_height: stacksHeight,
    stacks_tip: "ab".repeat(32),
    stacks_tip_consensus_hash: "cd".repeat(20),
    server_version: "stacks-node 4.0.2",
    is_fully_synced: true,
    ...changes,
  };
}
