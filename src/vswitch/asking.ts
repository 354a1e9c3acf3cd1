/**
 * What was asked of the switch and is not answered yet: one thing at a time, with a deadline. Only for drivers that answer later, as
 * those that wait for another process do; what is answered at once never comes here. Main thread; no timers: the owner looks at
 * `untilNs`.
 */
import type { Clock } from '../base/clock.ts';
import type { Change } from './vswitch.ts';

/** Long beside any transaction of a switch that lives: a driver that knows its connection is dead can say so sooner. */
const PATIENCE_FIRST_MS = 2000;
/** Doubled each time in vain: a switch that is only slow gets its turn. */
const PATIENCE_MAX_MS = 60_000;

interface Asked {
  readonly untilNs: number;
  /** The transaction; null: a listing, or a sign of life. */
  readonly changes: readonly Change[] | null;
}

export class Asking {
  readonly #clock: Clock;
  readonly #onAnswer: (isLate: boolean) => void;
  #asked: Asked | null = null;
  #patienceMs = PATIENCE_FIRST_MS;
  #closed = false;

  /** @param onAnswer called after each answer; `isLate`: a transaction that was given up was answered, so it may have been done */
  constructor(clock: Clock, onAnswer: (isLate: boolean) => void) {
    this.#clock = clock;
    this.#onAnswer = onAnswer;
  }

  get isOpen(): boolean {
    return this.#asked !== null;
  }

  /** null: nothing is asked. */
  get untilNs(): number | null {
    return this.#asked?.untilNs ?? null;
  }

  /** The transaction that is on its way; null: none is. */
  get changes(): readonly Change[] | null {
    return this.#asked?.changes ?? null;
  }

  wait<T>(answer: Promise<T>, changes: readonly Change[] | null, good: (value: T) => void, bad: (error: unknown) => void): void {
    const asked = { untilNs: this.#clock.nowNs() + this.#patienceMs * 1e6, changes };
    this.#asked = asked;
    const land = (tell: () => void) => {
      if (this.#closed) return;
      const isLate = this.#asked !== asked;
      if (isLate && changes === null) return;
      if (!isLate) {
        this.#asked = null;
        tell();
      }
      this.#onAnswer(isLate);
    };
    void answer.then(
      (value) => land(() => good(value)),
      (error: unknown) => land(() => bad(error)),
    );
  }

  /** Waits no longer. Returns what there was to say of it. */
  giveUp(): string {
    const waitedMs = this.#patienceMs;
    this.#asked = null;
    this.#patienceMs = Math.min(waitedMs * 2, PATIENCE_MAX_MS);
    return `no answer within ${waitedMs / 1000} s`;
  }

  /** The switch works. */
  trust(): void {
    this.#patienceMs = PATIENCE_FIRST_MS;
  }

  /** No answer means anything any more. */
  close(): void {
    this.#closed = true;
    this.#asked = null;
  }
}
