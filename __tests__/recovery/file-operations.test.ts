/** What a swap changes as root, in directories where a lesser user may rename. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { fileOperations } from "../../src/recovery/file-operations.ts";
import { privilegeFor } from "../../src/system/privilege.ts";

const scratch = mkdtempSync(join(tmpdir(), "file-operations-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const files = fileOperations(privilegeFor("never"), new AbortController().signal);

test("a mode is taken over without the bits that change who a program runs as", async () => {
  const [model, path] = [join(scratch, "model"), join(scratch, "path")];
  mkdirSync(model);
  chmodSync(model, 0o7751);
  mkdirSync(path, { mode: 0o700 });
  await files.copyOwner(model, path);
  expect(statSync(path).mode & 0o7777).toBe(0o751);
});

test("a link in the place of the new directory is refused, and what it leads to stays as it is", async () => {
  const [model, secret, path] = [join(scratch, "open"), join(scratch, "secret"), join(scratch, "link")];
  mkdirSync(model);
  chmodSync(model, 0o777);
  mkdirSync(secret, { mode: 0o700 });
  symlinkSync(secret, path);
  await expect(files.copyOwner(model, path)).rejects.toMatchObject({ code: "PATH_EXCHANGED" });
  expect(statSync(secret).mode & 0o7777).toBe(0o700);
});
