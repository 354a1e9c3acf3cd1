/**
 * Text for people: columns that fit a terminal, colours, and how long something is ago.
 */
import type { Terminal } from './command.ts';

export type Colour = 'red' | 'green' | 'yellow' | 'bold' | 'faint';

/** SGR, ECMA-48. */
const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  bold: [1, 22],
  faint: [2, 22],
};

export type Paint = (colour: Colour, text: string) => string;

/** How a text is coloured there; not at all where it is no terminal, or one that shows none. */
export function paintOn(terminal: Terminal | null): Paint {
  if (terminal?.colour !== true) return (_colour, text) => text;
  return (colour, text) => `\u001B[${CODES[colour][0]}m${text}\u001B[${CODES[colour][1]}m`;
}

export interface TableOptions {
  /** Rows are cut to this; without it they are as long as they are. */
  readonly columns?: number | undefined;
  /** Colours a cell when it has its final width. */
  readonly dress?: (cell: string, row: number, column: number) => string;
}

const BETWEEN = 2;
/** A column is cut no further. */
const LEAST = 4;

/**
 * Columns as wide as their widest cell, two spaces apart; the last one is not padded. What is too wide is cut in its widest columns; where that
 * is not enough, the last columns are left out.
 */
export function formatTable(rows: readonly (readonly string[])[], { columns = Infinity, dress }: TableOptions = {}): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  while (widths.length > 1 && leastOf(widths) > columns) widths.pop();
  narrow(widths, columns);
  return rows
    .map((row, r) => {
      const cells = row.slice(0, widths.length).map((cell, i) => {
        const width = widths[i] ?? 0;
        const fitting = cell.length > width ? `${cell.slice(0, width - 1)}…` : cell;
        const padded = i === widths.length - 1 ? fitting : fitting.padEnd(width);
        return dress?.(padded, r, i) ?? padded;
      });
      return `${cells.join(' '.repeat(BETWEEN)).trimEnd()}\n`;
    })
    .join('');
}

function leastOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + Math.min(width, LEAST), BETWEEN * (widths.length - 1));
}

/** Takes from the widest, until all fit or none may give any more. */
function narrow(widths: number[], columns: number): void {
  let excess = widths.reduce((sum, width) => sum + width, BETWEEN * (widths.length - 1)) - columns;
  while (excess > 0) {
    const widest = Math.max(...widths);
    if (widest <= LEAST) return;
    widths[widths.lastIndexOf(widest)] = widest - 1;
    excess--;
  }
}

/** A line cut to the terminal's width. */
export function fit(line: string, columns = Infinity): string {
  return line.length > columns ? `${line.slice(0, columns - 1)}…` : line;
}

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const;

/** `3 min`, `2 d`: the largest unit that fits. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, ms / 1000);
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ['s', 1];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** `0.32 ms`, `3.70 s`: three digits. */
export function formatMs(ms: number): string {
  const [value, unit] = ms >= 1000 ? [ms / 1000, 's'] : [ms, 'ms'];
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}
