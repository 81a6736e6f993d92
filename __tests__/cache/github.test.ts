/** What is packed for the Actions cache, as root, while the node's user exchanges the directory that it stands in. */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openGithubCache } from "../../src/cache/github.ts";
import { putFirstInPath, withVariables } from "../../src/system/environment.ts";
import { holdDirectory } from "../../src/system/held-directory.ts";
import { startActionsCache } from "../e2e/actions-cache.ts";

const { signal } = new AbortController();
const neighbour = 65_534;

/** Stands before the real one, and has the neighbour exchange the directory first. */
function makeExchangingTar(directory: string, home: string): void {
  mkdirSync(directory);
  const exchange = `cd '${home}' && mv place taken && mv vault place`;
  const as = `setpriv --reuid ${neighbour} --regid ${neighbour} --clear-groups`;
  const script = `#!/bin/sh\n${as} sh -c "${exchange}" || exit 70\nPATH=\${PATH#*:}\nexec tar "$@"\n`;
  writeFileSync(join(directory, "tar"), script, { mode: 0o755 });
}

test.runIf(process.geteuid?.() === 0)(
  "is the directory that was restored, whatever has its name by then",
  async () => {
    const root = mkdtempSync(join(tmpdir(), "github-cache-"));
    onTestFinished(() => rmSync(root, { recursive: true, force: true }));
    chmodSync(root, 0o711);
    const home = join(root, "home");
    for (const [name, content] of [
      ["place", "restored"],
      ["vault", "secret"],
    ] as const) {
      mkdirSync(join(home, name, "tree"), { recursive: true });
      chmodSync(join(home, name), 0o700);
      writeFileSync(join(home, name, "tree", "file"), content);
    }
    chownSync(home, neighbour, neighbour);
    const service = await startActionsCache(join(root, "blob"));
    const place = holdDirectory(join(home, "place"));
    onTestFinished(async () => {
      place.close();
      await service.close();
    });
    const tools = join(root, "tools");
    makeExchangingTar(tools, home);
    putFirstInPath(tools);
    const temp = join(root, "temp");
    mkdirSync(temp, { mode: 0o700 });
    await withVariables({ ...service.env, RUNNER_TEMP: temp }, async () => {
      const cache = await openGithubCache(signal, temp);
      expect(await cache?.save(join(home, "place", "tree"), join(place.at, "tree"), "key")).toBe(true);
    });
    expect(
      execFileSync("tar", ["-xOf", service.blob, "tree/file"], { env: { PATH: "/usr/bin:/bin" } }).toString(),
    ).toBe("restored");
  },
);
