/** Who waits how long on the main thread, so that work comes in batches when there is much of it, and at once when there is little. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';

/** From the begin of a transaction that stood alone to that of the next, and from the begin of one that came soon after another. */
const FIRST_GAP_NS = 1e6;
const NEXT_GAP_NS = 3e6;
const ALONE_NS = 10e6;

/**
 * When the main thread may commit again while claims keep coming. The first claim of a sync group is programmed at once, the others,
 * which arrive within the next milliseconds, together; what a sender announces who was kept off its CPU meanwhile goes into the third.
 */
export class Gather {
  #startedNs = -ALONE_NS;
  #gapNs = 0;

  /** A transaction was begun at this time, and is committed. */
  committed(startedNs: number): void {
    this.#gapNs = startedNs - this.#startedNs > ALONE_NS ? FIRST_GAP_NS : NEXT_GAP_NS;
    this.#startedNs = startedNs;
  }

  /** How long the next one is to wait; 0: it may come at once. */
  waitMs(nowNs: number): number {
    return Math.max(0, this.#startedNs + this.#gapNs - nowNs) / 1e6;
  }

  /**
   * Waits until the next one may come, by timers of the event loop, which are of a millisecond and up to one too early or late. To sleep
   * the last one in Atomics.wait, exactly, held up everybody else on this thread, a scrape say, and won nothing: the last of 50 HAVIPs
   * that moved at once was programmed after 2.9 to 3.4 ms, so after 1.6 to 2.5; in a real-time class 2.8 to 3.6 and 2.7 to 4.1 (npm run
   * bench -- group, p50, three runs of each by turns on a busy machine).
   */
  async wait(clock: Clock): Promise<void> {
    for (let waitMs = this.waitMs(clock.nowNs()); waitMs > 0; waitMs = this.waitMs(clock.nowNs()))
      await sleep(Math.max(1, waitMs));
  }
}

/** Notices when many changes are over. */
export class Rest {
  readonly #many: number;
  readonly #afterMs: number;
  readonly #onRest: () => void;
  #changes = 0;
  #heeded = 0;
  #timer: NodeJS.Timeout | null = null;

  /** @param onRest called `afterMs` after the last of `many` changes or more */
  constructor(many: number, afterMs: number, onRest: () => void) {
    this.#many = many;
    this.#afterMs = afterMs;
    this.#onRest = onRest;
  }

  /** @param changes how many there were so far */
  after(changes: number): void {
    this.#changes = changes;
    if (this.#timer !== null) {
      this.#timer.refresh();
      return;
    }
    if (changes - this.#heeded < this.#many) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#heeded = this.#changes;
      this.#onRest();
    }, this.#afterMs);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}
