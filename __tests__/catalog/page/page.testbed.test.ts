/**
 * The catalogue page in a real Chromium: what a reader sees, with and without JavaScript, wide, on a phone, in the dark,
 * and what axe finds. The screenshots are kept in $ARTIFACTS_DIR (a directory below the system's temporary one if that
 * is not set) to be looked at.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { renderPage } from "../../../src/catalog/page/page.ts";
import { Browser, chromiumPath, type View } from "../browser.ts";
import { hostileEntry, manyEntries, markupText, mixedEntries, sampleEntry } from "../page-samples.ts";

const storageUrl = "s3://my-stacks-snapshots/mainnet";
const pages = {
  none: [],
  one: manyEntries(1),
  many: manyEntries(400),
  mixed: mixedEntries(),
  hostile: [hostileEntry(), sampleEntry(1), sampleEntry(2)],
} as const;
const views: Readonly<Record<string, View>> = {
  wide: { width: 1200, height: 900 },
  phone: { width: 390, height: 900, phone: true },
  dark: { width: 1200, height: 900, dark: true },
  "phone-dark": { width: 390, height: 900, phone: true, dark: true },
  plain: { width: 1200, height: 900, javascript: false },
};

const artifacts = join(
  process.env["ARTIFACTS_DIR"] ?? join(tmpdir(), "chainstate-snapshot-artifacts"),
  "catalogue-page",
);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Fault {
  readonly id: string;
  readonly impact: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string }[];
}

describe.skipIf(chromiumPath === undefined)("the catalogue page in Chromium (needs chromium)", () => {
  let browser: Browser;
  let directory: string;
  let server: Server;
  const fileUrl = (name: string): string => pathToFileURL(join(directory, `${name}.html`)).href;

  beforeAll(async () => {
    mkdirSync(artifacts, { recursive: true });
    directory = mkdtempSync(join(tmpdir(), "catalogue-"));
    for (const [name, entries] of Object.entries(pages)) {
      writeFileSync(join(directory, `${name}.html`), renderPage({ storage: { url: storageUrl }, entries }));
    }
    server = createServer((request, response) => {
      response.setHeader("content-type", "text/html");
      const name = new URL(request.url ?? "/", "http://x").pathname.split("/").at(-1) ?? "";
      response.end(readFileSync(join(directory, name)));
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    browser = await Browser.launch(chromiumPath ?? "");
  });
  afterAll(async () => {
    await browser.close();
    await new Promise((resolve) => void server.close(resolve));
    rmSync(directory, { recursive: true, force: true });
  });

  const cases = Object.keys(pages).flatMap((page) => Object.keys(views).map((view) => [page, view] as const));
  test.each(cases)("%s, %s: fits, and axe finds nothing", async (page, viewName) => {
    const view = views[viewName] ?? { width: 1200, height: 900 };
    await browser.open(fileUrl(page), view);
    writeFileSync(join(artifacts, `${page}-${viewName}.png`), await browser.screenshot(2800));
    await browser.send("Emulation.setScriptExecutionDisabled", { value: false });
    const overflow = await browser.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
    expect(overflow).toBeLessThanOrEqual(0);
    // Four hundred of the same need not be looked at one by one.
    await browser.evaluate(
      "document.querySelectorAll('.entries > li:nth-child(n + 12)').forEach((one) => one.remove())",
    );
    await browser.evaluate(`${axe}; undefined`);
    const faults = await browser.evaluate<Fault[]>(`axe.run().then(({ violations }) => violations)`);
    expect(faults.map(({ id, impact, nodes }) => `${impact}: ${id}: ${nodes[0]?.html}`)).toEqual([]);
  });

  test("markup from a manifest runs nowhere and is seen as text", async () => {
    await browser.open(fileUrl("hostile"), views["wide"] ?? { width: 1200, height: 900 });
    expect(
      await browser.evaluate("[typeof window.stolen, document.images.length, document.scripts.length]"),
    ).toEqual(["undefined", 0, 1]);
    const seen = await browser.evaluate<string>("document.body.textContent");
    expect(seen).toContain(markupText);
    const links = await browser.evaluate<string[]>("[...document.links].map(({ protocol }) => protocol)");
    expect(new Set(links)).toEqual(new Set(["file:"]));
  });

  test("even a script that got in would not run", async () => {
    const broken = renderPage({ storage: { url: storageUrl }, entries: [] }).replace(
      "</main>",
      "<script>window.stolen = 1</script></main>",
    );
    writeFileSync(join(directory, "broken.html"), broken);
    await browser.open(fileUrl("broken"), { width: 800, height: 600 });
    expect(await browser.evaluate("[document.scripts.length, typeof window.stolen]")).toEqual([
      2,
      "undefined",
    ]);
  });

  test("the script adds ages, copying and a filter that finds", async () => {
    await browser.open(fileUrl("many"), { width: 1200, height: 900 });
    expect(await browser.evaluate("document.querySelectorAll('.age').length")).toBe(401);
    expect(
      await browser.evaluate(
        "document.querySelectorAll('.code').length === document.querySelectorAll('.code > button').length",
      ),
    ).toBe(true);
    const shown = await browser.evaluate<number>(`(() => {
      const input = document.querySelector("input");
      input.value = "2026-11 mainnet";
      input.dispatchEvent(new Event("input"));
      return document.querySelectorAll(".entries > li:not([hidden])").length;
    })()`);
    expect(shown).toBe(22);
    expect(await browser.evaluate("document.querySelector('[role=status]').textContent")).toBe("22 of 400");
  });

  test("without JavaScript everything is there and opens", async () => {
    await browser.open(fileUrl("many"), { width: 1200, height: 900, javascript: false });
    await browser.send("Emulation.setScriptExecutionDisabled", { value: false });
    expect(await browser.evaluate("document.querySelectorAll('details, button').length")).toBe(400);
    expect(await browser.evaluate("document.querySelector('pre').textContent")).toContain("aws s3 cp s3://");
  });

  test("from a website plain curl is offered with the page's own address; from a signed one it is not", async () => {
    const { port } = server.address() as AddressInfo;
    const base = `http://127.0.0.1:${port}/sub`;
    await browser.open(`${base}/one.html`, { width: 800, height: 600 });
    const [id, file] = [pages.one[0]?.id, pages.one[0]?.archive?.key.split("/").at(-1)];
    expect(await browser.evaluate("document.querySelector('pre').textContent")).toBe(
      `curl --fail --location --retry 9 --continue-at - --remote-name '${base}/snapshots/${id}/${file}'`,
    );
    await browser.open(`${base}/one.html?X-Amz-Signature=x`, { width: 800, height: 600 });
    expect(await browser.evaluate("document.querySelector('pre').textContent")).toContain("aws s3 cp s3://");
  });
});
