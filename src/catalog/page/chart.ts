/**
 * Height and size over time as two small SVG charts with one time axis. The drawing is stretched to whatever width there
 * is, so words stand beside it in HTML, where a phone can read them too; grid lines are evenly spaced so that words and
 * lines meet without a style of their own.
 */
import { formatBytes } from "../../system/space.ts";
import { markup, type Markup } from "./html.ts";

export interface ChartPoint {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly height: number;
  /** Undefined where a snapshot has no archive. */
  readonly sizeBytes: number | undefined;
}

const width = 1000;
const height = 100;
const dayMs = 86_400_000;

/** Undefined where a line would need more points than there are. `points` in any order. */
export function renderChart(network: string, points: readonly ChartPoint[]): Markup | undefined {
  const ordered = [...points].sort((a, b) => a.at - b.at);
  const first = ordered[0];
  const last = ordered.at(-1);
  if (first === undefined || last === undefined || first.at === last.at) return undefined;
  const heights = ordered.map(({ at, height: value }) => ({ at, value }));
  const sizes = ordered.flatMap(({ at, sizeBytes }) =>
    sizeBytes === undefined ? [] : [{ at, value: sizeBytes }],
  );
  const span = { from: first.at, to: last.at };
  // Dates along the axis only where each is another day.
  const marks = last.at - first.at >= 4 * dayMs ? 4 : 1;
  const axis = Array.from({ length: marks + 1 }, (_, index) =>
    day(span.from + ((span.to - span.from) * index) / marks),
  );
  return markup`<figure class="chart" aria-label="${network} from ${day(first.at)} to ${day(last.at)}">
${renderPlot("Stacks height", heights, span, { format: formatHeight, unit: 1, fromZero: false })}
${sizes.length < 2 ? undefined : renderPlot("Size of the archive", sizes, span, { format: formatBytes, unit: 1024, fromZero: true })}
<div class="axis" aria-hidden="true">${axis.map((date) => markup`<span>${date}</span>`)}</div>
</figure>`;
}

interface Sample {
  readonly at: number;
  readonly value: number;
}

interface Scale {
  readonly format: (value: number) => string;
  /** Steps are round in powers of it: 1024 for bytes, 1 for what is counted. */
  readonly unit: number;
  readonly fromZero: boolean;
}

function renderPlot(
  title: string,
  samples: readonly Sample[],
  span: { readonly from: number; readonly to: number },
  scale: Scale,
): Markup {
  const values = samples.map(({ value }) => value);
  // Not spread into one call: a catalogue may have more entries than a stack has places.
  const most = values.reduce((highest, value) => Math.max(highest, value), -Infinity);
  const least = values.reduce((lowest, value) => Math.min(lowest, value), Infinity);
  const ticks = ticksOf(scale.fromZero ? 0 : least, most, scale.unit);
  const [low = 0] = ticks;
  const range = (ticks.at(-1) ?? 1) - low;
  const x = ({ at }: Sample): string => (((at - span.from) / (span.to - span.from)) * width).toFixed(1);
  const place = (sample: Sample): string =>
    `${x(sample)} ${(height - ((sample.value - low) / range) * height).toFixed(1)}`;
  const points = samples.map(place).join("L");
  const [first = { at: span.from, value: 0 }] = samples;
  const last = samples.at(-1) ?? first;
  // Dots as lines without length: unlike circles they stay round when the drawing is stretched.
  const dots = samples.length > 60 ? "" : samples.map((sample) => `M${place(sample)}h0`).join("");
  const grid = ticks.map((_, index) => `M0 ${(index / (ticks.length - 1)) * height}H${width}`).join("");
  // What is filled is read as an amount, so only where the scale begins at nothing.
  const area = scale.fromZero ? `M${points}V${height}H${x(first)}Z` : "";
  const said = `${title}: from ${scale.format(first.value)} to ${scale.format(last.value)}, at most ${scale.format(most)}`;
  return markup`<div class="plot">
<p class="title">${title}</p>
<div class="scale" aria-hidden="true">${ticks.toReversed().map((tick) => markup`<span>${scale.format(tick)}</span>`)}</div>
<svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${said}"><path class="grid" d="${grid}"></path><path class="area" d="${area}"></path><path class="line" d="M${points}"></path><path class="dots" d="${dots}"></path></svg>
</div>`;
}

/** Three to six round values, evenly spaced, from at or below `least` to at or above `most`. */
export function ticksOf(least: number, most: number, unit: number): readonly number[] {
  const range = most - least || Math.max(1, most);
  const base = unit > 1 ? unit ** Math.floor(Math.log(Math.max(range, 1)) / Math.log(unit)) : 1;
  const rough = range / base / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = base * power * ([1, 2, 2.5, 5, 10].find((round) => round * power >= rough) ?? 10);
  // Nothing that is counted has halves.
  const whole = Math.max(1, Math.ceil(step));
  const from = Math.floor(least / whole) * whole;
  const ticks = [from];
  while ((ticks.at(-1) ?? 0) < most || ticks.length < 2) ticks.push((ticks.at(-1) ?? 0) + whole);
  return ticks;
}

function formatHeight(value: number): string {
  return Math.round(value).toLocaleString("en");
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
