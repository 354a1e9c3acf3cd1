/** Who waits how long so that work comes in batches when there is much of it, and at once when there is little. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';

/**
 * When a worker rests between two turns, so that it drains batches under load and still wakes for a single frame when it is quiet. A
 * turn costs 1.7 us before its first frame; under a flood turns without rest found one or two frames each, 1.5 us of CPU a frame.
 *
 * A budget of turns that start at once: a burst of claims never waits; a flood spends the budget, and is then gathered. What arrives in
 * a rest, 60 frames at 400,000 a second, is a quarter of a ring of 128 KiB.
 */
const TURNS_PER_SECOND = 2000;
const TURNS_AT_ONCE = 200;
/** The kernel's timer slack adds 0.05 ms. */
const REST_MS = 0.1;
/**
 * After a claim that may change a binding. The main thread commits it at once and the next ones no sooner than a millisecond later
 * (Gather, below), so the worker loses nobody any time; and a guest that announces 50 HAVIPs gets them all out meanwhile. Without this
 * rest the worker took its CPU away for each of them: 1.1 to 4.8 ms for 50 frames (npm run bench -- group).
 */
const CHANGE_REST_MS = 0.3;

export class Pace {
  readonly #nothing = new Int32Array(new SharedArrayBuffer(4));
  #turns = TURNS_AT_ONCE;
  #lastNs = 0;

  /** After a turn that found frames. */
  rest(nowNs: number): void {
    const earned = ((nowNs - this.#lastNs) * TURNS_PER_SECOND) / 1e9;
    this.#turns = Math.min(TURNS_AT_ONCE, this.#turns + earned);
    this.#lastNs = nowNs;
    if (this.#turns >= 1) this.#turns--;
    else Atomics.wait(this.#nothing, 0, 0, REST_MS);
  }

  /** After a turn that told of a change. */
  restAfterChange(): void {
    Atomics.wait(this.#nothing, 0, 0, CHANGE_REST_MS);
  }
}

/** From the begin of a transaction that stood alone to that of the next, and from the begin of one that came soon after another. */
const FIRST_GAP_NS = 1e6;
const NEXT_GAP_NS = 3e6;
const ALONE_NS = 10e6;
/** What of a wait the thread sleeps through: timers of the event loop are of a millisecond, and up to one too early. */
const SLEPT_MS = 1;

/**
 * When the main thread may commit again while claims keep coming. The first claim of a sync group is programmed at once, the others,
 * which arrive within the next milliseconds, together; what a sender announces who was kept off its CPU meanwhile goes into the third.
 */
export class Gather {
  readonly #nothing = new Int32Array(new SharedArrayBuffer(4));
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

  /** Waits until the next one may come. */
  async wait(clock: Clock): Promise<void> {
    for (let waitMs = this.waitMs(clock.nowNs()); waitMs > 0; waitMs = this.waitMs(clock.nowNs())) {
      if (waitMs > SLEPT_MS) await sleep(waitMs - SLEPT_MS);
      else Atomics.wait(this.#nothing, 0, 0, waitMs);
    }
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
