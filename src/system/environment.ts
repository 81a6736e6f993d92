/** What child processes inherit. The one place outside `app/` and `config/` that touches `process.env`: it passes it on and asks nothing of it. */

/** All of this process's environment, in the C locale, with `changes`. */
export function inheritedEnvironment(changes: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ...pick(() => true), LC_ALL: "C", ...changes };
}

/** The named variables alone, in the C locale, for a child that is to see no secrets. */
export function namedEnvironment(names: readonly string[]): Record<string, string> {
  return { ...pick((name) => names.includes(name)), LC_ALL: "C" };
}

/** For a library that takes no options but these: sets variables of this process until `work` has ended. */
export async function withVariables<T>(
  variables: Readonly<Record<string, string>>,
  work: () => Promise<T>,
): Promise<T> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    return await work();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  }
}

/** Puts a directory of programs before all others that this process and its children find by name, for good. */
export function putFirstInPath(directory: string): void {
  process.env["PATH"] = `${directory}:${process.env["PATH"] ?? "/usr/bin:/bin"}`;
}

function pick(wanted: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (pair): pair is [string, string] => pair[1] !== undefined && wanted(pair[0]),
    ),
  );
}
