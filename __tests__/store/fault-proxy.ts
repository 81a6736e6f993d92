/** A TCP proxy on loopback that spoils connections on demand: cut, stalled, or with a byte flipped on the way. */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { Transform } from "node:stream";

export interface ProxyFault {
  readonly kind: "cut" | "stall" | "flip";
  /** "up" is towards the store. */
  readonly direction: "up" | "down";
  /** How many bytes in this direction pass a connection before it strikes, from when it was set. */
  readonly afterBytes: number;
  /** So many times, then no more. */
  times: number;
}

export interface FaultProxy {
  readonly url: string;
  fault: ProxyFault | undefined;
  /** How often it struck. */
  struck: number;
  close(): Promise<void>;
}

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(spoiled("up", client)).pipe(upstream);
    upstream.pipe(spoiled("down", client)).pipe(client);
  });
  const spoiled = (direction: "up" | "down", client: Socket): Transform => {
    let armed: ProxyFault | undefined;
    let passed = 0;
    let stalled = false;
    return new Transform({
      transform(chunk: Buffer, _, done) {
        if (stalled) return;
        if (armed !== proxy.fault) [armed, passed] = [proxy.fault, 0];
        const before = passed;
        passed += chunk.length;
        if (
          armed === undefined ||
          armed.direction !== direction ||
          armed.times === 0 ||
          passed <= armed.afterBytes
        ) {
          done(null, chunk);
          return;
        }
        armed.times -= 1;
        proxy.struck += 1;
        passed = -Infinity;
        if (armed.kind === "cut") client.destroy();
        else if (armed.kind === "stall") stalled = true;
        else {
          const copy = Buffer.from(chunk);
          const at = Math.max(0, armed.afterBytes - before);
          copy[at] = copy[at]! ^ 1;
          done(null, copy);
        }
      },
    });
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: undefined,
    struck: 0,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
  return proxy;
}
