/**
 * Height and size over time as two small SVG charts with one time axis. The drawing is stretched to whatever width there
 * is, so words stand beside it in HTML, where a phone can read them too.
 */
import { formatBytes } from "../system/space.ts";
import { markup, type Markup } from "./html.ts";

export interface ChartPoint {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly height: number;
  /** Undefined where a snapshot has no archive. */
  readonly sizeBytes: number | undefined;
}

const width = 1000;
const height = 120;

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
  return markup`<figure class="chart">
    <figcaption>${network}: ${ordered.length} snapshots from ${day(first.at)} to ${day(last.at)}</figcaption>
    ${renderPlot("Stacks height", heights, span, (value) => Math.round(value).toLocaleString("en"), "least")}
    ${sizes.length < 2 ? undefined : renderPlot("Size of the archive", sizes, span, formatBytes, "zero")}
    <div class="axis" aria-hidden="true"><span>${day(first.at)}</span><span>${day(last.at)}</span></div>
  </figure>`;
}

interface Sample {
  readonly at: number;
  readonly value: number;
}

function renderPlot(
  title: string,
  samples: readonly Sample[],
  span: { readonly from: number; readonly to: number },
  format: (value: number) => string,
  from: "zero" | "least",
): Markup {
  const values = samples.map(({ value }) => value);
  const most = Math.max(...values);
  const least = from === "zero" ? 0 : Math.min(...values);
  const range = most - least || 1;
  const place = ({ at, value }: Sample): string => {
    const x = ((at - span.from) / (span.to - span.from)) * width;
    const y = height - 6 - ((value - least) / range) * (height - 12);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  };
  const line = `M${samples.map(place).join("L")}`;
  // Dots as lines without length: unlike circles they stay round when the drawing is stretched.
  const dots = samples.length > 60 ? "" : samples.map((sample) => `M${place(sample)}h0`).join("");
  const said = `${title}: from ${format(values[0] ?? 0)} to ${format(values.at(-1) ?? 0)}, at most ${format(most)}`;
  return markup`<div class="plot">
    <b>${title}</b>
    <div class="scale"><span>${format(most)}</span><span>${format(least)}</span></div>
    <svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${said}">
      <path class="grid" d="M0 6H${width}M0 ${height - 6}H${width}"></path>
      <path class="line" d="${line}"></path>
      <path class="dots" d="${dots}"></path>
    </svg>
  </div>`;
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
