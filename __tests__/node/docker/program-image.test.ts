/** What an engine is asked for, word by word: nobody sees on a command line that a word is missing. */
import { expect, test } from "vitest";
import { containerArguments } from "../../../src/node/docker/program-image.ts";

const request = { user: { uid: 1001, gid: 1002 }, runId: "run-7", owner: "/var/lib/state" };
const program = { name: "c-1", argv: ["stacks-node", "start", "--config", "/t/node.toml"], home: "/t/node" };

/** Values of a flag that may be given several times. */
function valuesOf(argv: readonly string[], flag: string): readonly string[] {
  return argv.flatMap((word) => (word.startsWith(`${flag}=`) ? [word.slice(flag.length + 1)] : []));
}

test("a program has its user, the copy, its configuration, and nothing else", () => {
  const argv = containerArguments(
    { id: "sha256:ab", users: "host", request },
    { ...program, configFile: "/t/node.toml", network: "host" },
  );
  expect(argv.slice(0, 2)).toEqual(["run", "--rm"]);
  expect(argv.slice(-4)).toEqual(["sha256:ab", "start", "--config", "/t/node.toml"]);
  for (const [flag, values] of [
    ["--entrypoint", ["stacks-node"]],
    ["--pull", ["never"]],
    ["--name", ["c-1"]],
    ["--label", ["chainstate-snapshot.run=run-7", "chainstate-snapshot.owner=/var/lib/state"]],
    ["--user", ["1001:1002"]],
    ["--userns", ["host"]],
    ["--cap-drop", ["ALL"]],
    ["--security-opt", ["no-new-privileges", "label=disable"]],
    ["--network", ["host"]],
    ["--restart", ["no"]],
    ["--log-driver", ["none"]],
    ["--stop-signal", ["SIGTERM"]],
    ["--stop-timeout", ["1"]],
    ["--workdir", ["/t/node"]],
    [
      "--mount",
      [
        'type=bind,"source=/t/node","target=/t/node"',
        'type=bind,"source=/t/node.toml","target=/t/node.toml",readonly',
      ],
    ],
  ] as const)
    expect(valuesOf(argv, flag), flag).toEqual(values);
  expect(argv).toEqual(expect.arrayContaining(["--read-only", "--no-healthcheck"]));
  const environment = valuesOf(argv, "--env");
  expect(environment.slice(0, 4)).toEqual(["LC_ALL=C", "HOME=/t/node", "TMPDIR=/t/node", "RUST_BACKTRACE=0"]);
  // An engine's client hands its proxies on, unless it is told that there are none.
  expect(environment).toEqual(expect.arrayContaining(["HTTPS_PROXY=", "https_proxy=", "ALL_PROXY="]));
  expect(environment.every((each) => each.includes("="))).toBe(true);
});

test("a replay has no network, and a path may hold what separates fields", () => {
  const argv = containerArguments(
    { id: "ab", users: undefined, request },
    { ...program, home: '/t/a,"b"', network: "none" },
  );
  expect(valuesOf(argv, "--network")).toEqual(["none"]);
  expect(valuesOf(argv, "--userns")).toEqual([]);
  expect(valuesOf(argv, "--mount")).toEqual(['type=bind,"source=/t/a,""b""","target=/t/a,""b"""']);
});
