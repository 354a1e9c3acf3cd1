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
 * (agent/gather.ts), so the worker loses nobody any time; and a guest that announces 50 HAVIPs gets them all out meanwhile. Without this
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
