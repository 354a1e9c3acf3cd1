/** Growth as SVG: panels side by side, both axes logarithmic, a line for each series. */

export interface Series {
  readonly name: string;
  /** x and y, both above 0; in order of x. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  readonly title: string;
  readonly xLabel: string;
  readonly series: readonly Series[];
  /** A target, as a dashed line. */
  readonly limit?: number;
}

const WIDTH = 300;
const HEIGHT = 260;
const LEFT = 56;
const TOP = 40;
const RIGHT = 20;
const BOTTOM = 50;
const LEGEND = 24;
const COLOURS = ['#1b6ca8', '#d1495b', '#2e8b57', '#8e5ea2', '#c77d0a'];

export function plotPanels(panels: readonly Panel[]): string {
  const width = panels.length * WIDTH;
  const names = panels[0]?.series.map(({ name }) => name) ?? [];
  const legend = names.map((name, i) => {
    const x = LEFT + i * 130;
    const y = HEIGHT + LEGEND / 2;
    return `<circle cx="${x}" cy="${y - 4}" r="4" fill="${colour(i)}"/>${text(x + 10, y, name)}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT + LEGEND}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${HEIGHT + LEGEND}" fill="white"/>`,
    ...panels.map((panel, i) => `<g transform="translate(${i * WIDTH} 0)">${drawPanel(panel)}</g>`),
    ...legend,
    '</svg>\n',
  ].join('\n');
}

function drawPanel({ title, xLabel, series, limit }: Panel): string {
  const points = series.flatMap((one) => one.points);
  const x = scaleOf(
    points.map(([value]) => value),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = scaleOf([...points.map(([, value]) => value), ...(limit === undefined ? [] : [limit])], HEIGHT - BOTTOM, TOP);
  const parts = [text(WIDTH / 2, 20, title, 'text-anchor="middle" font-weight="bold"')];
  for (const tick of x.ticks) {
    parts.push(line(x.at(tick), TOP, x.at(tick), HEIGHT - BOTTOM, 'stroke="#e4e4e4"'));
    parts.push(text(x.at(tick), HEIGHT - BOTTOM + 16, short(tick), 'text-anchor="middle"'));
  }
  for (const tick of y.ticks) {
    parts.push(line(LEFT, y.at(tick), WIDTH - RIGHT, y.at(tick), 'stroke="#e4e4e4"'));
    parts.push(text(LEFT - 6, y.at(tick) + 4, short(tick), 'text-anchor="end"'));
  }
  parts.push(text(WIDTH / 2, HEIGHT - BOTTOM + 34, xLabel, 'text-anchor="middle"'));
  if (limit !== undefined)
    parts.push(line(LEFT, y.at(limit), WIDTH - RIGHT, y.at(limit), 'stroke="#555" stroke-dasharray="5 4"'));
  for (const [i, one] of series.entries()) {
    const places = one.points.map(([px, py]) => `${x.at(px).toFixed(1)},${y.at(py).toFixed(1)}`);
    parts.push(`<polyline points="${places.join(' ')}" fill="none" stroke="${colour(i)}" stroke-width="1.5"/>`);
    for (const place of places) {
      const [cx, cy] = place.split(',');
      parts.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour(i)}"/>`);
    }
  }
  return parts.join('\n');
}

/** From a power of ten to another, so that all values lie between. */
function scaleOf(values: readonly number[], from: number, to: number): { at(value: number): number; ticks: readonly number[] } {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return { at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from), ticks };
}

function short(value: number): string {
  return value >= 1e6 ? `${value / 1e6}M` : value >= 1000 ? `${value / 1000}k` : String(Number(value.toPrecision(3)));
}

function line(x1: number, y1: number, x2: number, y2: number, style: string): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" ${style}/>`;
}

function text(x: number, y: number, content: string, style = ''): string {
  const safe = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${style}>${safe}</text>`;
}

function colour(i: number): string {
  return COLOURS[i % COLOURS.length]!;
}
