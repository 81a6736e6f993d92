/**
 * The metadata services that tell a virtual machine who it is. Asked with short limits, because outside a cloud nobody
 * answers there, and never through a proxy.
 */
import { ActionError } from "../../domain/errors.ts";
import { timeLimit } from "../../system/deadline.ts";

export interface MetadataRequest {
  readonly url: string;
  readonly method?: "GET" | "PUT";
  readonly headers: Readonly<Record<string, string>>;
}

const limitMs = 2_000;
const largestBytes = 1 << 20;

/** The answer's text; undefined where nobody answers or the answer is no success. */
export async function askMetadata(
  request: MetadataRequest,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const response = await fetch(request.url, {
      method: request.method ?? "GET",
      headers: request.headers,
      redirect: "error",
      signal: AbortSignal.any([
        signal,
        timeLimit(limitMs, "METADATA_UNREADABLE", "The metadata service's answer"),
      ]),
    });
    if (!response.ok) {
      await response.body?.cancel();
      return undefined;
    }
    const text = await response.text();
    return text.length > largestBytes ? undefined : text;
  } catch {
    if (signal.aborted) throw signal.reason;
    return undefined;
  }
}

/** `askMetadata` for JSON. */
export async function askMetadataJson(request: MetadataRequest, signal: AbortSignal): Promise<unknown> {
  const text = await askMetadata(request, signal);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ActionError(
      "METADATA_UNREADABLE",
      `The metadata service at ${request.url} does not answer in JSON.`,
      { cause },
    );
  }
}

export function notInCloud(driver: string, cloud: string): ActionError {
  return new ActionError(
    "NOT_IN_CLOUD",
    `This machine does not say that it is a virtual machine of ${cloud}.`,
    {
      hint: `\`volume-driver: ${driver}\` works on the machine that has the disk attached, with its metadata service reachable (not from a container without the host's network).`,
    },
  );
}
