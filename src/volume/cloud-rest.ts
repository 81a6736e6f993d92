/**
 * A small client for the management APIs of Azure and Google: a token of their own libraries, JSON there and back, every
 * request with a limit, repeated only where the API says that it may pass. An error's code decides what it means.
 */
import { ActionError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";

export interface RestRequest {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  readonly url: string;
  readonly body?: unknown;
  /** Completes "… would not <what>". */
  readonly what: string;
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

/** The answer's JSON (`{}` where it has none); undefined for 404. */
export type RestClient = (request: RestRequest) => Promise<Record<string, unknown> | undefined>;

const limitMs = 60_000;
const attempts = 5;
const passing = new Set([429, 500, 502, 503, 504]);

export function restClient({ cloud, token, clock, driver }: RestClientOptions): RestClient {
  return async (request) => {
    const { method, url, what, signal } = request;
    for (let attempt = 1; ; attempt += 1) {
      const response = await send(request, await bearer());
      if (response.ok) return await jsonOf(response);
      if (response.status === 404) {
        await response.body?.cancel();
        return undefined;
      }
      // A POST that failed half way may have done its work, unless it was never let in.
      const mayRepeat = response.status === 429 || (passing.has(response.status) && method !== "POST");
      if (mayRepeat && attempt < attempts) {
        await response.body?.cancel();
        await clock.sleep(retryAfterMs(response) ?? 500 * 2 ** attempt, signal);
        continue;
      }
      throw refused(await jsonOf(response).catch(() => ({})), response.status, what, new URL(url).pathname);
    }
  };

  async function bearer(): Promise<string> {
    try {
      return await token();
    } catch (cause) {
      throw new ActionError("CLOUD_CREDENTIALS", `There are no credentials for ${cloud}.`, {
        cause,
        hint:
          cloud === "Azure"
            ? "Use azure/login before this action, or give the machine a managed identity."
            : "Use google-github-actions/auth before this action, or give the machine a service account.",
      });
    }
  }

  async function send(
    { method, url, body, what, signal }: RestRequest,
    bearerToken: string,
  ): Promise<Response> {
    try {
      return await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${bearerToken}`,
          accept: "application/json",
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]),
      });
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw new ActionError("CLOUD_FAILED", `${cloud} did not answer when asked to ${what}.`, {
        cause,
        hint: "See whether this machine reaches it; then run again.",
      });
    }
  }

  function refused(answer: Record<string, unknown>, status: number, what: string, path: string): ActionError {
    const { code, message } = errorIn(answer);
    const sentence = `${cloud} would not ${what} (${status}${code === undefined ? "" : ` ${code}`})${message === undefined ? "" : `: ${message}`}`;
    const cause = new Error(`${status} for ${path}`);
    if (status === 401 || status === 403) {
      return new ActionError("CLOUD_DENIED", sentence, {
        cause,
        hint: `Give the identity the permissions that docs/volumes.md lists for ${driver}.`,
      });
    }
    if (status === 409 || status === 412) {
      return new ActionError("VOLUME_BUSY", sentence, {
        cause,
        hint: "Something else is at work on that disk or snapshot: wait and run again.",
      });
    }
    if (status === 429 || (code !== undefined && /quota|limit/i.test(code))) {
      return new ActionError("CLOUD_LIMIT", sentence, {
        cause,
        hint: "Delete what is not needed, or ask for a higher quota.",
      });
    }
    return new ActionError("CLOUD_FAILED", sentence, {
      cause,
      hint: "See the message; if it may pass, run again.",
    });
  }
}

/** Both clouds put `{error: {code, message}}`; Google's code is the status and its reason stands in `errors`. */
export function errorIn(answer: Record<string, unknown>): {
  readonly code?: string;
  readonly message?: string;
} {
  const error = objectIn(answer, "error");
  const [first] = arrayIn(error, "errors");
  const code = textIn(first ?? {}, "reason") ?? textIn(first ?? {}, "code") ?? textIn(error, "code");
  const message = textIn(error, "message") ?? textIn(first ?? {}, "message");
  return { ...(code === undefined ? {} : { code }), ...(message === undefined ? {} : { message }) };
}

export function objectIn(value: Record<string, unknown> | undefined, key: string): Record<string, unknown> {
  const found = value?.[key];
  return typeof found === "object" && found !== null && !Array.isArray(found)
    ? (found as Record<string, unknown>)
    : {};
}

export function arrayIn(
  value: Record<string, unknown> | undefined,
  key: string,
): readonly Record<string, unknown>[] {
  const found = value?.[key];
  return Array.isArray(found) ? (found as Record<string, unknown>[]) : [];
}

export function textIn(value: Record<string, unknown> | undefined, key: string): string | undefined {
  const found = value?.[key];
  return typeof found === "string" ? found : undefined;
}

export function numberIn(value: Record<string, unknown> | undefined, key: string): number | undefined {
  const found = value?.[key];
  return typeof found === "number"
    ? found
    : typeof found === "string" && /^\d+$/.test(found)
      ? Number(found)
      : undefined;
}

/** Asks again until `look` has an answer. CLOUD_TIMEOUT. */
export async function waitUntil<T>(
  what: string,
  look: () => Promise<T | undefined>,
  clock: Clock,
  signal: AbortSignal,
  limitMs = 10 * 60_000,
): Promise<T> {
  const deadline = clock.now() + limitMs;
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    const found = await look();
    if (found !== undefined) return found;
    if (clock.now() > deadline) {
      throw new ActionError("CLOUD_TIMEOUT", `${what} took longer than ${limitMs / 60_000} minutes.`, {
        hint: "See it in the provider's console; run again when it has settled.",
      });
    }
    await clock.sleep(pauseMs, signal);
  }
}

async function jsonOf(response: Response): Promise<Record<string, unknown>> {
  const text = await response.text();
  if (text === "") return {};
  const value: unknown = JSON.parse(text);
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function retryAfterMs(response: Response): number | undefined {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) ? Math.min(seconds, 60) * 1000 : undefined;
}
