/** Names that may stand once each. Main thread. */
import { formatPath, type Path, type Report } from './path.ts';

/** Names of one kind, each to be used once in the file. */
export class Names {
  /** The number of the first place of each. A number, because 100,000 paths, or functions that make them, cost 0.1 s. */
  readonly #first = new Map<string, number>();
  readonly #kind: string;
  readonly #report: Report;
  readonly #pathOf: (place: number) => Path;

  constructor(kind: string, report: Report, pathOf: (place: number) => Path) {
    this.#kind = kind;
    this.#report = report;
    this.#pathOf = pathOf;
  }

  add(name: string | undefined, place: number, mayShare?: (first: number) => boolean): void {
    if (name === undefined) return;
    const first = this.#first.get(name);
    if (first === undefined) this.#first.set(name, place);
    else if (mayShare?.(first) !== true) {
      const where = formatPath(this.#pathOf(first));
      this.#report(this.#pathOf(place), `${this.#kind} "${name}" is already used at ${where}; each may stand once in the file`);
    }
  }

  has(name: string): boolean {
    return this.#first.has(name);
  }
}
