/**
 * The node's user owns the directory that the chainstate stands in, and so may rename what root puts there. Whatever they exchange, and
 * whenever: root's own directories stay closed and as they are, and the node comes back.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ActionError } from "../../../src/domain/errors.ts";
import { FakeHost, publishNewer, restoreConfig } from "../fake-host.ts";

const neighbour = 65_534;
const model = new FakeHost();
const hosts: FakeHost[] = [model];
const old = join(model.root, "old", "mainnet");

beforeAll(async () => {
  await publishNewer(model, old, { method: "both" });
});
afterAll(() => {
  for (const host of hosts) host.remove();
});

interface Scene {
  readonly host: FakeHost;
  /** What the node's user owns. */
  readonly home: string;
  /** Root's own: outside of that, and in it. */
  readonly secret: string;
  readonly vault: string;
}

function makeScene(): Scene {
  const host = FakeHost.like(model, old);
  hosts.push(host);
  const home = dirname(host.chainstateDir);
  chmodSync(host.root, 0o711);
  spawnSync("chown", ["-R", `${neighbour}:${neighbour}`, home]);
  const secret = join(host.root, "secret");
  const vault = join(home, "vault");
  for (const directory of [secret, vault]) {
    mkdirSync(join(directory, "tree"), { recursive: true, mode: 0o700 });
    writeFileSync(join(directory, "key"), directory, { mode: 0o600 });
  }
  chownSync(vault, 0, 0);
  return { host, home, secret, vault };
}

/** As the neighbour. Each makes something else stand where root works. */
const exchanges = {
  "a link": ({ secret }: Scene) => `ln -s '${secret}' "$each"`,
  "a file": () => `echo > "$each"`,
  "a directory of root's": ({ vault }: Scene) => `mv '${vault}' "$each"`,
  "a directory of links": ({ secret }: Scene) =>
    `mkdir "$each" && for name in tree unpacked fetched chainstate; do ln -s '${secret}' "$each/$name"; done`,
} as const;

function exchange(scene: Scene, by: keyof typeof exchanges): void {
  const script = `cd '${scene.home}' && for each in $(ls -rd .chainstate-snapshot-*); do mv "$each" "taken$each" && ${exchanges[by](scene)}; done`;
  spawnSync("sh", ["-c", script], { uid: neighbour, gid: neighbour });
}

/** All that is root's own, wherever it is by now: owner, mode, size and name. */
function rootsOwn({ home, secret }: Scene): readonly string[] {
  const vaults = readdirSync(home)
    .map((name) => join(home, name))
    .filter((path) => lstatSync(path).isDirectory() && readdirSync(path).includes("key"));
  return [secret, ...vaults].flatMap((directory) =>
    spawnSync("find", ["-H", directory, "-printf", "%U %m %y %P\\n"], { encoding: "utf8" })
      .stdout.trim()
      .split("\n")
      .toSorted(),
  );
}

const moments = [
  ["while frames come", /^store\.get .*tar/, {}],
  ["before it is given to its owner", /^files\.copyOwnerToTree/, {}],
  ["when the node is down", /^node\.verifyDown/, {}],
  ["when the old one is aside", /^files\.sync node/, {}],
  ["when the old one goes", /^files\.syncFileSystem mainnet/, {}],
  ["while a volume is prepared", /^volume\.restore/, { method: "volume" }],
] as const;

test
  .runIf(process.geteuid?.() === 0)
  .for(
    moments.flatMap(([when, call, given]) =>
      (Object.keys(exchanges) as (keyof typeof exchanges)[]).map((by) => ({ when, call, given, by })),
    ),
  )("$when: $by", async ({ call, given, by }) => {
  const scene = makeScene();
  const { host } = scene;
  const before = rootsOwn(scene);
  let hasCome = false;
  host.faults.onCall = (name) => {
    if (hasCome || !call.test(name)) return;
    hasCome = true;
    exchange(scene, by);
  };
  const { error } = await host.run(restoreConfig(host, given));
  const calls = host.faults.calls.join("\n");
  expect({ hasCome, calls: hasCome ? "" : calls }).toEqual({ hasCome: true, calls: "" });
  const post = await host.post();
  expect({ own: rootsOwn(scene), running: host.node.running }).toEqual({ own: before, running: true });
  const errors = [error, post.error].filter((each) => each !== undefined);
  expect(errors.filter((each) => !(each instanceof ActionError))).toEqual([]);
});
