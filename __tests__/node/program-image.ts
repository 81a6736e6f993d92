/** An image with the simulated programs of a node, for the engines of the testbed: busybox, this Node, and nothing that is pulled. */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, linkSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { tmpdir } from "node:os";
import { makePrograms } from "../../simulator/programs.ts";
import type { Engine } from "./engines.ts";

const project = resolve(import.meta.dirname, "../..");

/** As the node is called in the list of processes. */
const binary = "/opt/lib/stacks-node";

/** Each by the folder of the image that its `stacks-node` is in. */
export const misbehaviours = {
  slow: ["--start-delay-ms", "120000"],
  crashing: ["--crash-on-stop"],
  panicking: ["--panics-while", "/bin/busybox", "--start-delay-ms", "60000"],
  silent: ["--no-rpc"],
} as const;

/** Makes `tag` of the engine's `testbed:1`. The programs are on the PATH, those that misbehave below /opt. */
export function makeProgramImage(engine: Engine, tag: string): void {
  const root = mkdtempSync(join(tmpdir(), "program-image-"));
  try {
    const inside = (path: string): string => join(root, path);
    const copy = (path: string): void => {
      mkdirSync(inside(dirname(path)), { recursive: true });
      cpSync(path, inside(path), { recursive: true, dereference: true });
    };
    // The root of `testbed:1`.
    cpSync(join(engine.directory, "image"), root, { recursive: true, verbatimSymlinks: true });
    // It becomes the root of the image.
    chmodSync(root, 0o755);
    copy(process.execPath);
    mkdirSync(inside("/opt/lib"), { recursive: true });
    linkSync(inside(process.execPath), inside(binary));
    for (const [, path = ""] of librariesOf(process.execPath)) copy(path);
    for (const folder of ["simulator", "src"]) copy(join(project, folder));
    makePrograms(inside("/usr/local/bin"), [], binary);
    for (const [name, flags] of Object.entries(misbehaviours))
      makePrograms(inside(`/opt/${name}`), flags, binary);
    execFileSync("/bin/sh", ["-c", 'tar -C "$1" -c . | "$2" import - "$3"', "sh", root, engine.cli, tag], {
      env: { ...process.env, ...engine.env },
      stdio: ["ignore", "ignore", "pipe"],
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function librariesOf(program: string): readonly RegExpMatchArray[] {
  const listed = execFileSync("ldd", [program], { encoding: "utf8" });
  return [...listed.matchAll(/(\/\S+\.so\S*) \(0x/g)];
}
