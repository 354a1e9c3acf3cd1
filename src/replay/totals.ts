/** What is counted of a file, range by range. Main thread. */
import { PROTOCOLS, type Reason, VERDICTS } from '../base/verdict.ts';
import { kindOf } from '../lane/writer.ts';
import type { JudgedRange } from './range.ts';

export class Totals {
  frames = 0;
  /** Of those: that say no time. */
  untimed = 0;
  /** Where reading had to stop and why, with the frame's number. */
  problem: string | null = null;
  /** Packets that could not be judged, by why. */
  readonly skipped = new Map<string, number>();
  readonly #protocols = PROTOCOLS.map(() => 0);
  readonly #verdicts = VERDICTS.map(() => 0);

  add(range: JudgedRange): void {
    this.frames += range.frames;
    this.untimed += range.untimed;
    for (const [i, count] of range.protocols.entries()) this.#protocols[i]! += count;
    for (const [i, count] of range.verdicts.entries()) this.#verdicts[i]! += count;
    for (const [why, count] of range.skipped) this.skipped.set(why, (this.skipped.get(why) ?? 0) + count);
    if (range.problem !== null) this.problem = `frame ${this.frames + 1}, at byte ${range.end}: ${range.problem}`;
  }

  /** Frames that claim something. */
  get claims(): number {
    return this.#verdicts.reduce((sum, count, i) => (kindOf(i) >= 0 ? sum + count : sum), 0);
  }

  of(reason: Reason): number {
    return this.#verdicts[VERDICTS.findIndex(({ name }) => name === reason)] ?? 0;
  }

  report() {
    const verdicts: Partial<Record<Reason, number>> = {};
    for (const [i, { name }] of VERDICTS.entries()) if (this.#verdicts[i] !== 0) verdicts[name] = this.#verdicts[i]!;
    const protocols = Object.fromEntries(PROTOCOLS.map((name, i) => [name, this.#protocols[i]!]));
    return { frames: this.frames, protocols, verdicts };
  }
}
