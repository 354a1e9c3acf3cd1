/**
 * `GET /api/v1/havips?q=&state=&vpc=&sort=&after=&limit=`: a page of HAVIPs, and how many there are. Main thread, in slices of about a
 * millisecond: of 100,000 HAVIPs each is looked at, but only those of the page are drawn up whole.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { formatIpv4, type Ipv4 } from '../base/address.ts';
import type { HavipGlance } from '../ledger/glance.ts';
import type { HavipView } from './types.ts';

/** What of a HAVIP is found without drawing it up. */
export interface Glance extends HavipGlance {
  readonly index: number;
  readonly id: string;
  readonly vpc: string;
  readonly address: Ipv4;
}

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

export interface HavipLists {
  glances(): Iterable<Glance>;
  /** The HAVIP whole; null: a reload took it away meanwhile. */
  drawn(glance: Glance): HavipView | null;
}

export interface Query {
  readonly q: string;
  readonly state: (typeof STATES)[number] | null;
  readonly vpc: string | null;
  readonly sort: (typeof SORTS)[number];
  readonly descending: boolean;
  readonly after: { readonly key: string | number; readonly id: string } | null;
  readonly limit: number;
}

const STATES = ['bound', 'unbound', 'contested', 'silent', 'elsewhere'] as const;
const SORTS = ['id', 'address', 'since', 'failovers'] as const;
const KNOWN = new Set(['q', 'state', 'vpc', 'sort', 'after', 'limit']);
const LIMIT = 100;
const LIMIT_MOST = 1000;
const SLICE = 2048;

/** The query, or what is wrong with it. */
export function readQuery(parameters: URLSearchParams): Query | string {
  for (const name of parameters.keys())
    if (!KNOWN.has(name)) return `there is no parameter "${name}"; one of ${[...KNOWN].join(', ')}`;
  const state = STATES.find((one) => one === parameters.get('state')) ?? null;
  if (state === null && parameters.has('state')) return `state must be one of ${STATES.join(', ')}`;
  const wanted = parameters.get('sort') ?? 'id';
  const sort = SORTS.find((one) => one === wanted.replace(/^-/, ''));
  if (sort === undefined) return `sort must be one of ${SORTS.join(', ')}, with a "-" in front for the other way round`;
  const limit = parameters.get('limit') ?? String(LIMIT);
  if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > LIMIT_MOST) return `limit must be a whole number from 1 to ${LIMIT_MOST}`;
  const after = cursorIn(parameters.get('after'), sort);
  if (after === undefined) return 'after must be what `next` was on the page before, with the same sort';
  const q = (parameters.get('q') ?? '').toLowerCase();
  return { q, state, vpc: parameters.get('vpc'), sort, descending: wanted.startsWith('-'), after, limit: Number(limit) };
}

/** undefined: it is none. */
function cursorIn(text: string | null, sort: Query['sort']): Query['after'] | undefined {
  if (text === null) return null;
  if (sort === 'id') return { key: text, id: text };
  const [, key, id] = /^(\d{1,15}):(.+)$/.exec(text) ?? [];
  return key === undefined || id === undefined ? undefined : { key: Number(key), id };
}

export async function listHavips(source: HavipLists, query: Query): Promise<HavipPage> {
  const best: Glance[] = [];
  let matched = 0;
  let beyond = 0;
  let looked = 0;
  const totals = { bound: 0, unbound: 0, contested: 0, silent: 0, elsewhere: 0 };
  const { order, isAfter } = orderOf(query);
  for (const glance of source.glances()) {
    if (++looked % SLICE === 0) await nextTurn();
    count(totals, glance);
    if (!matches(glance, query)) continue;
    matched++;
    if (!isAfter(glance)) continue;
    beyond++;
    keepBest(best, glance, query.limit, order);
  }
  const last = best.at(-1);
  return {
    totals,
    matched,
    havips: best.flatMap((glance) => source.drawn(glance) ?? []),
    next: last === undefined || beyond <= best.length ? null : cursorOf(last, query.sort),
  };
}

function count(totals: { -readonly [state in keyof Totals]: number }, { holder, contested, silent, elsewhere }: Glance): void {
  if (holder === null) totals.unbound++;
  else totals.bound++;
  if (contested) totals.contested++;
  if (silent) totals.silent++;
  if (elsewhere) totals.elsewhere++;
}

function isIn(state: NonNullable<Query['state']>, glance: Glance): boolean {
  if (state === 'bound') return glance.holder !== null;
  return state === 'unbound' ? glance.holder === null : glance[state];
}

function matches(glance: Glance, query: Query): boolean {
  const { id, vpc, address, holder } = glance;
  if (query.vpc !== null && vpc !== query.vpc) return false;
  if (query.state !== null && !isIn(query.state, glance)) return false;
  if (query.q === '') return true;
  return (
    id.toLowerCase().includes(query.q) ||
    (holder !== null && holder.toLowerCase().includes(query.q)) ||
    formatIpv4(address).includes(query.q)
  );
}

type Order = (a: Glance, b: Glance) => number;

function orderOf({ sort, descending, after }: Query): { readonly order: Order; readonly isAfter: (glance: Glance) => boolean } {
  const sign = descending ? -1 : 1;
  const byKey = (a: string | number, aId: string, b: string | number, bId: string) =>
    sign * (a < b ? -1 : a > b ? 1 : compare(aId, bId));
  return {
    order: (a, b) => byKey(keyOf(a, sort), a.id, keyOf(b, sort), b.id),
    isAfter: (glance) => after === null || byKey(keyOf(glance, sort), glance.id, after.key, after.id) > 0,
  };
}

function keyOf(glance: Glance, sort: Query['sort']): string | number {
  if (sort === 'since') return glance.sinceMs;
  return glance[sort];
}

function cursorOf(glance: Glance, sort: Query['sort']): string {
  return sort === 'id' ? glance.id : `${keyOf(glance, sort)}:${glance.id}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Into its place among the first `most`, of which the last goes. */
function keepBest(best: Glance[], glance: Glance, most: number, order: Order): void {
  const last = best.at(-1);
  if (best.length === most && last !== undefined && order(glance, last) > 0) return;
  let [from, to] = [0, best.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const there = best[middle];
    if (there !== undefined && order(there, glance) < 0) from = middle + 1;
    else to = middle;
  }
  best.splice(from, 0, glance);
  if (best.length > most) best.pop();
}
