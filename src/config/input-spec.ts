/** What is known of an input, and how a row of the table is written (`table.ts`). */
import { choice, type Parser } from "./parsers.ts";

export const commandNames = ["snapshot", "restore", "verify", "list", "prune", "import"] as const;
export type CommandName = (typeof commandNames)[number];

export interface InputSpec<T = unknown, D extends string = string> {
  readonly commands: readonly CommandName[];
  /** As in action.yml; "" stands for "not given". */
  readonly default: D;
  readonly parse: Parser<T>;
  /** What the reader of the README is told: what it is, its unit, an example where the default is none. */
  readonly about: string;
  /** The allowed values (or kinds of value) and what each means, where the input is a choice. */
  readonly choices?: Readonly<Record<string, string>>;
  /** It may hold a secret, so that no message quotes it. */
  readonly isSecret?: boolean;
  /** Said instead of an empty default. */
  readonly defaultWords?: string;
}

/** What reading an input yields: undefined only where there is no default. */
export type ValueOf<S> = S extends InputSpec<infer T, infer D> ? (D extends "" ? T | undefined : T) : never;

export function input<T, const D extends string>(spec: InputSpec<T, D>): InputSpec<T, D> {
  return spec;
}

/** A choice, its parser made from the keys of its prose. */
export function oneOf<const T extends string, const D extends T>(
  spec: Omit<InputSpec<T, D>, "parse" | "choices"> & { readonly choices: Readonly<Record<T, string>> },
): InputSpec<T, D> {
  return { ...spec, parse: choice(Object.keys(spec.choices) as T[]) };
}

export const everyCommand = commandNames;
export const withNode = ["snapshot", "restore"] as const;
/** Commands that make a snapshot of their own. */
export const making = ["snapshot", "import"] as const;
export const withArchive = ["snapshot", "restore", "verify"] as const;
