/**
 * Calls to ports, counted across all of them; one of them fails. A test lets a run pass once to learn how many there are,
 * then fails each in turn, before it took effect or after (the answer is lost), as processes and networks do.
 */
import { ActionError } from "../../src/domain/errors.ts";

export interface Fault {
  /** From 1. */
  readonly call: number;
  /**
   * "before": nothing happened. "after": it happened, and the answer was lost. "killed": neither it nor any call after it
   * happens.
   */
  readonly when: "before" | "after" | "killed";
}

export class InjectedError extends ActionError {
  override readonly name = "InjectedError";
  /** The call that failed. */
  readonly call: string;

  constructor(number: number, call: string) {
    super("STORE_FAILED", `Call ${number} (${call}) failed.`);
    this.call = call;
  }
}

/** The fault that an error comes of; undefined: none. */
export function injectedIn(error: unknown): InjectedError | undefined {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof InjectedError) return each;
  }
  return undefined;
}

/** Calls that only look: whether they fail before or after makes no difference. */
const looks =
  /^(?:store\.(?:head|get|stream|list)|node\.(?:inspect|preflight|recipe|verifyDown|versionCommand)|starter\.(?:isInUse|judge)|(?:frozen|opened)\.assertFrozen)\b/;

/** Calls that only clean up: their failure may not become the run's. */
export const cleansUp =
  /^(?:upload\.abort|frozen\.release|opened\.close|freezer\.cleanUp|volume\.cleanUp|watchdog\.disarm|files\.removeTree|store\.(?:close|abortUpload|delete (?:claim|run)))/;

/** A fault for each of the calls, and for those that change something a second one. */
export function faultsOf(calls: readonly string[]): readonly (Fault & { readonly name: string })[] {
  return calls.flatMap((name, index) => {
    const fault = { call: index + 1, when: "before", name } as const;
    return looks.test(name) ? [fault] : [fault, { ...fault, when: "after" } as const];
  });
}

/** Where being killed makes a difference: before each call that changes something. What only looks comes to the same as the next of them. */
export function killsOf(calls: readonly string[]): readonly (Fault & { readonly name: string })[] {
  return calls.flatMap((name, index) =>
    looks.test(name) ? [] : [{ call: index + 1, when: "killed", name } as const],
  );
}

export const ofTheStore = /^(?:store|upload)\./;
/** What writes to the disk of the chainstate. */
export const ofTheDisk =
  /^(?:files\.(?:makeDirectory|move|copyOwnerToTree|sync|syncFileSystem)|freezer\.freeze|volume\.(?:freeze|restore))\b/;

/** Each of the calls of such names: from there on all of them fail. */
export function goneFrom(calls: readonly string[], names: RegExp): readonly number[] {
  return calls.flatMap((name, index) => (names.test(name) ? [index + 1] : []));
}

export class Faults {
  readonly calls: string[] = [];
  fault: Fault | undefined;
  /** From this call on, calls of these names fail, each time: a store that is gone, a disk that is full. */
  gone: { readonly from: number; readonly names: RegExp } | undefined;
  /** Calls of these names fail, each time. */
  fails: RegExp | undefined;
  /** The run is killed at the first call of such a name. */
  killAt: RegExp | undefined;
  /** Tells of each call before it is made. */
  onCall: ((name: string) => void) | undefined;
  /** Called once, at the moment of death. */
  onKilled: (() => void) | undefined;
  #isDead = false;

  get isDead(): boolean {
    return this.#isDead;
  }

  /** The port with the named methods counted; all others are as they are. */
  wrap<T extends object>(port: string, target: T, methods: readonly (keyof T & string)[]): T {
    const wrapped = new Map<string, unknown>(
      methods.map((method) => [method, this.#counted(`${port}.${method}`, target, method)]),
    );
    return new Proxy(target, {
      get: (object, property): unknown => {
        if (typeof property === "string" && wrapped.has(property)) return wrapped.get(property);
        const value: unknown = Reflect.get(object, property);
        return typeof value === "function" ? (value as () => unknown).bind(object) : value;
      },
    });
  }

  #counted<T extends object>(name: string, target: T, method: keyof T & string): unknown {
    const call = (args: readonly unknown[]): unknown =>
      (target[method] as (...given: readonly unknown[]) => unknown).call(target, ...args);
    if (method.startsWith("list")) {
      const begin = (args: readonly unknown[]): number => this.#begin(`${name} ${label(args)}`);
      return async function* (...args: readonly unknown[]) {
        begin(args);
        yield* call(args) as AsyncIterable<unknown>;
      };
    }
    return async (...args: readonly unknown[]): Promise<unknown> => {
      const number = this.#begin(`${name} ${label(args)}`);
      const result = await call(args);
      this.#end(number, name);
      return result;
    };
  }

  #begin(name: string): number {
    this.calls.push(name);
    const number = this.calls.length;
    this.onCall?.(name);
    const { fault } = this;
    if (
      !this.#isDead &&
      ((fault?.when === "killed" && fault.call === number) || this.killAt?.test(name) === true)
    ) {
      this.onKilled?.();
      this.#isDead = true;
    }
    if (
      this.#isDead ||
      this.fails?.test(name) === true ||
      (this.gone !== undefined && number >= this.gone.from && this.gone.names.test(name)) ||
      (fault?.when === "before" && fault.call === number)
    )
      throw new InjectedError(number, name);
    return number;
  }

  #end(number: number, name: string): void {
    if (this.fault?.when === "after" && this.fault.call === number) throw new InjectedError(number, name);
  }
}

function label([first]: readonly unknown[]): string {
  return typeof first === "string"
    ? first
        .split("/")
        .at(-1)!
        .replaceAll(/[0-9a-f]{6,}|\d+T\d+Z?/g, "…")
    : "";
}
