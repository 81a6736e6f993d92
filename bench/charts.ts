/**
 * Tables and bar charts of docs/benchmarks.md out of what was measured: reads `bench/results/*.json`, writes
 * `docs/benchmarks/*.svg` and the part of each document between `<!-- measured: NAME -->` and `<!-- end -->`.
 *
 *     node bench/charts.ts
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { median } from "./median.ts";
import type { Report, Result, Round } from "./run.ts";

const root = join(import.meta.dirname, "..");
const charts = join(root, "docs/benchmarks");

interface Speed {
  readonly name: string;
  readonly ratio: number;
  readonly oursSeconds: number;
  readonly theirsSeconds: number;
  readonly cpuRatio: number;
  readonly sizeRatio?: number;
  readonly oursPeakMiB: number;
}
interface Memory {
  readonly name: string;
  readonly packMiB: number;
  readonly unpackMiB: number;
}
interface Bar {
  readonly label: string;
  readonly value: number;
  readonly isOurs: boolean;
}
/** Columns that older reports do not have. */
const measuredMore = [
  ["cpuSeconds", "CPU time of the three, s"],
  ["withoutStore", "the three, store's CPU subtracted, s"],
] as const;

interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}
type Pick = (round: Round) => number;

const steps: readonly (readonly [string, Pick])[] = [
  ["First night", (round) => round.firstSeconds],
  ["Second night", (round) => round.secondSeconds],
  ["Restore", (round) => round.restoreSeconds],
];
const middle = (result: Result, pick: Pick): number => median(result.rounds.map(pick));
const gigabytes = (bytes: number): string => `${Math.round(bytes / 1e8) / 10} GB`;
const seconds = (value: number): string => (Number.isNaN(value) ? "–" : `${value.toFixed(1)} s`);
const escaped = (name: string): string => name.replaceAll("|", "\\|");
const isOurs = ({ name }: Result): boolean => name.startsWith("chainstate-snapshot");

mkdirSync(charts, { recursive: true });
for (const name of ["nights", "s3"]) {
  const report = read(name);
  if (report === undefined) continue;
  const done = report.results.filter((result) => result.rounds.length > 0);
  const groups = steps.map(([title, pick]): Group => ({
    title,
    bars: done.map((result) => ({ label: result.name, value: middle(result, pick), isOurs: isOurs(result) })),
  }));
  write(`${name}.svg`, `${gigabytes(done[0]?.sizeBytes ?? 0)}, seconds, less is better`, groups);
  fill(name, nightsTable(report));
}
const ratio = read("ratio");
if (ratio !== undefined) fill("ratio", ratioTable(ratio));
const scale = read("scale");
if (scale !== undefined) {
  const sizes = [...new Set(scale.results.map(({ sizeBytes }) => sizeBytes))];
  const groups = steps.map(([title, pick]): Group => ({
    title: `${title}, seconds for each GB`,
    bars: sizes.flatMap((size) =>
      scale.results
        .filter(({ sizeBytes, rounds }) => sizeBytes === size && rounds.length > 0)
        .map((result) => ({
          label: `${gigabytes(size)}  ${result.name}`,
          value: middle(result, pick) / (size / 1e9),
          isOurs: isOurs(result),
        })),
    ),
  }));
  write("scale.svg", "How the cost grows with size", groups);
  fill("scale", scaleTable(scale, sizes));
}

const speed = parsed("archive") as { results: readonly Speed[] } | undefined;
if (speed !== undefined) {
  const rows = speed.results.map((one) =>
    row([
      one.name.replaceAll("|", "\\|"),
      `**${one.ratio.toFixed(2)}**`,
      `${seconds(one.oursSeconds)} / ${seconds(one.theirsSeconds)}`,
      one.cpuRatio.toFixed(2),
      one.sizeRatio?.toFixed(3) ?? "",
      `${one.oursPeakMiB} MiB`,
    ]),
  );
  fill(
    "archive",
    table(["", "wall, ratio", "ours / theirs", "CPU, ratio", "size, ratio", "our peak memory"], rows),
  );
}
const memory = parsed("memory") as { results: readonly Memory[] } | undefined;
if (memory !== undefined) {
  const rows = memory.results.map((one) =>
    row([one.name.replace("peak memory, ", ""), `${one.packMiB} MiB`, `${one.unpackMiB} MiB`]),
  );
  fill("memory", table(["", "archive", "restore"], rows));
}
const settings = ["nights", "s3", "ratio"].flatMap((name) => read(name)?.results ?? []);
if (settings.length > 0) {
  const versions = Object.values({ ...read("nights")?.versions, ...read("s3")?.versions });
  const lines = settings.map(({ name, settings: text }) => `- \`${name}\`: ${text}`);
  fill("settings", [...new Set(lines), "", `Versions: ${versions.join("; ")}.`].join("\n"));
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function table(head: readonly string[], rows: readonly string[]): string {
  return [row(head), row(head.map(() => "---")), ...rows].join("\n");
}

function nightsTable({ results }: Report): string {
  const more = measuredMore.filter(([key]) => results.some(({ rounds }) => rounds[0]?.[key] !== undefined));
  const head = ["stored, first night", "sent, second night"];
  const rows = results.map((result) => {
    if (result.failed !== undefined) {
      const empty = Array.from({ length: steps.length - 1 + more.length + head.length }, () => "");
      return row([escaped(result.name), "failed", ...empty]);
    }
    const bytes = (pick: (round: Round) => number | undefined): string => {
      const value = median(result.rounds.flatMap((round) => pick(round) ?? []));
      return Number.isNaN(value) ? "" : `${(value / 1e6).toFixed(0)} MB`;
    };
    const cells = steps.map(([, pick]) => seconds(middle(result, pick)));
    const three = more.map(([key]) =>
      steps
        .map((_step, at) => median(result.rounds.map((round) => round[key]?.[at] ?? Number.NaN)).toFixed(1))
        .join(" / "),
    );
    const stored = [bytes((round) => round.storedBytes), bytes((round) => round.sentBytes)];
    return row([escaped(result.name), ...cells, ...three, ...stored]);
  });
  const titles = steps.map(([title]) => title.toLowerCase());
  return table(["", ...titles, ...more.map(([, title]) => title), ...head], rows);
}

/** What was sent and read is beside what changed. */
function ratioTable({ results }: Report): string {
  const rows = results.map((result) => {
    const value = (pick: (round: Round) => number | undefined): number =>
      median(result.rounds.map((round) => pick(round) ?? Number.NaN));
    const beside = (pick: (round: Round) => number | undefined, of: "bytes" | "compressedBytes"): string => {
      const times = value((round) => (pick(round) ?? Number.NaN) / (round.changed?.[of] ?? Number.NaN));
      return `${(value(pick) / 1e6).toFixed(0)} MB (${times.toFixed(2)})`;
    };
    const toFirst = value((round) => round.secondSeconds / round.firstSeconds).toFixed(2);
    return row([
      escaped(result.name),
      seconds(value((round) => round.firstSeconds)),
      `${seconds(value((round) => round.secondSeconds))} (${toFirst})`,
      seconds(value((round) => round.restoreSeconds)),
      beside((round) => round.sentBytes, "compressedBytes"),
      beside((round) => round.readBytes, "bytes"),
      result.rounds[0]?.hourly === undefined ? "" : seconds(value((round) => round.hourly?.seconds)),
    ]);
  });
  const head = ["first night", "second night (of the first)", "restore"];
  const changed = ["sent (of what changed)", "read from disk (of what changed)", "an hour later"];
  return table(["", ...head, ...changed], rows);
}

function scaleTable({ results }: Report, sizes: readonly number[]): string {
  const rows = sizes.flatMap((size) =>
    results
      .filter(({ sizeBytes, rounds }) => sizeBytes === size && rounds.length > 0)
      .map(
        (result) =>
          `| ${gigabytes(size)} | ${result.name.replaceAll("|", "\\|")} | ${steps.map(([, pick]) => seconds(middle(result, pick))).join(" | ")} |`,
      ),
  );
  return [
    "| size | | first night | second night | restore |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

/** A run to S3 takes what goes to files along; that has a table of its own. */
function read(name: string): Report | undefined {
  const report = parsed(name) as Report | undefined;
  if (report === undefined || name !== "s3") return report;
  return { ...report, results: report.results.filter(({ place }) => place === "s3") };
}

/** What the benches themselves wrote. */
function parsed(name: string): unknown {
  const file = join(root, "bench/results", `${name}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as unknown) : undefined;
}

/** Puts a table where the document has the place for it. */
function fill(name: string, content: string): void {
  const file = join(root, "docs/benchmarks.md");
  const [start, end] = [`<!-- measured: ${name} -->`, "<!-- end -->"];
  const text = readFileSync(file, "utf8");
  const from = text.indexOf(start);
  const to = text.indexOf(end, from);
  if (from === -1 || to === -1) throw new Error(`docs/benchmarks.md has no place for ${name}.`);
  writeFileSync(file, `${text.slice(0, from + start.length)}\n\n${content}\n\n${text.slice(to)}`);
}

/** Horizontal bars, each group on a scale of its own; colours that hold on a light and on a dark page. */
function write(file: string, title: string, groups: readonly Group[]): void {
  const [labelWidth, barWidth, lineHeight] = [300, 360, 20];
  const parts: string[] = [];
  let y = 24;
  const text = (x: number, content: string, more = ""): void => {
    const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    parts.push(`<text x="${x}" y="${y}" ${more}>${escaped}</text>`);
  };
  text(8, title, 'font-weight="bold"');
  for (const { title: heading, bars } of groups) {
    y += 32;
    text(8, heading, 'font-weight="bold"');
    const longest = Math.max(...bars.map(({ value }) => value));
    for (const bar of bars) {
      y += lineHeight;
      const width = Math.max(1, (barWidth * bar.value) / longest);
      text(labelWidth - 8, bar.label, 'text-anchor="end"');
      parts.push(
        `<rect x="${labelWidth}" y="${y - 11}" width="${width.toFixed(1)}" height="14" rx="2" fill="${bar.isOurs ? "#d9530b" : "#7d8590"}"/>`,
      );
      text(labelWidth + width + 6, bar.value.toFixed(bar.value < 10 ? 2 : 1));
    }
  }
  const height = y + 16;
  const width = labelWidth + barWidth + 60;
  writeFileSync(
    join(charts, file),
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="${title}">
<rect width="100%" height="100%" fill="#fff"/>
<g fill="#24292f">
${parts.join("\n")}
</g>
</svg>
`,
  );
}
