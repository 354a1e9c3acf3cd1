/**
 * What the sources bring, in order of capture across all of them, to be taken in parts: the main thread must answer others while
 * guests claim as fast as their budgets allow. Main thread.
 */
import type { Claim, ClaimSource, LinkChange } from './claim.ts';

/** From one source at a time: a millisecond or two of copying, half of a ring. */
const MOST_PER_SOURCE = 1024;

export class Inbox {
  readonly sources: readonly ClaimSource[];
  #waiting: (Claim | LinkChange)[] = [];
  #at = 0;
  /** Behind the last that may change a binding. */
  #urgentEnd = 0;
  /** A source may have more that is as old as what was handed out last. */
  #cut = false;

  constructor(sources: readonly ClaimSource[]) {
    this.sources = sources;
  }

  /** Takes from the sources what is there, unless there is still something from the last time. */
  fill(): void {
    if (this.hasMore) return;
    const waiting: (Claim | LinkChange)[] = [];
    const add = (one: Claim | LinkChange) => void waiting.push(one);
    this.#cut = false;
    for (const source of this.sources) {
      const before = waiting.length;
      source.drain(add, add, MOST_PER_SOURCE);
      if (waiting.length - before >= MOST_PER_SOURCE) this.#cut = true;
    }
    if (this.sources.length > 1) waiting.sort((a, b) => timeOf(a) - timeOf(b));
    this.#waiting = waiting;
    this.#at = 0;
    this.#urgentEnd = waiting.findLastIndex(isUrgent) + 1;
  }

  next(): Claim | LinkChange | null {
    return this.#waiting[this.#at++] ?? null;
  }

  get hasMore(): boolean {
    return this.#at < this.#waiting.length;
  }

  /** What may change a binding is still to be handed out. */
  get hasUrgent(): boolean {
    return this.#at < this.#urgentEnd;
  }

  /** Up to when all that was captured has been handed out: what was due by then may be done. */
  doneUntilNs(nowNs: number): number {
    const next = this.#waiting[this.#at] ?? (this.#cut ? this.#waiting.at(-1) : undefined);
    return next === undefined ? nowNs : Math.min(nowNs, timeOf(next));
  }
}

function isUrgent(one: Claim | LinkChange): boolean {
  return !('kind' in one) || (one.kind !== 'advert' && one.kind !== 'refused');
}

function timeOf(one: Claim | LinkChange): number {
  return 'kind' in one ? one.capturedNs : one.atNs;
}
