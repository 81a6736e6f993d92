/**
 * Runs JavaScript inside a Node process that knows nothing of it: SIGUSR1 makes every Node listen to debuggers on
 * 127.0.0.1:9229. For faults of a process that nothing outside it can cause.
 */
import { once } from "node:events";
import { until } from "./support.ts";

const port = 9229;

interface Target {
  readonly webSocketDebuggerUrl: string;
}

/** Returns what the expression yields, as JSON can carry it. One process at a time: there is one port. */
export async function evaluateInside(pid: number, expression: string): Promise<unknown> {
  process.kill(pid, "SIGUSR1");
  let targets: readonly Target[] = [];
  await until("the process listens to debuggers", async () => {
    targets = await fetch(`http://127.0.0.1:${port}/json/list`, { signal: AbortSignal.timeout(1_000) }).then(
      async (answer) => (await answer.json()) as Target[],
      () => [],
    );
    return targets.length > 0;
  });
  const socket = new WebSocket(targets[0]?.webSocketDebuggerUrl ?? "");
  try {
    await once(socket, "open");
    // Another process may have been there before.
    const listener = await evaluate(socket, "process.pid");
    if (listener !== pid) throw new Error(`port ${port} is the debugger of process ${String(listener)}`);
    return await evaluate(socket, expression);
  } finally {
    socket.close();
  }
}

async function evaluate(socket: WebSocket, expression: string): Promise<unknown> {
  const params = { expression, returnByValue: true };
  socket.send(JSON.stringify({ id: 1, method: "Runtime.evaluate", params }));
  const [message] = (await once(socket, "message")) as [{ readonly data: string }];
  const { result } = JSON.parse(message.data) as {
    readonly result: { readonly result: { readonly value?: unknown }; readonly exceptionDetails?: unknown };
  };
  if (result.exceptionDetails !== undefined) throw new Error(JSON.stringify(result.exceptionDetails));
  return result.result.value;
}
