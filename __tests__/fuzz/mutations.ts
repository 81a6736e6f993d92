/** Values that look like what a reader expects, and are not: trees of JSON with some of their values exchanged, and bytes with some changed. */
import {
  array,
  constant,
  constantFrom,
  double,
  integer,
  nat,
  oneof,
  record,
  string,
  tuple,
  type Arbitrary,
} from "fast-check";

/** What readers trip over. */
const nasty: Arbitrary<unknown> = oneof(
  constantFrom<unknown>(
    null,
    true,
    0,
    -0,
    -1,
    1.5,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    Number.MAX_SAFE_INTEGER,
    1e308,
    "",
    "/",
    ".",
    "..",
    "../x",
    "/etc/passwd",
    "a/../../b",
    "a\0b",
    "a\nb",
    "::add-mask::x",
    "\u0085::set-output name=x::y",
    "\u001b[2J",
    "\u202e",
    "\ud800",
    "constructor",
    "__proto__",
    "1e999",
    "0".repeat(64),
    "x".repeat(300),
    "y/".repeat(3000),
    [],
    {},
    [[]],
    [null],
    JSON.parse('{"__proto__":{"x":1}}'),
  ),
  string({ unit: "binary", maxLength: 40 }),
  integer(),
  double(),
);

interface Change {
  /** Which of the values, counted from the root. */
  readonly at: number;
  readonly how: "replace" | "remove" | "double" | "rename";
  readonly value: unknown;
  readonly name: string;
}

const changes: Arbitrary<readonly Change[]> = array(
  record({
    at: nat(10_000),
    how: constantFrom<Change["how"]>("replace", "replace", "replace", "remove", "double", "rename"),
    value: nasty,
    name: oneof(constantFrom("__proto__", "constructor", "version", "path", "id"), string({ maxLength: 8 })),
  }),
  { maxLength: 4 },
);

/** The sample with up to four of its values replaced, left out, doubled or under another name. */
export function likeJson(sample: unknown): Arbitrary<unknown> {
  return changes.map((list) => {
    let whole: unknown = structuredClone(sample);
    for (const change of list) whole = changed(whole, change);
    return whole;
  });
}

type Holder = Record<string, unknown>;

function changed(whole: unknown, { at, how, value, name }: Change): unknown {
  const places: [Holder, string][] = [];
  const collect = (holder: Holder): void => {
    for (const key of Object.keys(holder)) {
      places.push([holder, key]);
      const below = holder[key];
      if (typeof below === "object" && below !== null) collect(below as Holder);
    }
  };
  if (typeof whole === "object" && whole !== null) collect(whole as Holder);
  const place = places[at % (places.length + 1)];
  // The next change may be one of it: it must not become part of itself, nor of other cases.
  const own = structuredClone(value);
  if (place === undefined) return own;
  const [holder, key] = place;
  if (how === "replace") holder[key] = own;
  else if (how === "remove") delete holder[key];
  else if (how === "rename" && !Array.isArray(holder))
    Object.defineProperty(holder, name, {
      value: holder[key],
      enumerable: true,
      configurable: true,
      writable: true,
    });
  else if (Array.isArray(holder)) holder.push(structuredClone(holder[key as unknown as number]));
  else holder[`${key}2`] = holder[key];
  return whole;
}

/** The text of it, now and then cut or with a few bytes changed; numbers that JSON cannot write come as 1e999. */
export function likeJsonText(sample: unknown): Arbitrary<Buffer> {
  return tuple(likeJson(sample), damages).map(([value, list]) => {
    const text = JSON.stringify(value, (_, each: unknown) =>
      typeof each === "number" && !Number.isFinite(each) ? "@@1e999@@" : each,
    );
    return damaged(Buffer.from((text ?? "").replaceAll('"@@1e999@@"', "1e999")), list);
  });
}

type Damage = readonly ["flip" | "cut" | "insert" | "repeat", number, number];

const damage: Arbitrary<Damage> = tuple(
  constantFrom<Damage[0]>("flip", "flip", "cut", "insert", "repeat"),
  nat(1_000_000),
  nat(255),
);

/** None in most cases, so that what stands behind a first look is reached. */
export const damages: Arbitrary<readonly Damage[]> = oneof(
  { weight: 3, arbitrary: constant<readonly Damage[]>([]) },
  { weight: 1, arbitrary: array(damage, { minLength: 1, maxLength: 6 }) },
);

export function damaged(bytes: Buffer, list: readonly Damage[]): Buffer {
  let now = bytes;
  for (const [how, place, value] of list) {
    const at = now.length === 0 ? 0 : place % now.length;
    if (how === "flip" && now.length > 0) {
      now = Buffer.from(now);
      now[at] = (now[at] ?? 0) ^ (value || 1);
    } else if (how === "cut") now = now.subarray(0, at);
    else if (how === "insert")
      now = Buffer.concat([now.subarray(0, at), Buffer.from([value]), now.subarray(at)]);
    else now = Buffer.concat([now.subarray(0, at), now.subarray(Math.max(0, at - value))]);
  }
  return now;
}
