/** Who may import whom. The table is the rule; `docs/architecture.md` explains it. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..");

/** What commands are made of. */
const ports: readonly string[] = [
  "config",
  "report",
  "archive",
  "cache",
  "pages",
  "catalog",
  "chainstate",
  "freeze",
  "node",
  "recovery",
  "store",
  "volume",
  "domain",
  "system",
];

/** By folder of `src`: the folders it may import from besides its own. A path with `.ts` opens that one file. */
const may: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["app"],
  "post.ts": ["app"],
  "cli.ts": ["app"],
  app: ["commands", ...ports],
  entries: ["archive", "chainstate", "freeze", "node", "recovery", "volume", "domain", "system"],
  commands: ports,
  config: ["domain", "system"],
  report: ["domain", "system"],
  node: ["chainstate/layout.ts", "domain", "system"],
  recovery: ["domain", "system"],
  chainstate: ["domain", "system"],
  archive: ["domain", "system"],
  pages: [
    "archive/format/index-format.ts",
    "archive/format/segments.ts",
    "archive/format/zstd-frame.ts",
    "archive/view.ts",
    "archive/workers/page-digests.ts",
    "archive/workers/worker-pool.ts",
    "archive/workers/worker-protocol.ts",
    "domain",
    "system",
  ],
  cache: ["recovery/swap.ts", "domain", "system"],
  catalog: ["store/port.ts", "domain", "system"],
  freeze: ["archive/view.ts", "chainstate/layout.ts", "pages/wal-file.ts", "domain", "system"],
  store: ["archive/transport.ts", "domain", "system"],
  volume: ["archive/view.ts", "chainstate/layout.ts", "freeze/port.ts", "store/port.ts", "domain", "system"],
  system: ["domain"],
  domain: [],
};

/** Folders of providers: only the registry of their port, and the programs of `entries`, import from them. */
const providers: Readonly<Record<string, readonly string[]>> = {
  node: ["systemd", "docker", "process", "command"],
  freeze: ["sqlite"],
  store: ["s3", "azure", "file", "https"],
  volume: ["zfs", "btrfs", "lvm", "xfs", "cloud"],
};

/** Each with its reason. */
const exceptions: ReadonlySet<string> = new Set([
  // Stores' clients are in the action's own bundle alone.
  "entries/transfer-worker.ts -> app/steps.ts",
  // A start line is quoted in the same way.
  "node/command/command.ts -> node/process/launch.ts",
  // The rows that a frozen database answers with are part of the port.
  "freeze/port.ts -> freeze/sqlite/keeper-protocol.ts",
]);

interface Import {
  readonly from: string;
  readonly to: string;
}

const imports: readonly Import[] = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .flatMap((from) => importsOf(from, readFileSync(join(root, "src", from), "utf8")));

function importsOf(from: string, text: string): readonly Import[] {
  return [...text.matchAll(/(?:\bfrom|\bimport\(|^import)\s*"(\.[^"]+)"/gm)].map(([, path = ""]) => ({
    from,
    to: normalize(join(dirname(from), path)),
  }));
}

const folderOf = (path: string): string => path.split("/")[0] ?? "";

function isAllowed({ from, to }: Import): boolean {
  if (exceptions.has(`${from} -> ${to}`)) return true;
  const [a, b] = [folderOf(from), folderOf(to)];
  const open = a === b || (may[a] ?? []).some((one) => one === b || one === to);
  return open && !isProviderOfOthers({ from, to });
}

function isProviderOfOthers({ from, to }: Import): boolean {
  const [port = "", provider = "", file] = to.split("/");
  if (file === undefined || !(providers[port] ?? []).includes(provider)) return false;
  return !(
    from.startsWith(`${port}/${provider}/`) ||
    from === `${port}/registry.ts` ||
    from.startsWith("entries/")
  );
}

test("imports keep to the table", () => {
  expect(imports.filter((one) => !isAllowed(one))).toEqual([]);
});

test("each folder of src stands in the table", () => {
  expect(readdirSync(join(root, "src")).filter((name) => !Object.hasOwn(may, name))).toEqual([]);
});

test("an exception that nobody needs is deleted", () => {
  const made = new Set(imports.map(({ from, to }) => `${from} -> ${to}`));
  expect([...exceptions].filter((one) => !made.has(one))).toEqual([]);
});

test.each([
  ["commands/snapshot/snapshot.ts", "../../store/s3/client.ts"],
  ["archive/write/writer.ts", "../../node/port.ts"],
  ["store/port.ts", "../archive/format/tar-header.ts"],
  ["domain/errors.ts", "../system/clock.ts"],
  ["node/docker/docker.ts", "../systemd/unit.ts"],
  ["node/health.ts", "../commands/context.ts"],
])("a forbidden import in %s of %s would be found", (from, path) => {
  const [found] = importsOf(from, `import { x } from "${path}";\n`);
  expect(found !== undefined && isAllowed(found)).toBe(false);
});

test("there is no circle", () => {
  const edges = new Map<string, string[]>();
  for (const { from, to } of imports) edges.set(from, [...(edges.get(from) ?? []), to]);
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (path.includes(file) || done.has(file)) return;
    for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of edges.keys()) visit(file, []);
  expect(circles).toEqual([]);
});

/** Passes the environment on to child processes, and reads nothing of it. */
const passesEnvironmentOn = "system/environment.ts";

test("the environment is read in app and config alone", () => {
  const reads = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter(
    (path) =>
      path.endsWith(".ts") &&
      !["app", "config"].includes(folderOf(path)) &&
      path !== passesEnvironmentOn &&
      /\bprocess\.env\b/.test(readFileSync(join(root, "src", path), "utf8")),
  );
  expect(reads).toEqual([]);
});

test("what others name is looked up in Maps: of an object `constructor` is a member too", () => {
  const tables = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter(
    (path) =>
      path.endsWith(".ts") &&
      /^(?:export )?const \w+: (?:Readonly<)?(?:Partial<)?Record<string,/m.test(
        readFileSync(join(root, "src", path), "utf8"),
      ),
  );
  expect(tables).toEqual([]);
});
