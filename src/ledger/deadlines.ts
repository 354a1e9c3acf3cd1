/**
 * Which record is to be looked at next: a binary heap that knows each item's place, so an item is in it at most once.
 *
 * set() never moves an item to a later time: it then comes up early, its owner looks, and sets the right time. So a refresh,
 * which only ever postpones, costs nothing here.
 */
export interface Timed {
  /** When to look at it; Infinity while it is not in the heap. The heap's own. */
  deadlineNs: number;
  /** Place in the heap, -1 outside. The heap's own. */
  place: number;
}

export class Deadlines<T extends Timed> {
  readonly #heap: T[] = [];

  nextNs(): number {
    return this.#heap[0]?.deadlineNs ?? Number.POSITIVE_INFINITY;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Looks at the item no later than this. */
  set(item: T, atNs: number): void {
    if (atNs >= item.deadlineNs) return;
    item.deadlineNs = atNs;
    if (item.place < 0) {
      item.place = this.#heap.length;
      this.#heap.push(item);
    }
    this.#rise(item);
  }

  /** Takes out the first item that is due, or null. */
  pop(nowNs: number): T | null {
    const first = this.#heap[0];
    if (first === undefined || first.deadlineNs > nowNs) return null;
    this.remove(first);
    return first;
  }

  remove(item: T): void {
    if (item.place < 0) return;
    const last = this.#heap.pop();
    if (last !== undefined && last !== item) {
      this.#heap[item.place] = last;
      last.place = item.place;
      this.#rise(last);
      this.#sink(last);
    }
    item.place = -1;
    item.deadlineNs = Number.POSITIVE_INFINITY;
  }

  #rise(item: T): void {
    while (item.place > 0) {
      const parent = this.#heap[(item.place - 1) >> 1];
      if (parent === undefined || parent.deadlineNs <= item.deadlineNs) return;
      this.#swap(item, parent);
    }
  }

  #sink(item: T): void {
    for (;;) {
      const left = this.#heap[2 * item.place + 1];
      const right = this.#heap[2 * item.place + 2];
      const child = right !== undefined && left !== undefined && right.deadlineNs < left.deadlineNs ? right : left;
      if (child === undefined || child.deadlineNs >= item.deadlineNs) return;
      this.#swap(item, child);
    }
  }

  #swap(a: T, b: T): void {
    const place = a.place;
    a.place = b.place;
    b.place = place;
    this.#heap[a.place] = a;
    this.#heap[b.place] = b;
  }
}
