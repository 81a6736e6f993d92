/**
 * Parsers for the text of one input. Each gets the trimmed, non-empty text and the input's name, and returns a value or
 * throws an InputError that names the input, the text and what is allowed. Nothing is guessed: a duration or a size
 * without a unit is refused, because "20" has meant seconds to one reader and minutes to the next.
 */
import { isAbsolute, resolve } from "node:path";
import { InputError } from "../domain/errors.ts";
import { closest } from "../domain/did-you-mean.ts";

export interface Parser<T> {
  (text: string, input: string): T;
  /**
   * What else is known of it. "lines": several values, one a line. "count": a whole number of which 0 has no meaning, so that
   * 0, which an unset number of a reusable workflow is, stands for "not given".
   */
  readonly kind?: "boolean" | "lines" | "count";
}

export function refuse(input: string, text: string, allowed: string): InputError {
  return new InputError(input, `The value '${quotable(text)}' is not valid for '${input}'. ${allowed}`);
}

/** An input as a message may quote it: what signs a URL or names its user is left out. */
export function quotable(text: string): string {
  return text.replace(/:\/\/[^/?#\s]*@/g, "://…@").replace(/\?\S*=\S*/g, "?…");
}

const millisecondsOf = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const durationForm = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d)\s*)+$/;
/** Timers of 2^31 ms and more fire at once, so no duration may reach that. */
const longestMs = 24 * millisecondsOf.d;

/** `90s`, `20m`, `1h 30m` → milliseconds. */
export const duration: Parser<number> = durationUpTo(longestMs, "24d");

/** As a duration, for what no timer waits for. */
export const age: Parser<number> = durationUpTo(10_000 * millisecondsOf.d, "10000d");

function durationUpTo(mostMs: number, most: string): Parser<number> {
  return (text, input) => {
    const allowed = "A duration is a number with a unit (ms, s, m, h, d), such as 90s, 20m or 1h 30m";
    if (!durationForm.test(text)) throw refuse(input, text, `${allowed}.`);
    let totalMs = 0;
    for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
      totalMs += Number(count) * millisecondsOf[unit as keyof typeof millisecondsOf];
    }
    const rounded = Math.round(totalMs);
    if (rounded < 1 || rounded > mostMs)
      throw refuse(input, text, `${allowed}, longer than 0, at most ${most}.`);
    return rounded;
  };
}

const bytesOf = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const;

/** `64MiB`, `1.5 GiB` → bytes. */
export const size: Parser<number> = (text, input) => {
  const [, count, unit] = /^(\d+(?:\.\d+)?)\s*([kKMGT]i?B|B)$/.exec(text) ?? [];
  const unitBytes = unit === undefined ? undefined : (bytesOf as Record<string, number>)[unit];
  const bytes = unitBytes === undefined ? Number.NaN : Math.floor(Number(count) * unitBytes);
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    const units = Object.keys(bytesOf).join(", ");
    throw refuse(input, text, `A size is a number above 0 with a unit (${units}), such as 64MiB.`);
  }
  return bytes;
};

/** A size for each second: `50MiB` or `50MiB/s` → bytes a second. */
export const rate: Parser<number> = (text, input) => size(text.replace(/\s*\/\s*s$/, ""), input);

/** `20%` → 0.2; `0` is 0. */
export const share: Parser<number> = (text, input) => {
  const [, percent] = /^(\d{1,3}(?:\.\d+)?)\s*%$/.exec(text) ?? [];
  const value = text === "0" ? 0 : Number(percent ?? Number.NaN) / 100;
  if (!(value >= 0 && value <= 1))
    throw refuse(input, text, "A share from 0% to 100% is needed, such as 20%.");
  return value;
};

/** A boolean in the forms of YAML's core schema. */
export const boolean: Parser<boolean> = Object.assign(
  (text: string, input: string): boolean => {
    if (["true", "True", "TRUE"].includes(text)) return true;
    if (["false", "False", "FALSE"].includes(text)) return false;
    throw refuse(input, text, "Valid values are: [true, false].");
  },
  { kind: "boolean" as const },
);

export function integer(min: number, max: number): Parser<number> {
  const parse: Parser<number> = (text, input) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw refuse(input, text, `A whole number from ${min} to ${max} is needed.`);
    }
    return value;
  };
  return min > 0 ? Object.assign(parse, { kind: "count" as const }) : parse;
}

/** Absolute, because a step's working directory is nobody's idea of where a chainstate is. */
export const absolutePath: Parser<string> = (text, input) => {
  if (!isAbsolute(text) || hasControlCharacter(text)) {
    throw refuse(input, text, "An absolute path is needed, such as /var/stacks/mainnet.");
  }
  return resolve(text);
};

/** A directory that may be replaced or removed as a whole. */
export const ownDirectory: Parser<string> = (text, input) => {
  const path = absolutePath(text, input);
  if (path === "/") throw refuse(input, text, "The root directory cannot be used.");
  return path;
};

/** A program by its path, or by its name where something else says in which image it is. */
export const program: Parser<string> = (text, input) => {
  if (isAbsolute(text)) return absolutePath(text, input);
  if (!/^\w[\w.+-]*$/.test(text))
    throw refuse(input, text, "An absolute path is needed, or a program's name, such as stacks-node.");
  return text;
};

/** `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`; what it means is for the engine to say. */
export const imageReference: Parser<string> = (text, input) => {
  if (!/^[a-zA-Z0-9][\w.:/@-]*$/.test(text))
    throw refuse(input, text, "An image is needed, such as ghcr.io/example/stacks-node:4.0.2.");
  return text;
};

/** A name that goes to a command as one argument. */
export const name: Parser<string> = (text, input) => {
  if (/^[-/]|[\s/]/.test(text) || hasControlCharacter(text)) {
    throw refuse(input, text, "A name has no spaces and no slashes and does not begin with a dash.");
  }
  return text;
};

/** A line that a shell will run, as it stands. */
export const shellLine: Parser<string> = (text, input) => {
  if (text.includes("\0")) throw refuse(input, text, "A command cannot hold a NUL character.");
  return text;
};

/** A volume, dataset or device; goes to commands as one argument. */
export const volumeName: Parser<string> = (text, input) => {
  if (text.startsWith("-") || /\s/.test(text) || hasControlCharacter(text)) {
    throw refuse(input, text, "A volume's name has no spaces and does not begin with a dash.");
  }
  return text;
};

/** A glob below a directory. */
export const relativeGlob: Parser<string> = (text, input) => {
  if (text.startsWith("/") || text.split("/").includes("..")) {
    throw refuse(input, text, "A glob is relative to chainstate-dir: no leading slash, no '..'.");
  }
  return text;
};

/** Several values, one a line; empty lines and repetitions are dropped. */
export function lines<T>(parse: Parser<T>): Parser<readonly T[]> {
  const parseAll: Parser<readonly T[]> = (text, input) => {
    const kept = new Set(text.split("\n").map((line) => line.trim()));
    kept.delete("");
    return [...kept].map((line) => parse(line, input));
  };
  return Object.assign(parseAll, { kind: "lines" as const });
}

export function choice<const T extends string>(values: readonly T[]): Parser<T> {
  return (text, input) => {
    const found = values.find((value) => value === text);
    if (found !== undefined) return found;
    const meant = closest(text, values);
    const guess = meant === undefined ? "" : ` Did you mean '${meant}'?`;
    throw refuse(input, text, `Valid values are: [${values.join(", ")}].${guess}`);
  };
}

/** An http(s) URL without credentials in it. */
export const httpUrl: Parser<string> = (text, input) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw refuse(input, text, "A URL that begins with http:// or https:// is needed.");
  }
  if (url.username !== "" || url.password !== "") {
    throw new InputError(
      input,
      `The URL given as '${input}' holds a user name or password.`,
      "Leave them out.",
    );
  }
  return text.replace(/\/+$/, "");
};

export function hasControlCharacter(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  return /[\u0000-\u001f\u007f]/.test(text);
}
