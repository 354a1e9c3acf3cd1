/** The failovers as SVG: a bar for the median of `total` as the agent told it, a dot for each outage as the client saw it. */
import { median } from './bench.ts';
import type { Run } from './failover-rig.ts';
import { groupsOf } from './failover-table.ts';

const LEFT = 270;
const WIDTH = 640;
const ROW = 22;
const TOP = 58;
const RIGHT = 90;
const TICK_MS = 500;
const BAR = '#b9cde5';
const DOT = '#1f4e79';
const LINE = '#d9d9d9';

export function plotFailovers(runs: readonly Run[]): string {
  const groups = groupsOf(runs);
  const longestMs = Math.max(...runs.map(({ outageMs, phasesMs }) => Math.max(outageMs, phasesMs.total)));
  const endMs = Math.ceil(longestMs / TICK_MS) * TICK_MS;
  const x = (ms: number): string => (LEFT + (ms / endMs) * WIDTH).toFixed(1);
  const bottom = TOP + groups.length * ROW;
  const parts = [
    text(16, 22, 'Failover of real keepalived: how long is the HAVIP without a holder?', 'font-weight="bold" font-size="14"'),
    text(16, 42, 'bar: median of total, as the agent tells it; dot: one outage, as a client sees it that pings each millisecond'),
  ];
  for (let ms = 0; ms <= endMs; ms += TICK_MS) {
    parts.push(`<line x1="${x(ms)}" y1="${TOP}" x2="${x(ms)}" y2="${bottom}" stroke="${LINE}"/>`);
    parts.push(text(x(ms), bottom + 16, `${ms / 1000} s`, 'text-anchor="middle"'));
  }
  for (const [i, { name, runs: group }] of groups.entries()) {
    const y = TOP + i * ROW;
    const totalMs = median(group.map(({ phasesMs }) => phasesMs.total));
    const barWidth = Math.max(1, Number(x(totalMs)) - LEFT).toFixed(1);
    parts.push(text(LEFT - 10, y + 15, name, 'text-anchor="end"'));
    parts.push(`<rect x="${LEFT}" y="${y + 4}" width="${barWidth}" height="${ROW - 8}" fill="${BAR}"/>`);
    for (const [n, { outageMs }] of group.entries()) {
      const cy = y + 6 + ((n * 7) % (ROW - 11));
      parts.push(`<circle cx="${x(outageMs)}" cy="${cy}" r="2" fill="${DOT}" fill-opacity="0.7"/>`);
    }
    parts.push(text(LEFT + WIDTH + 12, y + 15, `${totalMs.toFixed(totalMs < 10 ? 1 : 0)} ms`));
  }
  const [width, height] = [LEFT + WIDTH + RIGHT, bottom + 30];
  const open = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`;
  return `${[open, `<rect width="${width}" height="${height}" fill="white"/>`, ...parts, '</svg>'].join('\n')}\n`;
}

function text(x: number | string, y: number, content: string, attributes = ''): string {
  return `<text x="${x}" y="${y}"${attributes === '' ? '' : ` ${attributes}`}>${content}</text>`;
}
