/**
 * Job summaries of real runs and the README as GitHub shows them, in a real Chromium, light and dark, and what axe finds. The
 * screenshots are kept in $ARTIFACTS_DIR (a directory below the system's temporary one if that is not set) to be looked at.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Browser, chromiumPath } from "../catalog/browser.ts";
import { summariesOfRuns, summaryNames } from "./summary-samples.ts";

const checkout = join(import.meta.dirname, "../..");
const modules = join(process.env["TESTBED_DIR"] ?? "/var/tmp/testbed", "github/node_modules");
const isUp = chromiumPath !== undefined && existsSync(join(modules, "mermaid/dist/mermaid.min.js"));
const artifacts = join(
  process.env["ARTIFACTS_DIR"] ?? join(tmpdir(), "chainstate-snapshot-artifacts"),
  "as-github",
);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Colours are of GitHub's style sheet. */
const notOurs = { "color-contrast": { enabled: false }, "link-in-text-block": { enabled: false } };

/** The parser leaves out what GitHub leaves out; that no text of anybody becomes markup is a test of its own. */
function page(markdown: string): string {
  const file = (name: string): string => pathToFileURL(join(modules, name)).href;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>as GitHub shows it</title>
<base href="${pathToFileURL(checkout).href}/">
<link rel="stylesheet" href="${file("github-markdown-css/github-markdown.css")}">
<style>body { margin: 0 } main { max-width: 980px; margin: 0 auto; padding: 32px }</style>
<body class="markdown-body"><main></main>
<script src="${file("marked/lib/marked.umd.js")}"></script>
<script src="${file("mermaid/dist/mermaid.min.js")}"></script>
<script>
  window.shown = (async () => {
    const main = document.querySelector("main");
    main.innerHTML = marked.parse(${JSON.stringify(markdown).replaceAll("<", String.raw`\u003c`)}, { gfm: true });
    for (const code of main.querySelectorAll("code.language-mermaid")) {
      const chart = document.createElement("div");
      chart.className = "mermaid";
      chart.textContent = code.textContent;
      code.parentElement.replaceWith(chart);
    }
    mermaid.initialize({ startOnLoad: false, theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "default" });
    await mermaid.run();
    return main.querySelectorAll(".mermaid > svg").length;
  })();
</script>`;
}

describe.skipIf(!isUp)("as GitHub shows it (needs chromium and testbed/github.sh up)", () => {
  let browser: Browser;
  let directory: string;
  let texts: Map<string, string>;

  beforeAll(async () => {
    mkdirSync(artifacts, { recursive: true });
    directory = mkdtempSync(join(tmpdir(), "as-github-"));
    texts = new Map<string, string>(await summariesOfRuns());
    texts.set("readme", readFileSync(join(checkout, "README.md"), "utf8"));
    browser = await Browser.launch(chromiumPath ?? "");
  });
  afterAll(async () => {
    await browser.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const cases = [...summaryNames, "readme"].flatMap((name) => [
    [name, "light"] as const,
    [name, "dark"] as const,
  ]);
  test.each(cases)("%s, %s: is drawn, and axe finds nothing serious", async (name, theme) => {
    const markdown = texts.get(name) ?? "";
    expect(markdown).not.toBe("");
    const path = join(directory, `${name}.html`);
    writeFileSync(path, page(markdown));
    await browser.open(pathToFileURL(path).href, { width: 1100, height: 800, dark: theme === "dark" });
    const charts = await browser.evaluate<number>("window.shown");
    expect(charts).toBe(markdown.match(/^```mermaid$/gm)?.length ?? 0);
    writeFileSync(join(artifacts, `${name}-${theme}.png`), await browser.screenshot(3000));
    await browser.evaluate("document.querySelectorAll('.mermaid').forEach((each) => each.remove())");
    await browser.evaluate(`${axe}; undefined`);
    const faults = await browser.evaluate<{ id: string; impact: string; nodes: { html: string }[] }[]>(
      `axe.run("main", { rules: ${JSON.stringify(notOurs)} }).then(({ violations }) => violations)`,
    );
    const serious = faults.filter(({ impact }) => impact === "serious" || impact === "critical");
    expect(serious.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""}`).join("\n")).toBe("");
  });
});
