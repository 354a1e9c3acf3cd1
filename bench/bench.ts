/** What a bench is: one file, one question. It prints its figures, a hash of its answers, and what it compares with. */
export interface BenchOptions {
  /** The short form that runs inside `npm test`: everything is exercised, figures mean little. */
  readonly small: boolean;
  readonly print: (line: string) => void;
}

export interface Bench {
  readonly name: string;
  readonly question: string;
  /** Throws when answers that must be equal are not; never because something was slow. */
  run(options: BenchOptions): Promise<void>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function seconds(run: () => void): number {
  const fromNs = process.hrtime.bigint();
  run();
  return Number(process.hrtime.bigint() - fromNs) / 1e9;
}

/** `31.4 M/s` */
export function rate(count: number, inSeconds: number): string {
  return `${(count / inSeconds / 1e6).toFixed(1)} M/s`;
}
