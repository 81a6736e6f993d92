/**
 * A small client for the management APIs of Azure and Google: a token of their own libraries, JSON there and back, every
 * request with a limit, repeated only where the API says that it may pass. An error's code decides what it means.
 */
import type { ErrorCode } from "../../domain/error-codes.ts";
import { ActionError } from "../../domain/errors.ts";
import type { Clock } from "../../system/clock.ts";
import { poll } from "../../system/poll.ts";
import { proxyHint, proxyTrouble } from "../../system/proxy.ts";
import { retry, retryAfterMs } from "../../system/retry.ts";
import { mayPass } from "./disks.ts";
import { timeLimit } from "../../system/deadline.ts";

export interface RestRequest {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  readonly url: string;
  readonly body?: unknown;
  /** Completes "… would not <what>". */
  readonly what: string;
  /** Of a POST: made twice it does the same as made once. All others do. */
  readonly repeatable?: boolean;
  readonly signal: AbortSignal;
}

export interface RestClientOptions {
  readonly cloud: "Azure" | "Google";
  /** A bearer token, fresh. */
  readonly token: () => Promise<string>;
  readonly clock: Clock;
  /** Which permissions to give, for the hint. */
  readonly driver: string;
}

export type Resource = Record<string, unknown>;

const limitMs = 60_000;
const pauses = { attempts: 5, firstPauseMs: 1_000, longestPauseMs: 16_000 };
const passing = new Set([429, 500, 502, 503, 504]);

/** Its own error for the while in which a request is made again. */
class PassingFailure extends Error {
  readonly error: ActionError;
  /** A server that asks to come back later has not done anything. */
  readonly isUndone: boolean;
  readonly afterMs: number;

  constructor(error: ActionError, isUndone: boolean, afterMs: number) {
    super(error.message);
    this.error = error;
    this.isUndone = isUndone;
    this.afterMs = afterMs;
  }
}

export class RestClient {
  readonly #options: RestClientOptions;

  constructor(options: RestClientOptions) {
    this.#options = options;
  }

  /**
   * The answer's JSON (`{}` where it has none); undefined for 404. CLOUD_UNREACHABLE where it did not answer or failed for a moment, after
   * a few attempts: a POST that is not `repeatable` may have done its work then.
   */
  async request(request: RestRequest): Promise<Resource | undefined> {
    const { method, repeatable = method !== "POST", signal } = request;
    const passes = (error: unknown): false | { readonly afterMs: number } =>
      error instanceof PassingFailure && (repeatable || error.isUndone) && { afterMs: error.afterMs };
    try {
      return await retry(
        { ...pauses, passes, signal, clock: this.#options.clock },
        async () => await this.#once(request),
      );
    } catch (error) {
      throw error instanceof PassingFailure ? error.error : error;
    }
  }

  /**
   * Looks until there is an answer; looks that failed in passing count as none. CLOUD_TIMEOUT. `what` begins a sentence: "To make a
   * disk".
   */
  async wait<T>(
    what: string,
    look: () => Promise<T | undefined>,
    signal: AbortSignal,
    limitMs = 10 * 60_000,
  ): Promise<T> {
    const { clock } = this.#options;
    const found = await poll({ everyMs: [500, 5_000], limitMs, passes: mayPass, signal, clock }, look);
    if (found !== undefined) return found;
    throw new ActionError("CLOUD_TIMEOUT", `${what} took longer than ${limitMs / 60_000} minutes.`, {
      hint: "See it in the provider's console, and run again when it is done.",
    });
  }

  async #once(request: RestRequest): Promise<Resource | undefined> {
    const bearer = await this.#bearer();
    const response = await this.#send(request, bearer);
    if (response.status === 404) {
      await response.body?.cancel();
      return undefined;
    }
    if (response.ok) return await jsonOf(response).catch((cause: unknown) => this.#silent(request, cause));
    const error = this.#refused(request, response.status, await jsonOf(response).catch(() => ({})));
    if (!passing.has(response.status)) throw error;
    const afterMs = retryAfterMs(response.headers.get("retry-after"), this.#options.clock.now()) ?? 0;
    throw new PassingFailure(error, response.status === 429, afterMs);
  }

  async #bearer(): Promise<string> {
    const { cloud, token } = this.#options;
    try {
      return await token();
    } catch (cause) {
      if (cause instanceof ActionError) throw cause;
      const trouble = proxyTrouble(cause);
      if (trouble !== undefined) {
        const message = `${cloud} cannot be asked for a token: ${trouble}.`;
        throw new ActionError("CLOUD_UNREACHABLE", message, { cause, hint: proxyHint });
      }
      throw new ActionError("CLOUD_CREDENTIALS", `There are no credentials for ${cloud}.`, {
        cause,
        hint:
          cloud === "Azure"
            ? "Use azure/login before this action, or give the machine a managed identity."
            : "Use google-github-actions/auth before this action, or give the machine a service account.",
      });
    }
  }

  async #send(request: RestRequest, bearer: string): Promise<Response> {
    const { method, url, body, signal } = request;
    try {
      return await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${bearer}`,
          accept: "application/json",
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: "error",
        signal: AbortSignal.any([signal, timeLimit(limitMs, "CLOUD_UNREACHABLE", "The cloud's answer")]),
      });
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      return this.#silent(request, cause);
    }
  }

  #silent({ what }: RestRequest, cause: unknown): never {
    const trouble = proxyTrouble(cause);
    const error = new ActionError(
      "CLOUD_UNREACHABLE",
      `${this.#options.cloud} did not answer when asked to ${what}${trouble === undefined ? "" : `: ${trouble}`}.`,
      {
        cause,
        hint: trouble === undefined ? "See whether this machine reaches it; then run again." : proxyHint,
      },
    );
    throw new PassingFailure(error, false, 0);
  }

  #refused({ what, url, method }: RestRequest, status: number, answer: Resource): ActionError {
    const { cloud, driver } = this.#options;
    const { code, message } = errorIn(answer);
    const sentence = `${cloud} would not ${what} (${status}${code === undefined ? "" : ` ${code}`})${message === undefined ? "" : `: ${message}`}`;
    const cause = new Error(`${status} for ${new URL(url).pathname}`);
    const refusal = (code: ErrorCode, hint: string): ActionError =>
      new ActionError(code, sentence, { cause, hint });
    if (status === 401 || status === 403)
      return refusal(
        "CLOUD_DENIED",
        `Give the identity the permissions that docs/volumes.md lists for ${driver}.`,
      );
    if (status === 409 || status === 412)
      return refusal(
        "VOLUME_BUSY",
        "Something else is at work on that disk or snapshot: wait and run again.",
      );
    // A question is not refused because of a quota; it came too soon after others.
    if (status === 429 && method === "GET") return refusal("CLOUD_UNREACHABLE", "Run again later.");
    if (status === 429 || (code !== undefined && /quota|limit/i.test(code)))
      return refusal("CLOUD_LIMIT", "Delete what is not needed, or ask for a higher quota.");
    if (passing.has(status)) return refusal("CLOUD_UNREACHABLE", "Run again later.");
    return refusal("CLOUD_FAILED", "See the message; if it may pass, run again.");
  }
}

/** Both clouds put `{error: {code, message}}`; Google's code is the status and its reason stands in `errors`. */
export function errorIn(answer: Resource): {
  readonly code?: string;
  readonly message?: string;
} {
  const error = objectIn(answer, "error");
  const [first] = arrayIn(error, "errors");
  const code = textIn(first ?? {}, "reason") ?? textIn(first ?? {}, "code") ?? textIn(error, "code");
  const message = textIn(error, "message") ?? textIn(first ?? {}, "message");
  return { ...(code === undefined ? {} : { code }), ...(message === undefined ? {} : { message }) };
}

export function objectIn(value: Resource | undefined, key: string): Resource {
  const found = value?.[key];
  return typeof found === "object" && found !== null && !Array.isArray(found) ? (found as Resource) : {};
}

export function arrayIn(value: Resource | undefined, key: string): readonly Resource[] {
  const found = value?.[key];
  return Array.isArray(found) ? (found as Resource[]) : [];
}

export function textIn(value: Resource | undefined, key: string): string | undefined {
  const found = value?.[key];
  return typeof found === "string" ? found : undefined;
}

export function numberIn(value: Resource | undefined, key: string): number | undefined {
  const found = value?.[key];
  return typeof found === "number"
    ? found
    : typeof found === "string" && /^\d+$/.test(found)
      ? Number(found)
      : undefined;
}

async function jsonOf(response: Response): Promise<Resource> {
  const text = await response.text();
  if (text === "") return {};
  const value: unknown = JSON.parse(text);
  return typeof value === "object" && value !== null ? (value as Resource) : {};
}
