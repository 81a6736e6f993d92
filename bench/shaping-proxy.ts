/**
 * A TCP proxy that makes a near store a far one: every byte is late by the latency, each way by half of it, and a
 * connection carries so many bytes a second and no more. As a program of its own, so that it takes no time of what it
 * measures: `node bench/shaping-proxy.ts HOST:PORT [latency in ms] [MB/s a connection]` prints its address.
 */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export interface Shape {
  readonly latencyMs: number;
  readonly bytesPerSecond: number;
}

/** Passes `from` on to `to`, late and slowly. What is under way is bounded by what the rate carries within the latency. */
async function pass(from: Socket, to: Socket, { latencyMs, bytesPerSecond }: Shape): Promise<void> {
  const late: { readonly at: number; readonly bytes: Buffer }[] = [];
  let wake = Promise.withResolvers<void>();
  let ended = false;
  const gone = closed(to);
  const deliver = async (): Promise<void> => {
    for (;;) {
      const next = late.shift();
      if (next === undefined) {
        if (ended) return void to.end();
        await wake.promise;
        wake = Promise.withResolvers<void>();
        continue;
      }
      const wait = next.at - performance.now();
      if (wait > 0.5) await delay(wait);
      if (!to.write(next.bytes)) await Promise.race([drained(to), gone]);
    }
  };
  const delivering = deliver();
  // The moment at which the line is free again: a token bucket of one chunk.
  let freeAt = 0;
  for await (const bytes of from as AsyncIterable<Buffer>) {
    const now = performance.now();
    freeAt = Math.max(now, freeAt) + (bytes.length / bytesPerSecond) * 1000;
    late.push({ at: freeAt + latencyMs / 2, bytes });
    wake.resolve();
    if (freeAt - now > 5) await delay(freeAt - now);
  }
  ended = true;
  wake.resolve();
  await delivering;
}

const drained = async (socket: Socket): Promise<void> =>
  await new Promise((done) => void socket.once("drain", done));
const closed = async (socket: Socket): Promise<void> =>
  await new Promise((done) => void socket.once("close", done));

/** Returns the port on 127.0.0.1 and how many connections were ever open at once. */
export async function startShapingProxy(
  upstream: { readonly host: string; readonly port: number },
  shape: Shape,
): Promise<{ readonly port: number; readonly mostConnections: () => number; close(): void }> {
  const sockets = new Set<Socket>();
  let most = 0;
  let open = 0;
  const server = createServer((client) => {
    const store = connect(upstream.port, upstream.host);
    open += 1;
    most = Math.max(most, open);
    client.once("close", () => (open -= 1));
    for (const [socket, other] of [
      [client, store],
      [store, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy());
      socket.on("close", () => sockets.delete(socket));
      pass(socket, other, shape).catch(() => other.destroy());
    }
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as AddressInfo).port,
    mostConnections: () => most,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

if (import.meta.main) {
  const [address = "", latencyMs = "20", megabytes = "50"] = process.argv.slice(2);
  const [host = "127.0.0.1", port = ""] = address.split(":");
  const shape = { latencyMs: Number(latencyMs), bytesPerSecond: Number(megabytes) * 1e6 };
  const proxy = await startShapingProxy({ host, port: Number(port) }, shape);
  console.log(`127.0.0.1:${proxy.port}`);
  process.once("SIGTERM", () => {
    console.error(`at most ${proxy.mostConnections()} connections at once`);
    process.exit(0);
  });
}
