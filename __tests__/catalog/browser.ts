/** A real Chromium, driven over its DevTools protocol with what Node has. For looking at the catalogue page. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const executables = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
export const chromiumPath = executables.find((path) => existsSync(path));

export interface View {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
  readonly phone?: boolean;
  readonly javascript?: boolean;
}

type Result = Record<string, unknown>;

export class Browser {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<
    number,
    { resolve: (result: Result) => void; reject: (error: Error) => void }
  >();
  readonly #events: string[] = [];
  #lastId = 0;
  #session: string | undefined;

  private constructor(child: ChildProcess, directory: string, socket: WebSocket) {
    this.#child = child;
    this.#directory = directory;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(String(data)) as Message));
  }

  static async launch(executable: string): Promise<Browser> {
    const directory = await mkdtemp(join(tmpdir(), "chromium-"));
    const flags = [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--hide-scrollbars",
      "--remote-debugging-port=0",
    ];
    const child = spawn(executable, [...flags, `--user-data-dir=${directory}`, "about:blank"], {
      stdio: "ignore",
    });
    const port = await waitFor(() => readFile(join(directory, "DevToolsActivePort"), "utf8"));
    const [number = "", path = ""] = port.split("\n");
    const socket = new WebSocket(`ws://127.0.0.1:${number}${path}`);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve(), { once: true });
      socket.addEventListener("error", () => reject(new Error("Chromium does not answer")), { once: true });
    });
    const browser = new Browser(child, directory, socket);
    const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
    browser.#session = String(sessionId);
    await browser.send("Page.enable");
    return browser;
  }

  /** Loads a page and waits for its load event. */
  async open(url: string, view: View): Promise<void> {
    const { width, height, phone = false, dark = false, javascript = true } = view;
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: phone,
    });
    const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
    await this.send("Emulation.setEmulatedMedia", { features });
    await this.send("Emulation.setScriptExecutionDisabled", { value: !javascript });
    this.#events.length = 0;
    await this.send("Page.navigate", { url });
    await waitFor(async () => {
      if (!this.#events.includes("Page.loadEventFired")) throw new Error(`${url} does not load`);
    });
  }

  /** The value of an expression, awaited; must be JSON. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    const { result, exceptionDetails } = answer as {
      result: { value: T };
      exceptionDetails?: { text: string };
    };
    if (exceptionDetails !== undefined)
      throw new Error(`${exceptionDetails.text}: ${expression.slice(0, 100)}`);
    return result.value;
  }

  /** From the top of the page, as far down as it goes but `mostPixels` at most. */
  async screenshot(mostPixels: number): Promise<Buffer> {
    const { cssContentSize } = (await this.send("Page.getLayoutMetrics")) as {
      cssContentSize: { width: number; height: number };
    };
    const { width, height } = cssContentSize;
    const clip = { x: 0, y: 0, width, height: Math.min(height, mostPixels), scale: 1 };
    const { data } = await this.send("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: true,
      clip,
    });
    return Buffer.from(String(data), "base64");
  }

  send(method: string, params: Result = {}): Promise<Result> {
    this.#lastId += 1;
    const id = this.#lastId;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params, ...session }));
    });
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => void this.#child.once("exit", resolve));
    this.#socket.close();
    this.#child.kill("SIGTERM");
    await ended;
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  #take({ id, method, result, error }: Message): void {
    if (method !== undefined) this.#events.push(method);
    if (id === undefined) return;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result ?? {});
    else waiting?.reject(new Error(error.message));
  }
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly result?: Result;
  readonly error?: { readonly message: string };
}

async function waitFor<T>(look: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await look();
    } catch (error) {
      if (tries >= 200) throw error;
      await delay(100);
    }
  }
}
