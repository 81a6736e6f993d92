import { describe, expect, it } from "vitest";
import { askVersion, isWrapper, parseVersion, sanitizeForFileName } from "../../src/node/version.ts";

describe("version", () => {
  it.each([
    ["stacks-node 4.0.2 (7ad6d5b1, release build, linux [x86_64])", "4.0.2", "7ad6d5b1", "4.0.2"],
    ["stacks-node 4.0.2 (7ad6d5b1+, release build, linux [x86_64])", "4.0.2", "7ad6d5b1", "4.0.2"],
    [
      "stacks-node 2.1.0.0.2 (master:fb5e2f5+, release build, linux [x86_64])",
      "2.1.0.0.2",
      "fb5e2f5",
      "2.1.0.0.2",
    ],
    [
      "stacks-node 3.3.0.0.1-rc2 (release/x:0123abcd, debug build)",
      "3.3.0.0.1-rc2",
      "0123abcd",
      "3.3.0.0.1-rc2",
    ],
    ["stacks-node No Version Info (master:fb5e2f5, release build, linux)", null, "fb5e2f5", "git-fb5e2f5"],
    ["something else altogether", null, null, "unknown"],
  ])("%s", (line, version, commit, fileNamePart) => {
    expect(parseVersion(`INFO starting\n${line}\n\n`)).toEqual({ line, version, commit, fileNamePart });
  });

  it("is never taken in by control characters, slashes, length or emptiness", () => {
    expect(parseVersion("\n \n")).toBeUndefined();
    expect(parseVersion("\u001b[31mstacks-node 1.2.3\u001b[0m\r\n")?.line).not.toContain("\u001b");
    expect(parseVersion("x".repeat(10_000))?.line).toHaveLength(500);
    expect(sanitizeForFileName("../../etc/passwd")).toBe("etc_passwd");
    expect(sanitizeForFileName("…")).toBe("unknown");
    expect(sanitizeForFileName("9".repeat(100))).toHaveLength(64);
  });

  it("comes from stdout, and a command that fails has none", async () => {
    const say = (script: string) => askVersion(["/bin/sh", "-c", script]);
    expect(await say("echo noise >&2; echo 'stacks-node 4.0.2 (0123abc, x)'")).toMatchObject({
      version: "4.0.2",
      commit: "0123abc",
    });
    expect(await say("echo 'stacks-node 4.0.2'; exit 1")).toBeUndefined();
    expect(await askVersion(["/no/such/node", "version"])).toBeUndefined();
    expect(await askVersion(undefined)).toBeUndefined();
    expect([isWrapper("/bin/bash"), isWrapper("/usr/bin/stacks-node")]).toEqual([true, false]);
  });
});
