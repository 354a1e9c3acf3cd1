/**
 * HAVIPs in the order of their names and of their addresses, kept from question to question: 1.6 MB of 100,000. Main thread, in slices: sorting that
 * many takes some 0.2 s, so it is done beside the first question, and after a reload only what changed is put in its place.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Havip, Network } from '../base/network.ts';

export type Kept = 'id' | 'address';

/** An order of HAVIPs; lists of a moment are never changed, so who walks one may take his time. */
type Compare = (a: Havip, b: Havip) => number;

/** Sorted, or merged, in a turn: a tenth of a millisecond, since others look through all of them meanwhile. */
const SLICE = 256;
/** More changes at once are sorted in with all. */
const FEW = 64;

export class Orders {
  #of: Network['havips'] = [];
  #by: Readonly<Record<Kept, readonly Havip[]>> | null = { id: [], address: [] };
  #sorting = false;

  /** null: they are being sorted. */
  now({ havips }: Network, kept: Kept): readonly Havip[] | null {
    if (havips !== this.#of) this.#follow(havips);
    if (this.#by === null && !this.#sorting) void this.#sort();
    return this.#by?.[kept] ?? null;
  }

  #follow(havips: Network['havips']): void {
    const before = this.#of;
    this.#of = havips;
    if (this.#by === null) return;
    const gone: Havip[] = [];
    const come: Havip[] = [];
    const most = Math.max(before.length, havips.length);
    for (let i = 0; i < most; i++) {
      const [was = null, is = null] = [before[i], havips[i]];
      if (was === is) continue;
      if (was !== null) gone.push(was);
      if (is !== null) come.push(is);
      if (gone.length + come.length > FEW) return void (this.#by = null);
    }
    if (gone.length + come.length === 0) return;
    const { id, address } = this.#by;
    this.#by = { id: changed(id, gone, come, byId), address: changed(address, gone, come, byAddress) };
  }

  async #sort(): Promise<void> {
    this.#sorting = true;
    let by = null;
    // What is sorted when a reload came meanwhile is sorted anew.
    for (let of: Network['havips'] | null = null; of !== this.#of;) {
      of = this.#of;
      const there = of.filter((havip) => havip !== null);
      by = { id: await sorted(there, byId), address: await sorted(there, byAddress) };
    }
    this.#by = by;
    this.#sorting = false;
  }
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : Number(a.id > b.id);
}

function byAddress(a: Havip, b: Havip): number {
  return a.address - b.address || byId(a, b);
}

/** The first place whose thing is not before. */
export function placeIn<T>(list: readonly T[], isBefore: (one: T) => boolean): number {
  let [from, to] = [0, list.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const there = list[middle];
    if (there !== undefined && isBefore(there)) from = middle + 1;
    else to = middle;
  }
  return from;
}

function changed(list: readonly Havip[], gone: readonly Havip[], come: readonly Havip[], compare: Compare): Havip[] {
  const after = [...list];
  for (const havip of gone)
    after.splice(
      placeIn(after, (one) => compare(one, havip) < 0),
      1,
    );
  for (const havip of come)
    after.splice(
      placeIn(after, (one) => compare(one, havip) < 0),
      0,
      havip,
    );
  return after;
}

/** By merging, a turn of the event loop after each slice. */
async function sorted(list: readonly Havip[], compare: Compare): Promise<readonly Havip[]> {
  let from: Havip[] = [];
  for (let at = 0; at < list.length; at += SLICE) {
    for (const havip of list.slice(at, at + SLICE).toSorted(compare)) from.push(havip);
    await nextTurn();
  }
  for (let width = SLICE; width < from.length; width *= 2) {
    const into: Havip[] = [];
    for (let at = 0; at < from.length; at += 2 * width) {
      let [left, right] = [at, at + width];
      const [leftEnd, rightEnd] = [Math.min(right, from.length), Math.min(right + width, from.length)];
      while (left < leftEnd || right < rightEnd) {
        const [a, b] = [from[left], from[right]];
        const isLeft = right >= rightEnd || (left < leftEnd && a !== undefined && b !== undefined && compare(a, b) <= 0);
        const next = isLeft ? a : b;
        if (isLeft) left++;
        else right++;
        if (next !== undefined) into.push(next);
        if (into.length % SLICE === 0) await nextTurn();
      }
    }
    from = into;
  }
  return from;
}
