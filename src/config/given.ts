/**
 * What one step was given: the text of each input as the runner passes it, or the command line, read by the table.
 * Everything that can be said of an input without knowing what the command will do with it is said here.
 */
import { InputError } from "../domain/errors.ts";
import { closest } from "../domain/did-you-mean.ts";
import type { CommandName, InputSpec, ValueOf } from "./input-spec.ts";
import { schemeOf } from "./locations.ts";
import { quotable } from "./parsers.ts";
import { inputNames, inputTable, type InputName } from "./table.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The inputs of one step: their texts, and what the table says of each. */
export class GivenInputs {
  readonly #texts: ReadonlyMap<string, string>;
  readonly #strangers: readonly string[];

  /** `texts`: by the input's name; `strangers`: names that are no input's and were meant for us. */
  constructor(texts: ReadonlyMap<string, string>, strangers: readonly string[]) {
    this.#texts = texts;
    this.#strangers = strangers;
  }

  /** Of the `INPUT_…` variables of a step. */
  static ofRunner(environment: Environment): GivenInputs {
    const texts = inputNames.map((name) => [name, environment[variableOf(name)] ?? ""] as const);
    const known = new Set<string>(inputNames.map(variableOf));
    const others = Object.keys(environment)
      .filter((variable) => variable.startsWith("INPUT_") && !known.has(variable))
      .map((variable) => variable.slice("INPUT_".length).toLowerCase());
    // The environment may hold variables of others, so a name counts as one of ours when it has a hyphen (no shell can export such
    // a one) or is a slip away from an input's.
    const isOurs = (name: string): boolean => name.includes("-") || isSlip(name);
    return new GivenInputs(new Map(texts), others.filter(isOurs));
  }

  /** Of options by name; whatever is no input's name is an error. */
  static ofOptions(options: ReadonlyMap<string, string>): GivenInputs {
    const strangers = [...options.keys()].filter((name) => !(inputNames as readonly string[]).includes(name));
    return new GivenInputs(options, strangers);
  }

  /** The text as given; the default where it is absent or empty (`${{ inputs.x }}` of an absent x is empty). */
  text(name: InputName): string {
    const spec: InputSpec = inputTable[name];
    const given = this.#texts.get(name)?.trim() ?? "";
    return given === "" || (given === "0" && spec.parse.kind === "count") ? spec.default : given;
  }

  /** True where the text differs from the default: the runner fills in the defaults, so no more can be known. */
  isSet(name: InputName): boolean {
    return this.text(name) !== inputTable[name].default;
  }

  read<N extends InputName>(name: N): ValueOf<(typeof inputTable)[N]> {
    const spec: InputSpec = inputTable[name];
    const text = this.text(name);
    return (text === "" ? undefined : spec.parse(text, name)) as ValueOf<(typeof inputTable)[N]>;
  }

  required<N extends InputName>(name: N): NonNullable<ValueOf<(typeof inputTable)[N]>> {
    const value = this.read(name);
    if (value !== undefined && value !== null) return value;
    const command = this.text("command");
    throw new InputError(
      name,
      `The input '${name}' is missing; '${command}' needs it.`,
      `${name}: ${inputTable[name].about}`,
    );
  }

  conflict(name: InputName, other: InputName, because: string): InputError {
    const values = [name, other].map((one) => `'${one}: ${this.#quoted(one)}'`);
    return new InputError(
      name,
      `${values.join(" and ")} exclude each other: ${because}.`,
      "Leave one of them out.",
    );
  }

  /** Inputs that the command does not use. */
  unused(command: CommandName): readonly InputError[] {
    return inputNames
      .filter((name) => this.isSet(name) && !(inputTable[name] as InputSpec).commands.includes(command))
      .map((name) => {
        const { commands }: InputSpec = inputTable[name];
        return new InputError(
          name,
          `The input '${name}' (here '${this.#quoted(name)}') is not used by 'command: ${command}', only by: [${commands.join(", ")}].`,
          "Leave it out.",
        );
      });
  }

  #quoted(name: InputName): string {
    const spec: InputSpec = inputTable[name];
    return spec.isSecret === true ? "…" : quotable(this.text(name));
  }

  /** Names that no version knows. */
  unknown(): readonly InputError[] {
    return this.#strangers.map((name) => {
      const meant = closest(name, inputNames);
      const hint =
        meant === undefined ? "See the README for the inputs there are." : `Did you mean '${meant}'?`;
      return new InputError(name, `There is no input '${quotable(name)}'.`, hint);
    });
  }

  /** The `s3-` inputs without anything on S3 to use them for. */
  uselessS3(): readonly InputError[] {
    const places = ["storage", "snapshot", "from"] as const;
    if (places.some((name) => schemeOf(this.text(name)) === "s3")) return [];
    return inputNames
      .filter((name) => name.startsWith("s3-") && this.isSet(name))
      .map((name) => this.conflict(name, "storage", "nothing here is on s3://"));
  }
}

/** The variables of inputs that may hold secrets. */
export const secretVariables: readonly string[] = inputNames
  .filter((name) => (inputTable[name] as InputSpec).isSecret === true)
  .map(variableOf);

/** The variable in which the runner passes an input; hyphens stay. */
export function variableOf(name: string): string {
  return `INPUT_${name.toUpperCase()}`;
}

/** One letter away from an input's name of four letters and more; or an underscore for a hyphen. */
function isSlip(name: string): boolean {
  const long = inputNames.filter((one) => one.length >= 4);
  return closest(name, long, 1) !== undefined;
}
