/**
 * `GET /api/v1/havips?q=&state=&vpc=&sort=&after=&limit=`: a page of HAVIPs, and how many there are. Main thread, in slices of a few tenths of a
 * millisecond.
 *
 * By name and by address HAVIPs are in order already (orders.ts), and a page is found by halving; by what changes all the time each is looked at.
 * How many match is counted once for all who ask within half a second; who is bound and who contested is known at each moment.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { must } from '../base/assert.ts';
import type { Havip, Network } from '../base/network.ts';
import { type HavipGlance, newGlance } from '../ledger/glance.ts';
import { cachedFor } from './cached.ts';
import { Orders, placeIn } from './orders.ts';
import { cursorOf, Finder, isIn, type Query } from './query.ts';
import type { HavipView } from './types.ts';

export interface Totals {
  readonly bound: number;
  readonly unbound: number;
  readonly contested: number;
  /** Of those bound: who kept a pace and is missed; and whose holder is on another host. */
  readonly silent: number;
  readonly elsewhere: number;
}

export interface HavipPage {
  /** Of all HAVIPs, by state. */
  readonly totals: Totals;
  /** How many of them match the query. */
  readonly matched: number;
  readonly havips: readonly HavipView[];
  /** For `after`, to get the next page; null: this is the last. */
  readonly next: string | null;
}

export interface ListSource {
  network(): Network;
  counts(): Pick<Totals, 'bound' | 'unbound' | 'contested'>;
  /** What is known of a HAVIP, by its index, into `glance`. */
  look(havip: number, nowNs: number, glance: HavipGlance): void;
  /** The HAVIP whole; null: a reload took it away meanwhile. */
  drawn(havip: Havip): HavipView | null;
  nowNs(): number;
}

/** Looked at, and drawn up whole, between two turns of the event loop. */
const NS_PER_MS = 1e6;
const SLICE = 4096;
const DRAWN = 25;
const COUNTED_MS = 500;
/** Queries whose matches are known. */
const COUNTED_MOST = 8;
const FEW = 16_384;
/** A host that has just started has other work; whoever asks before looks at all of them. */
const SORTED_AFTER_MS = 2000;

interface Matches {
  readonly count: number;
  /** In no order; null: they are not few. */
  readonly few: readonly Havip[] | null;
}

interface Counted {
  readonly atMs: number;
  readonly of: Network['havips'];
  readonly matches: Promise<Matches>;
}

type Filter = Pick<Query, 'q' | 'state' | 'vpc'>;
type Test = (havip: Havip, glance: HavipGlance) => boolean;
type Key = string | number;

interface Found {
  readonly rows: readonly Havip[];
  /** Where the page after it begins; null: there is none. */
  readonly next: string | null;
}

const NONE: Found = { rows: [], next: null };

export class Lists {
  readonly #source: ListSource;
  readonly #few: number;
  readonly #orders = new Orders();
  readonly #counted = new Map<string, Counted>();
  readonly #missed: () => Promise<Pick<Totals, 'silent' | 'elsewhere'>>;

  /** @param few so many matches are looked through faster than the list is walked until enough of them were met */
  constructor(source: ListSource, few = FEW) {
    this.#source = source;
    this.#few = few;
    setTimeout(() => this.#orders.now(source.network(), 'id'), SORTED_AFTER_MS).unref();
    this.#missed = cachedFor(
      COUNTED_MS,
      () => this.#countMissed(),
      () => source.nowNs() / NS_PER_MS,
    );
  }

  /** A HAVIP by its name: in 100,000 by halving, where they are in order. */
  named(id: string): Havip | null {
    const network = this.#source.network();
    const order = this.#orders.now(network, 'id');
    if (order === null) return network.havips.find((havip) => havip?.id === id) ?? null;
    const there = order[placeIn(order, (havip) => havip.id < id)];
    return there?.id === id ? there : null;
  }

  /** The page as JSON. */
  async page(query: Query): Promise<string> {
    const { silent, elsewhere } = await this.#missed();
    const totals: Totals = { ...this.#source.counts(), silent, elsewhere };
    const { count, few } = await this.#matched(query, totals);
    const { rows, next } = count === 0 ? NONE : await this.#find(query, few);
    let text = `{"totals":${JSON.stringify(totals)},"matched":${count},"havips":[`;
    let drawn = 0;
    for (const havip of rows) {
      const view = this.#source.drawn(havip);
      if (view === null) continue;
      text += `${drawn === 0 ? '' : ','}${JSON.stringify(view)}`;
      if (++drawn % DRAWN === 0) await nextTurn();
    }
    return `${text}],"next":${JSON.stringify(next)}}\n`;
  }

  #matched(query: Query, totals: Totals): Matches | Promise<Matches> {
    const { q, state, vpc } = query;
    const isByState = q === '' && vpc === null;
    const count = state === null ? totals.bound + totals.unbound : totals[state];
    return isByState && (state === null || count === 0 || count > this.#few) ? { count, few: null } : this.#matches(query);
  }

  /** At most half a second old, and of these HAVIPs. */
  #matches({ q, state, vpc }: Filter): Promise<Matches> {
    const of = this.#source.network().havips;
    const name = JSON.stringify([q, state, vpc]);
    const known = this.#counted.get(name);
    const atMs = this.#source.nowNs() / NS_PER_MS;
    if (known !== undefined && known.of === of && atMs - known.atMs < COUNTED_MS) return known.matches;
    this.#counted.delete(name);
    const matches = this.#gather(this.#testOf({ q, state, vpc }));
    matches.catch(() => this.#counted.delete(name));
    this.#counted.set(name, { atMs, of, matches });
    for (const oldest of this.#counted.keys()) {
      if (this.#counted.size <= COUNTED_MOST) break;
      this.#counted.delete(oldest);
    }
    return matches;
  }

  async #gather(test: Test): Promise<Matches> {
    let count = 0;
    const few: Havip[] = [];
    await this.#each((havip, glance) => {
      if (!test(havip, glance)) return;
      if (count++ < this.#few) few.push(havip);
    });
    return { count, few: count > this.#few ? null : few };
  }

  async #countMissed(): Promise<Pick<Totals, 'silent' | 'elsewhere'>> {
    const missed = { silent: 0, elsewhere: 0 };
    const nowNs = this.#source.nowNs();
    await this.#each((havip, glance) => {
      this.#source.look(havip.index, nowNs, glance);
      if (glance.silent) missed.silent++;
      if (glance.elsewhere) missed.elsewhere++;
    });
    return missed;
  }

  async #each(
    act: (havip: Havip, glance: HavipGlance) => void,
    of: Network['havips'] = this.#source.network().havips,
  ): Promise<void> {
    const glance = newGlance();
    let looked = 0;
    for (const havip of of) {
      if (++looked % SLICE === 0) await nextTurn();
      if (havip !== null) act(havip, glance);
    }
  }

  #testOf({ q, state, vpc }: Filter): Test {
    const { vpcs } = this.#source.network();
    const within = vpc === null ? null : (vpcs.find((one) => one?.id === vpc)?.index ?? -1);
    const finder = q === '' ? null : new Finder(q);
    const nowNs = this.#source.nowNs();
    return (havip, glance) => {
      if (within !== null && havip.vpc !== within) return false;
      const isFound = finder === null || finder.finds(havip.id, havip.address);
      if (state === null && isFound) return true;
      this.#source.look(havip.index, nowNs, glance);
      if (state !== null && !isIn(state, glance)) return false;
      return isFound || (glance.holder !== null && finder.findsHolder(glance.holder));
    };
  }

  #find(query: Query, few: Matches['few']): Promise<Found> {
    const { sort } = query;
    const isKept = few === null && (sort === 'id' || sort === 'address');
    const order = isKept ? this.#orders.now(this.#source.network(), sort) : null;
    return order === null ? this.#search(query, few) : this.#walk(query, order);
  }

  /** From the cursor on, until the page is full and it is known whether there is another. */
  async #walk(query: Query, order: readonly Havip[]): Promise<Found> {
    const { descending, limit } = query;
    const test = this.#testOf(query);
    const key = keyOf(query);
    const glance = newGlance();
    const rows: Havip[] = [];
    const step = descending ? -1 : 1;
    for (let at = beginOf(query, order), looked = 1; at >= 0 && at < order.length; at += step, looked++) {
      const havip = must(order[at], 'a place in the list');
      if (looked % SLICE === 0) await nextTurn();
      if (!test(havip, glance)) continue;
      const last = rows.at(-1);
      if (rows.length === limit && last !== undefined) return { rows, next: cursorOf(key(last, glance), last.id, query.sort) };
      rows.push(havip);
    }
    return { rows, next: null };
  }

  /** All of them, or of those that match, are looked at, and the first ones kept. */
  async #search(query: Query, few: Matches['few']): Promise<Found> {
    const { after, limit, sort } = query;
    const test = few === null ? this.#testOf(query) : () => true;
    const key = keyOf(query);
    const isBefore = beforeIn(query);
    const nowNs = this.#source.nowNs();
    const best: { readonly key: Key; readonly havip: Havip }[] = [];
    let beyond = 0;
    await this.#each((havip, glance) => {
      if (!test(havip, glance)) return;
      this.#source.look(havip.index, nowNs, glance);
      const here = key(havip, glance);
      if (after !== null && !isBefore(after.key, after.id, here, havip.id)) return;
      beyond++;
      const worst = best.at(-1);
      if (best.length === limit && worst !== undefined && isBefore(worst.key, worst.havip.id, here, havip.id)) return;
      best.splice(
        placeIn(best, (one) => isBefore(one.key, one.havip.id, here, havip.id)),
        0,
        { key: here, havip },
      );
      if (best.length > limit) best.pop();
    }, few ?? undefined);
    const last = best.at(-1);
    const isLast = last === undefined || beyond <= best.length;
    return { rows: best.map(({ havip }) => havip), next: isLast ? null : cursorOf(last.key, last.havip.id, sort) };
  }
}

/** By what it is sorted. */
function keyOf({ sort }: Query): (havip: Havip, glance: HavipGlance) => Key {
  if (sort === 'id') return ({ id }) => id;
  if (sort === 'address') return ({ address }) => address;
  return sort === 'since' ? (_, { sinceMs }) => sinceMs : (_, { failovers }) => failovers;
}

/** In the order that is asked for, of two HAVIPs by their keys and names. */
function beforeIn({ descending }: Query): typeof isLess {
  return descending ? (a, aId, b, bId) => isLess(b, bId, a, aId) : isLess;
}

function isLess(a: Key, aId: string, b: Key, bId: string): boolean {
  return a < b || (a === b && aId < bId);
}

/** The first place behind the cursor, in a list that ascends. */
function beginOf({ after, descending, sort }: Query, order: readonly Havip[]): number {
  if (after === null) return descending ? order.length - 1 : 0;
  const { key, id } = after;
  const isBelow = (havip: Havip) =>
    sort === 'id' ? havip.id < id : havip.address < Number(key) || (havip.address === key && havip.id < id);
  const place = placeIn(order, isBelow);
  if (descending) return place - 1;
  return order[place]?.id === id ? place + 1 : place;
}
