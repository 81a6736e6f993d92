import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CancelledError } from "../../src/domain/errors.ts";
import { withFileLock } from "../../src/system/file-lock.ts";

const { signal } = new AbortController();

function lockFile(): string {
  const directory = mkdtempSync(join(tmpdir(), "file-lock-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, ".lock");
}

test("one at a time; who waits too long or is cancelled is told so, and the lock is as before", async () => {
  const file = lockFile();
  const options = { timeoutMs: 60_000, signal };
  await withFileLock(file, options, async () => {
    const work = async (): Promise<never> => Promise.reject(new Error("it was not locked"));
    await expect(withFileLock(file, { timeoutMs: 50, signal }, work)).rejects.toMatchObject({
      code: "LOCK_TIMEOUT",
      message: expect.stringContaining(file) as string,
    });
    const cancel = new AbortController();
    const waiting = withFileLock(file, { timeoutMs: 60_000, signal: cancel.signal }, work);
    cancel.abort(new CancelledError());
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
  });
  expect(await withFileLock(file, options, async () => "locked")).toBe("locked");
});

test("where nothing can be locked, that is an error of its own", async () => {
  const file = join(lockFile(), "no", "such", "directory");
  await expect(
    withFileLock(file, { timeoutMs: 60_000, signal }, async () => undefined),
  ).rejects.toMatchObject({
    code: "LOCK_UNAVAILABLE",
  });
});
