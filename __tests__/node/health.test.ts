import { afterEach, describe, expect, it } from "vitest";
import { CancelledError } from "../../src/domain/errors.ts";
import { waitHealthy } from "../../src/node/health.ts";
import type { HealthRequest } from "../../src/node/health.ts";
import { info, startRpcServer } from "./rpc-server.ts";
import type { RpcServer } from "./rpc-server.ts";

const running = { inspect: () => Promise.resolve({ running: true, detail: "active" }) };
const ended = { inspect: () => Promise.resolve({ running: false, detail: "inactive (dead)" }) };

describe("waitHealthy", () => {
  let rpc: RpcServer | undefined;
  afterEach(async () => {
    await rpc?.close();
    rpc = undefined;
  });

  /** A clock on which waiting takes no time; `onSleep` may change the world meanwhile. */
  const wait = (changes: Partial<HealthRequest>, onSleep?: (sleeps: number) => void | Promise<void>) => {
    let now = 1_000_000;
    let sleeps = 0;
    const clock = {
      now: () => now,
      sleep: async (ms: number) => {
        now += ms;
        await onSleep?.((sleeps += 1));
      },
    };
    return waitHealthy({
      rpcUrl: rpc?.url ?? "http://127.0.0.1:1",
      startTimeoutMs: 60_000,
      expected: { networkId: 1, parentNetworkId: 3652501241 },
      syncBlocks: 0,
      syncTimeoutMs: 60_000,
      control: running,
      clock,
      signal: new AbortController().signal,
      ...changes,
    });
  };

  it("takes a refused connection for starting, and the first answer for the end of the downtime", async () => {
    const lines: string[] = [];
    const health = await wait({ rpcUrl: "http://127.0.0.1:1", onProgress: (line) => lines.push(line) }).catch(
      (error: unknown) => error,
    );
    expect(health).toMatchObject({ code: "NODE_STILL_STARTING", message: expect.stringContaining("60 s") });
    expect(lines).toEqual(["The node is starting: the connection is refused"]);

    rpc = await startRpcServer({});
    const { url } = rpc;
    await rpc.close();
    const late = await wait({ rpcUrl: url }, async (sleeps) => {
      if (sleeps === 7) rpc = await startRpcServer({ "/v2/info": info(57) }, Number(new URL(url).port));
    });
    expect(late).toMatchObject({ tip: { stacksHeight: 57, burnHeight: 900_000 } });
    expect(late.firstAnswerAt.getTime()).toBe(1_000_000 + 7 * 50);
  });

  it("tells the four ways to be unwell apart", async () => {
    rpc = await startRpcServer({ "/v2/info": 500 });
    await expect(wait({})).rejects.toMatchObject({
      code: "NODE_ANSWERS_ERRORS",
      message: expect.stringContaining("500"),
    });
    rpc.answers = { "/v2/info": { hello: "I am a proxy" } };
    await expect(wait({})).rejects.toMatchObject({ code: "NODE_ANSWERS_ERRORS" });
    rpc.answers = { "/v2/info": info(57, { network_id: 2147483648 }) };
    await expect(wait({})).rejects.toMatchObject({
      code: "NODE_WRONG_CHAIN",
      message: expect.stringMatching(/network id 2147483648, expected 1/),
    });
    rpc.answers = { "/v2/info": info(57, { parent_network_id: 3669344250 }) };
    await expect(wait({})).rejects.toMatchObject({ code: "NODE_WRONG_CHAIN" });
    rpc.answers = { "/v2/info": info(57) };
    await expect(wait({ syncBlocks: 1 })).rejects.toMatchObject({
      code: "NODE_NOT_MOVING",
      message: expect.stringContaining("does not move"),
    });
    await expect(wait({ rpcUrl: "http://127.0.0.1:1", control: ended })).rejects.toMatchObject({
      code: "NODE_GONE_AGAIN",
      message: expect.stringContaining("inactive (dead)"),
    });
  });

  it("takes a node that its supervisor starts again and again for gone, and forgives it one start", async () => {
    let looks = 0;
    const pids = (...each: readonly number[]): HealthRequest["control"] => ({
      inspect: () => {
        const pid = each[Math.min(looks, each.length - 1)] ?? 0;
        looks += 1;
        const state = { running: true, detail: `pid ${pid}` };
        return Promise.resolve(
          pid === 0 ? { ...state, restarting: true } : { ...state, process: { pid, startTicks: 1 } },
        );
      },
    });
    const closed = { rpcUrl: "http://127.0.0.1:1" };
    const gone = { code: "NODE_GONE_AGAIN", message: expect.stringContaining("has ended 2 times") };
    await expect(wait({ ...closed, control: pids(1, 2, 3) })).rejects.toMatchObject(gone);
    looks = 0;
    await expect(wait({ ...closed, control: pids(1, 0, 2, 0) })).rejects.toMatchObject(gone);
    looks = 0;
    const once = { code: "NODE_GONE_AGAIN", message: expect.stringContaining("has ended 1 times") };
    await expect(wait({ ...closed, control: pids(1, 0) })).rejects.toMatchObject(once);
    expect(looks).toBeGreaterThan(50);
    looks = 0;
    rpc = await startRpcServer({ "/v2/info": 503 });
    const late = wait({ control: pids(1, 0, 2) }, () => {
      if (rpc !== undefined && looks > 6) rpc.answers = { "/v2/info": info(57) };
    });
    expect((await late).tip.stacksHeight).toBe(57);
  });

  it("notices that a node goes while its tip is waited for", async () => {
    rpc = await startRpcServer({ "/v2/info": info(57) });
    await expect(
      wait({ syncBlocks: 3, syncTimeoutMs: 3_600_000 }, async (sleeps) => {
        if (sleeps === 3) await rpc?.close();
      }),
    ).rejects.toMatchObject({ code: "NODE_GONE_AGAIN" });
  });

  it("forgives a moment of errors, and not half a minute of them", async () => {
    rpc = await startRpcServer({ "/v2/info": info(57) });
    const server = rpc;
    const health = await wait({ syncBlocks: 2 }, (sleeps) => {
      server.answers = { "/v2/info": sleeps < 5 ? 500 : info(57 + sleeps) };
    });
    expect(health.tip.stacksHeight).toBeGreaterThanOrEqual(59);
    server.answers = { "/v2/info": info(57) };
    await expect(
      wait({ syncBlocks: 2, syncTimeoutMs: 3_600_000 }, () => {
        server.answers = { "/v2/info": 500 };
      }),
    ).rejects.toMatchObject({ code: "NODE_ANSWERS_ERRORS" });
  });

  it("waits for the height it must have, and says when it is not reached", async () => {
    rpc = await startRpcServer({ "/v2/info": info(56) });
    const server = rpc;
    const expected = { networkId: 1, minStacksHeight: 57, minBurnHeight: 900_000 };
    await expect(wait({ expected })).rejects.toMatchObject({ code: "NODE_BEHIND" });
    const health = await wait({ expected }, (sleeps) => {
      if (sleeps === 4) server.answers = { "/v2/info": info(57) };
    });
    expect(health).toMatchObject({ firstTip: { stacksHeight: 56 }, tip: { stacksHeight: 57 } });
    server.answers = { "/v2/info": info(57, { burn_block_height: 899_999 }) };
    await expect(wait({ expected })).rejects.toMatchObject({ code: "NODE_BEHIND" });
  });

  it("believes /v3/health only with a neighbour", async () => {
    const health = (neighbour: string | null, max: number) => ({
      difference_from_max_peer: 0,
      max_stacks_height_of_neighbors: max,
      max_stacks_neighbor_address: neighbour,
      node_stacks_tip_height: 57,
    });
    rpc = await startRpcServer({ "/v2/info": info(57), "/v3/health": health(null, 0) });
    expect(await wait({})).not.toHaveProperty("peers");
    rpc.answers["/v3/health"] = health("10.0.0.1:20444", 0);
    expect(await wait({})).not.toHaveProperty("peers");
    rpc.answers["/v3/health"] = 500;
    expect(await wait({})).not.toHaveProperty("peers");
    rpc.answers["/v3/health"] = health("10.0.0.1:20444", 57);
    expect(await wait({})).toMatchObject({ peers: { blocksBehind: 0, neighbour: "10.0.0.1:20444" } });
  });

  it("does not take a node for gone that has not opened a file yet", async () => {
    let looks = 0;
    const slow = { inspect: () => Promise.resolve({ running: (looks += 1) > 3, detail: "nobody" }) };
    rpc = await startRpcServer({ "/v2/info": 503 });
    const server = rpc;
    const health = await wait({ control: slow }, (sleeps) => {
      if (sleeps === 300) server.answers = { "/v2/info": info(57) };
    });
    expect(health.firstAnswerAt.getTime()).toBe(1_000_000 + 300 * 50);
    expect(looks).toBeGreaterThan(10);
  });

  it("ends at once when the run is cancelled", async () => {
    rpc = await startRpcServer({ "/v2/info": () => undefined });
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(new CancelledError()), 100);
    await expect(wait({ signal: cancel.signal })).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
