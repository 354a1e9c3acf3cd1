/** What is asked of a list of HAVIPs, and which of them answer to it. Pure; nothing is made for a HAVIP that is looked at. */
import type { Ipv4 } from '../base/address.ts';
import type { HavipGlance } from '../ledger/glance.ts';

export interface Query {
  /** In small letters. */
  readonly q: string;
  readonly state: State | null;
  readonly vpc: string | null;
  readonly sort: (typeof SORTS)[number];
  readonly descending: boolean;
  readonly after: { readonly key: string | number; readonly id: string } | null;
  readonly limit: number;
}

export type State = (typeof STATES)[number];

const STATES = ['bound', 'unbound', 'contested', 'silent', 'elsewhere'] as const;
const SORTS = ['id', 'address', 'since', 'failovers'] as const;
const KNOWN = new Set(['q', 'state', 'vpc', 'sort', 'after', 'limit']);
const LIMIT = 100;
const LIMIT_MOST = 1000;

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

export function cursorOf(key: string | number, id: string, sort: Query['sort']): string {
  return sort === 'id' ? id : `${key}:${id}`;
}

export function isIn(state: State, glance: HavipGlance): boolean {
  if (state === 'bound') return glance.holder !== null;
  return state === 'unbound' ? glance.holder === null : glance[state];
}

/** Is the text in a name, whatever its letters' case, or in an address as it is written? */
export class Finder {
  readonly #text: string;
  readonly #isAddress: (address: Ipv4) => boolean;
  /** Of 100,000 HAVIPs some thousand instances hold: each is looked at once. */
  readonly #holders = new Map<string, boolean>();

  /** @param text in small letters */
  constructor(text: string) {
    this.#text = text;
    this.#isAddress = inAddress(text);
  }

  finds(id: string, address: Ipv4): boolean {
    return this.#isAddress(address) || id.toLowerCase().includes(this.#text);
  }

  findsHolder(holder: string): boolean {
    let known = this.#holders.get(holder);
    if (known === undefined) this.#holders.set(holder, (known = holder.toLowerCase().includes(this.#text)));
    return known;
  }
}

/** By what each octet may be, not by texts: `7.1` is in an address where an octet ends in 7 and the next one begins with 1. */
function inAddress(text: string): (address: Ipv4) => boolean {
  const parts = text.split('.');
  if (!/^[\d.]+$/.test(text) || parts.length > 4) return () => false;
  const last = parts.length - 1;
  const tables = parts.map((part, i) =>
    Uint8Array.from({ length: 256 }, (_, octet) => {
      const written = String(octet);
      if (last === 0) return Number(written.includes(part));
      if (i === 0) return Number(written.endsWith(part));
      return Number(i === last ? written.startsWith(part) : written === part);
    }),
  );
  const fits = (address: Ipv4, first: number) => {
    for (let i = 0; i <= last; i++) if (tables[i]?.[(address >>> (24 - 8 * (first + i))) & 255] !== 1) return false;
    return true;
  };
  return (address) => {
    for (let first = 0; first + last < 4; first++) if (fits(address, first)) return true;
    return false;
  };
}
