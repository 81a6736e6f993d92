/**
 * Published facts of an API, and a server that holds every request to them: method, path, version and query, the fields a
 * body may and must have. What does not fit fails the test that sent it. The state behind it is as small as it can be.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** The fields a value may have; `true` for any scalar. Required ones end in "!". */
export type Shape = true | { readonly [field: string]: Shape } | readonly [Shape] | "map";

export interface Operation {
  readonly id: string;
  readonly method: string;
  /** With {parameters}. */
  readonly path: string;
  readonly query: readonly string[];
  readonly requiredQuery?: Readonly<Record<string, string>>;
  readonly body?: Shape;
}

export interface Called {
  readonly operation: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
}

export interface Reply {
  readonly status: number;
  readonly body?: unknown;
}

export class PublishedApi {
  readonly calls: Called[] = [];
  /** Requests that break what is published. */
  readonly violations: string[] = [];
  /** The connection of the request of this number (from 1) breaks once: before it is looked at, or when it is done. */
  breaks: { readonly at: number; readonly moment: "before" | "after" } | undefined;
  requests = 0;
  readonly #server: Server;
  url = "";

  static async open(
    operations: readonly Operation[],
    prefix: string,
    answer: (call: Called) => Reply,
  ): Promise<PublishedApi> {
    const api = new PublishedApi(operations, prefix, answer);
    await new Promise<void>((resolve) => api.#server.listen(0, "127.0.0.1", resolve));
    api.url = `http://127.0.0.1:${(api.#server.address() as AddressInfo).port}`;
    return api;
  }

  private constructor(operations: readonly Operation[], prefix: string, answer: (call: Called) => Reply) {
    this.#server = createServer((request, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const text = Buffer.concat(chunks).toString();
        const url = new URL(request.url ?? "/", "http://x");
        this.requests += 1;
        const breaks = this.breaks?.at === this.requests ? this.breaks.moment : undefined;
        if (breaks === "before") return request.socket.destroy();
        const found = operations
          .map((operation) => ({ operation, parameters: match(prefix + operation.path, url.pathname) }))
          .find(
            ({ operation, parameters }) => parameters !== undefined && operation.method === request.method,
          );
        if (found?.parameters === undefined) {
          this.violations.push(`${request.method} ${url.pathname}: no such operation`);
          return response.writeHead(400).end();
        }
        const { operation, parameters } = found;
        const say = (what: string): void => void this.violations.push(`${operation.id}: ${what}`);
        if (request.headers.authorization !== "Bearer the-token") say("no bearer token");
        for (const name of url.searchParams.keys()) if (!operation.query.includes(name)) say(`query ${name}`);
        for (const [name, value] of Object.entries(operation.requiredQuery ?? {}))
          if (url.searchParams.get(name) !== value) say(`query ${name} is not ${value}`);
        const body = text === "" ? undefined : (JSON.parse(text) as Record<string, unknown>);
        if (operation.body === undefined && body !== undefined) say("has a body");
        if (operation.body !== undefined) check(body, operation.body, "body", say);
        const call = { operation: operation.id, parameters, query: url.searchParams, body: body ?? {} };
        this.calls.push(call);
        const reply = answer(call);
        if (breaks === "after") return request.socket.destroy();
        return response
          .writeHead(reply.status, { "content-type": "application/json" })
          .end(reply.body === undefined ? "" : JSON.stringify(reply.body));
      })().catch((error: unknown) => {
        this.violations.push(String(error));
        response.writeHead(500).end();
      });
    });
  }

  /** Throws where a request broke what is published. */
  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
    if (this.violations.length > 0) throw new Error(this.violations.join("\n"));
  }
}

function match(template: string, path: string): Record<string, string> | undefined {
  const [wanted, given] = [template.split("/"), path.split("/").map(decodeURIComponent)];
  if (wanted.length !== given.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const actual = given[index] ?? "";
    if (part.startsWith("{")) parameters[part.slice(1, -1)] = actual;
    else if (part.toLowerCase() !== actual.toLowerCase()) return undefined;
  }
  return parameters;
}

function check(value: unknown, shape: Shape, at: string, say: (what: string) => void): void {
  if (shape === true) {
    if (typeof value === "object") say(`${at} is no plain value`);
    return;
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return say(`${at} is no list`);
    for (const [index, each] of value.entries()) check(each, shape[0] as Shape, `${at}[${index}]`, say);
    return;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return say(`${at} is no object`);
  if (shape === "map") {
    for (const [name, each] of Object.entries(value))
      if (typeof each !== "string") say(`${at}.${name} is no string`);
    return;
  }
  const fields = new Map(
    Object.entries(shape).map(([name, inner]) => [
      name.replace("!", ""),
      { inner, isRequired: name.endsWith("!") },
    ]),
  );
  for (const [name, each] of Object.entries(value)) {
    const field = fields.get(name);
    if (field === undefined) say(`${at}.${name} is not a field`);
    else check(each, field.inner, `${at}.${name}`, say);
  }
  for (const [name, { isRequired }] of fields)
    if (isRequired && !(name in value)) say(`${at}.${name} is missing`);
}
