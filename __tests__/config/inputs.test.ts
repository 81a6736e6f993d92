import { assert, constantFrom, dictionary, oneof, property, string } from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/domain/errors.ts";
import { loadInputs } from "../../src/config/inputs.ts";
import { inputNames, inputTable, type InputName } from "../../src/config/table.ts";
import { createInputs, inputVariables, type InputTexts } from "../inputs-builder.ts";

function refusal(given: InputTexts): InputError {
  try {
    createInputs(given as Parameters<typeof createInputs>[0]);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(given)}`);
}

describe("a configuration", () => {
  test("of the smallest snapshot has the contract's defaults and is frozen", () => {
    const config = createInputs();
    expect(config).toMatchObject({
      command: "snapshot",
      chainstateDir: "/var/stacks/mainnet",
      storage: { scheme: "file", directory: "/srv/snapshots" },
      node: {
        manager: "auto",
        name: "stacks-node",
        rpcUrl: "http://127.0.0.1:20443",
        stopTimeoutMs: 1_200_000,
        startTimeoutMs: 600_000,
        syncBlocks: 0,
        syncTimeoutMs: 1_800_000,
        sudo: "auto",
      },
      method: "archive",
      cut: "auto",
      freezeWith: "auto",
      profile: "backup",
      check: "tips",
      compressionLevel: 3,
      retention: {},
      exclude: [],
      pin: false,
      dryRun: false,
    });
    expect(config.concurrency).toBeGreaterThan(0);
    expect(Object.isFrozen(config) && Object.isFrozen(config.node) && Object.isFrozen(config.exclude)).toBe(
      true,
    );
  });

  test("takes what the workflow gives", () => {
    const config = createInputs({
      storage: "s3://my-bucket/nightly/mainnet/",
      "s3-endpoint": "http://10.0.0.5:9000/",
      "s3-sse": "aws:kms:arn:aws:kms:eu-central-1:123456789012:key/abc",
      "node-manager": "process",
      "node-start-command": "systemd-run /opt/node start",
      "rpc-url": "none",
      "stop-timeout": "1h 30m",
      exclude: "chainstate/estimates/**\n\n  *.log  \n*.log\n",
      "keep-daily": "7",
      "rate-limit-read": "200MiB/s",
      "metrics-file": "/var/lib/node_exporter/x.prom",
    });
    expect(config.storage).toEqual({
      scheme: "s3",
      url: "s3://my-bucket/nightly/mainnet",
      bucket: "my-bucket",
      prefix: "nightly/mainnet",
      s3: {
        endpoint: "http://10.0.0.5:9000",
        storageClass: "STANDARD",
        sse: "aws:kms:arn:aws:kms:eu-central-1:123456789012:key/abc",
      },
    });
    expect(config.node).toMatchObject({ manager: "process", stopTimeoutMs: 5_400_000 });
    expect("rpcUrl" in config.node).toBe(false);
    expect(config.exclude).toEqual(["chainstate/estimates/**", "*.log"]);
    expect(config.retention).toEqual({ keepDaily: 7 });
    expect(config.rateLimits).toEqual({ readBytesPerSecond: 200 * 2 ** 20 });
    expect(config.metricsFile).toBe("/var/lib/node_exporter/x.prom");
  });

  test("of the other commands holds what is theirs", () => {
    expect(
      createInputs({ command: "restore", snapshot: "height<=1500", cache: "/srv/cache/" }),
    ).toMatchObject({
      snapshot: { kind: "height", atMost: 1500 },
      cache: { kind: "directory", path: "/srv/cache" },
      keepPrevious: false,
    });
    const external = { command: "restore", storage: "", snapshot: "https://h/mainnet.tar.zst" } as const;
    expect(createInputs(external)).toMatchObject({
      snapshot: { kind: "external", url: "https://h/mainnet.tar.zst" },
    });
    expect("storage" in createInputs(external)).toBe(false);
    const directory = createInputs({
      command: "verify",
      storage: "",
      "chainstate-dir": "/var/stacks/mainnet",
    });
    expect(directory).toMatchObject({ chainstateDir: "/var/stacks/mainnet" });
    expect(createInputs({ command: "list", filter: "network=mainnet\nheight<=12" }).filters).toEqual([
      { field: "network", operator: "=", value: "mainnet" },
      { field: "height", operator: "<=", value: "12" },
    ]);
    expect(createInputs({ command: "prune", "keep-last": "3" }).retention).toEqual({ keepLast: 3 });
  });

  test("of a restore starts the node and waits for a few blocks, where there is a node that can be asked", () => {
    const nodeOf = (given: Omit<InputTexts, "command">): unknown =>
      createInputs({ ...given, command: "restore" }).node;
    const few = { startNode: "always", syncBlocks: 3, syncRequired: false, syncTimeoutMs: 300_000 };
    expect(nodeOf({})).toMatchObject(few);
    expect(nodeOf({ "rpc-url": "none" })).toMatchObject({ ...few, syncBlocks: 0 });
    expect(nodeOf({ "node-manager": "none" })).toMatchObject({ startNode: "as-before", syncBlocks: 0 });
    expect(nodeOf({ "sync-blocks": "5", "start-node": "as-before" })).toMatchObject({
      startNode: "as-before",
      syncBlocks: 5,
      syncRequired: true,
      syncTimeoutMs: 1_800_000,
    });
    expect(createInputs({ "start-node": "always" }).node).toMatchObject({
      startNode: "always",
      syncBlocks: 0,
    });
  });

  test("of an import touches no node", () => {
    const config = createInputs({ command: "import", from: "https://h/mainnet.tar.zst" });
    expect(config).toMatchObject({ command: "import", from: "https://h/mainnet.tar.zst" });
    const both = refusal({ command: "import", "chainstate-dir": "/var/stacks/mainnet" });
    expect(both.message).toContain("not used by 'command: import'");
  });

  test("treats an empty text as not given, as an absent `inputs.x` of a workflow is", () => {
    expect(createInputs({ "stop-timeout": "", check: "  " })).toMatchObject({ check: "tips" });
  });
});

test("public archives have names", () => {
  const url = "https://archive.hiro.so/testnet/stacks-blockchain/testnet-stacks-blockchain-latest.tar.zst";
  const selected = createInputs({ command: "restore", snapshot: "hiro:testnet", storage: "" });
  expect(selected.snapshot).toEqual({ kind: "external", url });
  expect(createInputs({ command: "import", from: "hiro:testnet" })).toMatchObject({ from: url });
  expect(() => createInputs({ command: "restore", snapshot: "hiro:regtest" })).toThrow("hiro:mainnet");
});

describe("locations", () => {
  test.each([
    ["file:///srv/a%20b/", { scheme: "file", directory: "/srv/a b" }],
    ["s3://bucket", { scheme: "s3", bucket: "bucket", prefix: "" }],
    ["az://account/container/a/b", { account: "account", container: "container", prefix: "a/b" }],
    ["gs://bucket/a", { bucket: "bucket", prefix: "a" }],
    ["https://host.example/a/", { scheme: "https", url: "https://host.example/a" }],
    ["http://127.0.0.1:8080/a", { scheme: "https", url: "http://127.0.0.1:8080/a" }],
    ["http://localhost/a", { scheme: "https" }],
  ])("%s", (storage, expected) => {
    expect(createInputs({ command: "list", storage }).storage).toMatchObject(expected);
  });

  test.each([
    "file://relative/dir",
    "file:///a?b",
    "/srv/snapshots",
    "s3://",
    "s3://bucket/../other",
    "s3://bucket//x",
    "s3://bucket/a?versionId=1",
    "az://account",
    "ftp://host/x",
    "http://host.example/a",
    "https://",
    "s3://-bucket/a",
  ])("refused: %s", (storage) => {
    expect(refusal({ command: "list", storage })).toMatchObject({ input: "storage" });
  });

  test("an https:// prefix cannot be written to", () => {
    expect(refusal({ storage: "https://host.example/a" }).message).toContain("can only be read");
  });
});

describe("a refusal names the input, the value and what is allowed", () => {
  test("for a choice, in full", () => {
    expect(refusal({ downtime: "x" }).message).toBe(
      "The value 'x' is not valid for 'downtime'. Valid values are: [auto, short, none, full].",
    );
  });

  const bad: readonly [InputName, string, string][] = [
    ["stop-timeout", "20", "with a unit"],
    ["stop-timeout", "20 minutes", "with a unit"],
    ["stop-timeout", "0s", "longer than 0"],
    ["stop-timeout", "25d", "at most 24d"],
    ["rate-limit-read", "64", "with a unit"],
    ["rate-limit-send", "0MiB", "above 0"],
    ["pin", "yes", "[true, false]"],
    ["compression-level", "20", "from 1 to 19"],
    ["compression-level", "3.5", "from 1 to 19"],
    ["chainstate-dir", "stacks/mainnet", "absolute"],
    ["chainstate-dir", "/", "root directory"],
    ["node-name", "-rf", "begin with a dash"],
    ["node-name", "a b", "no spaces"],
    ["volume", "tank/a\n-x", "begin with a dash"],
    ["exclude", "../other", "relative to chainstate-dir"],
    ["rpc-url", "localhost:20443", "http://"],
    ["keep-last", "-1", "from 1 to"],
    ["delete", "latest", "snapshot's id"],
    ["unpin", "mainnet-1-20261122T020014Z\nheight<=5", "snapshot's id"],
  ];
  test.each(bad)("%s: %j", (name, text, words) => {
    const error = refusal({ storage: "s3://bucket", [name]: text });
    expect(error.input).toBe(name);
    expect(error.message).toContain(`'${name}'`);
    expect(error.message).toContain(words);
    expect(error.message).toContain(text.split("\n").at(-1));
  });

  test("credentials in a URL are not repeated", () => {
    const error = refusal({ "rpc-url": "http://me:hunter2@host" });
    expect(`${error.message} ${error.hint}`).not.toContain("hunter2");
  });

  test.each([
    ["snapshot", "chainstate-dir"],
    ["snapshot", "storage"],
    ["restore", "chainstate-dir"],
    ["restore", "storage"],
    ["verify", "storage"],
    ["list", "storage"],
    ["prune", "storage"],
    ["import", "storage"],
    ["import", "from"],
  ] as const)("%s without %s", (command, name) => {
    expect(refusal({ command, [name]: "" }).message).toBe(
      `The input '${name}' is missing; '${command}' needs it.`,
    );
  });

  test("for an input that the command does not use, if it differs from the default", () => {
    expect(refusal({ command: "list", downtime: "full" }).message).toContain("not used by 'command: list'");
    expect(createInputs({ command: "list", downtime: "auto" }).command).toBe("list");
  });

  const pairs: readonly InputTexts[] = [
    { downtime: "full", "freeze-with": "zfs" },
    { downtime: "none", "freeze-with": "reflink" },
    { "keep-clone": "true" },
    { "keep-clone": "true", "rebase-above": "20%", downtime: "none" },
    { "keep-clone": "true", "rebase-above": "20%", "freeze-with": "lvm" },
    { "read-back": "3%", check: "none" },
    { "read-back": "3%", check: "quick" },
    { "read-back": "0", "replay-blocks": "7", "node-inspector": "/opt/stacks-inspect" },
    { "node-manager": "systemd", "node-start-command": "x" },
    { "node-manager": "process", "node-stop-command": "x" },
    { "node-manager": "none", "sync-blocks": "2" },
    { "rpc-url": "none", "sync-blocks": "2" },
    { "node-manager": "none", "start-node": "always" },
    { "volume-driver": "zfs" },
    { "s3-region": "eu-central-1" },
    { command: "verify", "chainstate-dir": "/a" },
    { command: "restore", snapshot: "https://h/a.tar.zst", method: "volume" },
    { command: "verify", "verify-scope": "databases", storage: "", "chainstate-dir": "/a" },
    { command: "verify", "verify-scope": "databases", snapshot: "https://h/a.tar.zst" },
    { command: "verify", "verify-scope": "databases", check: "none" },
    { command: "restore", "confirm-with": "https://a", check: "none" },
    { command: "verify", "trusted-signer-set": "/sets", check: "tips" },
    { "trusted-signer-set": `3 ${"ab".repeat(32)}` },
  ];
  test.each(pairs)("for two that exclude each other: %j", (pair) => {
    expect(refusal(pair).message).toContain("exclude each other");
  });

  test("by whom it is confirmed that a chainstate is of the chain", () => {
    const given = {
      command: "verify",
      check: "proof",
      "confirm-with": "https://a/\n\nhttps://b/rpc",
    } as const;
    const lines = `3 ${"ab".repeat(32)}`;
    expect(createInputs({ ...given, "trusted-signer-set": lines })).toMatchObject({
      confirmWith: ["https://a", "https://b/rpc"],
      trustedSignerSets: { kind: "lines", lines },
    });
    expect(createInputs({ ...given, "trusted-signer-set": "/sets" })).toMatchObject({
      trustedSignerSets: { kind: "file", path: "/sets" },
    });
    expect(refusal({ ...given, "confirm-with": "ftp://a" }).input).toBe("confirm-with");
  });

  test("without what signs a URL or names its user", () => {
    for (const given of [
      { storage: "https://me:secret@host/x?sig=secret" },
      { command: "list", storage: "https://me:secret@host/x?sig=secret" },
      { command: "list", storage: "s3://bucket/x?sig=secret" },
      { command: "restore", snapshot: "http://secret@host/a?sig=secret" },
      { command: "restore", snapshot: "https://host/a?sig=secret", method: "volume" },
      { command: "list", storage: "file:///a", from: "https://host/a?sig=secret" },
    ]) {
      expect(refusal(given as Parameters<typeof refusal>[0]).message).not.toContain("secret");
    }
  });

  test("for a pin that is taken away without a signature where only signed things are believed", () => {
    const id = "mainnet-1-20261122T020014Z";
    const signers = "a@b ssh-ed25519 AAAA";
    const given = { command: "prune", storage: "file:///b", unpin: id, "trusted-signers": signers } as const;
    expect(refusal(given)).toMatchObject({
      input: "unpin",
      message: expect.stringContaining("sign-key") as string,
    });
    expect(createInputs({ ...given, "sign-key": "agent" })).toMatchObject({
      unpin: [id],
      signKey: { kind: "agent" },
    });
    expect(createInputs({ ...given, delete: id })).toMatchObject({ unpin: [id] });
  });

  test("for a command manager without its commands", () => {
    expect(refusal({ "node-manager": "command" }).input).toBe("node-start-command");
  });

  test("all at once, each with what was probably meant", () => {
    const { message } = refusal({
      command: "restore",
      "chainstate-dir": "",
      storage: "s3//bucket",
      check: "quik",
      downtime: "full",
      "stop-timeout": "20",
      "node-manager": "none",
      "start-node": "always",
      "sync-blocks": "2",
    });
    for (const words of [
      "for 'storage'",
      "for 'stop-timeout'",
      "for 'check'",
      "'downtime' (here 'full') is not used",
      "'chainstate-dir' is missing",
      "'sync-blocks: 2' and 'node-manager: none'",
      "'start-node: always' and 'node-manager: none'",
    ])
      expect(message).toContain(words);
    expect(message).toContain("7 inputs are wrong:");
    expect(message).toContain("Did you mean 'quick'?");
  });

  test("of 0 where it has no meaning there is none: an unset number of a reusable workflow is 0", () => {
    expect(createInputs({ "keep-last": "0", "compression-level": "0", parallelism: "0" })).toEqual(
      createInputs(),
    );
    expect(createInputs({ "sync-blocks": "0" }).node.syncRequired).toBe(true);
  });

  test("for names nobody knows, with a guess", () => {
    const variables = inputVariables({ "chainstate-dir": "/a", storage: "file:///b" });
    const withExtra =
      (name: string): (() => unknown) =>
      () =>
        loadInputs({ ...variables, [name]: "1" });
    expect(withExtra("INPUT_STOP-TIMOUT")).toThrow("There is no input 'stop-timout'.");
    expect(withExtra("INPUT_STOP_TIMEOUT")).toThrow("There is no input 'stop_timeout'.");
    expect(withExtra("INPUT_EXCLDUE")).toThrow("There is no input 'excldue'.");
    expect(withExtra("INPUT_NO-SUCH-THING")).toThrow("There is no input 'no-such-thing'.");
    expect(withExtra("INPUT_MODULE_OF_ANOTHER_PROGRAM")).not.toThrow();
  });
});

test("whatever the texts, an input is read or refused by name, never anything else", () => {
  const texts = dictionary(
    constantFrom<InputName>(...inputNames),
    oneof(
      string(),
      constantFrom(...inputNames.flatMap((name) => Object.keys(inputTable[name].choices ?? {}))),
      // What every object has.
      constantFrom(...Object.getOwnPropertyNames(Object.prototype)),
    ),
  );
  assert(
    property(texts, (given) => {
      try {
        loadInputs(inputVariables(given));
        return true;
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        return inputNames.some((name) => name === error.input);
      }
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["boot", { command: "verify", boot: "true", "node-config": "/c" }, "node-program"],
  ["boot", { command: "verify", boot: "true", "node-program": "/p" }, "node-config"],
  ["no replay", { "node-inspector": "/i" }, "node-inspector"],
  ["a replay", { "replay-blocks": "7" }, "node-inspector"],
  ["no boot", { command: "verify", "node-program": "/p" }, "node-program"],
  ["neither", { command: "verify", "node-config": "/c" }, "node-config"],
  [
    "a part of the archive",
    {
      command: "verify",
      boot: "true",
      "node-program": "/p",
      "node-config": "/c",
      "verify-scope": "databases",
    },
    "verify-scope",
  ],
  ["no look", { "replay-blocks": "7", "node-inspector": "/i", check: "none" }, "replay-blocks"],
  ["no archive", { "replay-blocks": "7", "node-inspector": "/i", method: "volume" }, "replay-blocks"],
  ["an image", { "replay-blocks": "7", "node-inspector": "stacks-inspect" }, "node-inspector"],
  ["an image", { command: "verify", boot: "true", "node-program": "n", "node-config": "/c" }, "node-program"],
  ["no program of the image", { "node-image": "node:1" }, "node-image"],
  ["an image, no option", { "replay-blocks": "7", "node-image": "--privileged" }, "node-image"],
  [
    "a program, no option",
    { "replay-blocks": "7", "node-image": "node:1", "node-inspector": "-c" },
    "node-inspector",
  ],
] as const)("the node's programs need what they are for: %s", (_, given, input) => {
  const place = "command" in given ? { storage: "file:///srv/snapshots" } : {};
  expect(refusal({ ...place, ...given }).input).toBe(input);
});

test("the node's programs are found in an image by their names", () => {
  const image = `ghcr.io/example/node:4.0.2@sha256:${"ab".repeat(32)}`;
  const verify = { command: "verify", storage: "file:///srv/snapshots", "node-image": image } as const;
  expect(createInputs({ ...verify, boot: "true", "node-config": "/c", "replay-blocks": "7" })).toMatchObject({
    nodeImage: image,
    boot: { program: "stacks-node" },
    replay: { inspector: "stacks-inspect" },
  });
  expect(
    createInputs({ "replay-blocks": "7", "node-image": "node:1", "node-inspector": "/opt/inspect" }),
  ).toMatchObject({ nodeImage: "node:1", replay: { inspector: "/opt/inspect" } });
});
