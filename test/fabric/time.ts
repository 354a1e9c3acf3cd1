/** The time of a simulated world: what shall happen, in order; and chance, from a seed. */
import type { Scheduler } from '../../src/fabric/memory/wire.ts';

interface Due {
  readonly atNs: number;
  readonly order: number;
  readonly act: () => void;
}

export class Timeline implements Scheduler {
  #nowNs = 1e9;
  #order = 0;
  readonly #heap: Due[] = [];

  nowNs(): number {
    return this.#nowNs;
  }

  after(ms: number, act: () => void): void {
    const heap = this.#heap;
    const due = { atNs: this.#nowNs + ms * 1e6, order: this.#order++, act };
    let at = heap.push(due) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(due, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = due;
  }

  run(ms: number): void {
    const untilNs = this.#nowNs + ms * 1e6;
    while (this.#heap.length > 0 && this.#heap[0]!.atNs <= untilNs) {
      const due = this.#pop();
      this.#nowNs = Math.max(this.#nowNs, due.atNs);
      due.act();
    }
    this.#nowNs = untilNs;
  }

  #pop(): Due {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atNs < b.atNs || (a.atNs === b.atNs && a.order < b.order);
}

/** mulberry32: small, fast, and the same everywhere. */
export function randomFrom(seed: number): () => number {
  let state = (seed * 0x9e3779b9) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
