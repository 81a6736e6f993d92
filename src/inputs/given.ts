/**
 * What one step was given: the text of each input as the runner passes it, read by the table. Everything that can be
 * said of an input without knowing what the command will do with it is refused here.
 */
import { InputError } from "../errors.ts";
import { schemeOf } from "./locations.ts";
import {
  inputNames,
  inputTable,
  type CommandName,
  type InputName,
  type InputSpec,
  type ValueOf,
} from "./table.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The inputs of one step: their texts, and what the table says of each. */
export class GivenInputs {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** The text as given; the default where it is absent or empty (`${{ inputs.x }}` of an absent x is empty). */
  text(name: InputName): string {
    const given = this.#environment[variableOf(name)]?.trim() ?? "";
    return given === "" ? inputTable[name].default : given;
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
    const values = [name, other].map((one) => `'${one}: ${this.text(one)}'`);
    return new InputError(
      name,
      `${values.join(" and ")} exclude each other: ${because}.`,
      "Leave one of them out.",
    );
  }

  refuseUnused(command: CommandName): void {
    for (const name of inputNames) {
      const spec: InputSpec = inputTable[name];
      if (spec.commands.includes(command) || !this.isSet(name)) continue;
      throw new InputError(
        name,
        `The input '${name}' (here '${this.text(name)}') is not used by 'command: ${command}', only by: [${spec.commands.join(", ")}].`,
        "Leave it out.",
      );
    }
  }

  /**
   * Names that no version knows. The environment may hold `INPUT_…` variables of others, so a name counts as one of
   * ours when it has a hyphen (no shell can export such a one) or is a slip away from an input's.
   */
  refuseUnknown(): void {
    const known = new Set<string>(inputNames.map(variableOf));
    for (const variable of Object.keys(this.#environment)) {
      if (!variable.startsWith("INPUT_") || known.has(variable)) continue;
      const name = variable.slice("INPUT_".length).toLowerCase();
      const meant = inputNames.find((one) => isSlipOf(name, one));
      if (meant === undefined && !name.includes("-")) continue;
      throw new InputError(
        name,
        `There is no input '${name}'.`,
        meant === undefined ? "See the README for the inputs there are." : `Did you mean '${meant}'?`,
      );
    }
  }

  /** The `s3-` inputs without anything on S3 to use them for. */
  refuseUselessS3(): void {
    const places = ["storage", "snapshot", "snapshot-from"] as const;
    if (places.some((name) => schemeOf(this.text(name)) === "s3")) return;
    const useless = inputNames.find((name) => name.startsWith("s3-") && this.isSet(name));
    if (useless !== undefined) throw this.conflict(useless, "storage", "nothing here is on s3://");
  }
}

/** The variable in which the runner passes an input; hyphens stay. */
export function variableOf(name: string): string {
  return `INPUT_${name.toUpperCase()}`;
}

/** One letter added, lost, changed, or two swapped; or an underscore for a hyphen. */
function isSlipOf(name: string, right: string): boolean {
  if (name.replaceAll("_", "-") === right) return true;
  if (Math.abs(name.length - right.length) > 1 || right.length < 4) return false;
  let start = 0;
  while (start < right.length && name[start] === right[start]) start += 1;
  const nameRest = name.slice(start);
  const rightRest = right.slice(start);
  const swapped = `${nameRest[1] ?? ""}${nameRest[0] ?? ""}${nameRest.slice(2)}`;
  return [
    nameRest.slice(1) === rightRest.slice(1),
    nameRest.slice(1) === rightRest,
    nameRest === rightRest.slice(1),
  ]
    .concat(swapped === rightRest)
    .includes(true);
}
