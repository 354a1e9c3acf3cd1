/**
 * Prints the demo as it happens: time, what, and details below. Colours only on a terminal; with `--json` it prints nothing.
 */
export type Tone = 'plain' | 'good' | 'bad' | 'dim' | 'bold';

const CODES: Record<Tone, string> = { plain: '', good: '32', bad: '31', dim: '2', bold: '1' };
const BAR_CELLS = 40;
const INDENT = ' '.repeat(11);

export class Timeline {
  readonly #startMs = performance.now();
  readonly #silent: boolean;
  readonly #colours: boolean;

  constructor(options: { readonly silent: boolean }) {
    this.#silent = options.silent;
    this.#colours = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
  }

  title(text: string): void {
    this.#print(`\n${this.#paint('bold', text)}\n`);
  }

  /** One event: `kind` in a column of its own. */
  event(kind: string, text: string, tone: Tone = 'plain'): void {
    const seconds = `${((performance.now() - this.#startMs) / 1000).toFixed(2)} s`.padStart(8);
    this.#print(`${this.#paint('dim', seconds)}   ${this.#paint(tone === 'plain' ? 'bold' : tone, kind.padEnd(9))} ${text}`);
  }

  detail(text: string, tone: Tone = 'dim'): void {
    this.#print(`${INDENT}${' '.repeat(10)}${this.#paint(tone, text)}`);
  }

  /** A duration with a bar, to the scale of the longest one. */
  phase(name: string, ms: number, longestMs: number): void {
    const cells = longestMs === 0 ? 0 : Math.ceil((ms / longestMs) * BAR_CELLS);
    const figure = ms.toFixed(ms < 10 ? 3 : 1).padStart(10);
    this.#print(`${INDENT}${' '.repeat(10)}${name.padEnd(12)}${figure} ms  ${this.#paint('dim', '▇'.repeat(cells))}`);
  }

  #paint(tone: Tone, text: string): string {
    return this.#colours && tone !== 'plain' ? `\u001B[${CODES[tone]}m${text}\u001B[0m` : text;
  }

  #print(text: string): void {
    if (!this.#silent) process.stdout.write(`${text}\n`);
  }
}
