import { afterEach, describe, expect, it } from "vitest";
import { askNodeHealth, askNodeInfo, askTenureInfo, describeRpcUrl } from "../../src/node/rpc.ts";
import { info, startRpcServer } from "./rpc-server.ts";
import type { RpcServer } from "./rpc-server.ts";

const never = new AbortController().signal;

describe("rpc", () => {
  let rpc: RpcServer;
  afterEach(() => rpc.close());

  it("reads the three answers, whatever else they hold, below a path too", async () => {
    rpc = await startRpcServer({
      "/v2/info": info(57),
      "/node/v2/info": info(58),
      "/v3/tenures/info": {
        consensus_hash: "a",
        tip_block_id: "b",
        tip_height: 57,
        reward_cycle: 3,
        more: 1,
      },
    });
    expect(await askNodeInfo(`${rpc.url}/`, never)).toMatchObject({
      kind: "answer",
      value: { stacks_tip_height: 57 },
    });
    expect(await askNodeInfo(`${rpc.url}/node`, never)).toMatchObject({ value: { stacks_tip_height: 58 } });
    expect(await askNodeInfo(rpc.url, never)).not.toHaveProperty("value.is_fully_synced");
    expect(await askTenureInfo(rpc.url, never)).toMatchObject({
      kind: "answer",
      value: { tip_block_id: "b" },
    });
    expect(await askNodeHealth(rpc.url, never)).toEqual({ kind: "status", status: 404 });
  });

  it("tells the ways not to answer apart, each within its limit", async () => {
    rpc = await startRpcServer({ "/v2/info": () => undefined });
    expect(await askNodeInfo(rpc.url, never, 100)).toEqual({ kind: "timeout" });
    rpc.answers = { "/v2/info": (response) => void response.writeHead(200).write('{"network_id"') };
    expect(await askNodeInfo(rpc.url, never, 200)).toEqual({ kind: "timeout" });
    rpc.answers = { "/v2/info": (response) => void response.destroy() };
    expect(await askNodeInfo(rpc.url, never)).toMatchObject({ kind: "unreachable" });
    rpc.answers = { "/v2/info": (response) => void response.end("x".repeat(2 * 1024 * 1024)) };
    expect(await askNodeInfo(rpc.url, never)).toMatchObject({
      kind: "invalid",
      detail: expect.stringContaining("bytes"),
    });
    rpc.answers = { "/v2/info": (response) => void response.end("not json") };
    expect(await askNodeInfo(rpc.url, never)).toMatchObject({ kind: "invalid" });
    rpc.answers = { "/v2/info": info(-1) };
    expect(await askNodeInfo(rpc.url, never)).toMatchObject({ kind: "invalid" });
    rpc.answers = {
      "/v2/info": (response) => void response.writeHead(302, { location: "/v3/health" }).end(),
    };
    expect(await askNodeInfo(rpc.url, never)).toEqual({ kind: "status", status: 302 });
    rpc.answers = {
      "/v2/info": (response) =>
        void response.socket?.end(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        ),
    };
    expect(await askNodeInfo(rpc.url, never, 5_000)).toEqual({ kind: "status", status: 101 });
    expect(await askNodeInfo("http://127.0.0.1:1", never)).toEqual({ kind: "refused" });
    expect(await askNodeInfo("http://no-such-host.invalid", never)).toMatchObject({ kind: "unreachable" });
  });

  it("names an address without its secrets", async () => {
    rpc = await startRpcServer({});
    expect(describeRpcUrl("http://me:secret@node:20443/?token=1")).toBe("http://node:20443");
  });
});
