import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lists, type HavipPage } from '../../src/api/list.ts';
import { readQuery } from '../../src/api/query.ts';
import { formatIpv4 } from '../../src/base/address.ts';
import { type Havip, NO_NETWORK } from '../../src/base/network.ts';
import { type HavipGlance, newGlance } from '../../src/ledger/glance.ts';
import { HAVIP, havipAt } from './source.ts';

interface Row {
  readonly havip: Havip;
  readonly glance: HavipGlance;
}

const VPCS = [0, 1, 2].map((index) => ({ index, id: `vpc-${index}`, cidr: { base: 0x0a00_0000, bits: 8 } }));
const row = (i: number, changes: Partial<HavipGlance> = {}, havip = havipAt(i, `havip-${i}`, 0x0a00_0000 + i, i % 3)): Row => ({
  havip,
  glance: {
    ...newGlance(),
    holder: i % 2 === 0 ? `cvm-${i % 5}` : null,
    contested: i % 7 === 0,
    silent: i === 2 || i === 4,
    elsewhere: i === 6,
    sinceMs: (i * 7919) % 1000,
    failovers: i % 4,
    ...changes,
  },
});

/** HAVIPs as a reload, and the ledger, may change them. */
class Made {
  rows: readonly Row[];
  havips: readonly (Havip | null)[];
  nowNs = 0;
  readonly lists: Lists;

  constructor(rows: readonly Row[], few?: number) {
    this.rows = rows;
    this.havips = rows.map(({ havip }) => havip);
    const count = (test: (glance: HavipGlance) => boolean) => this.rows.filter(({ glance }) => test(glance)).length;
    this.lists = new Lists(
      {
        network: () => ({ ...NO_NETWORK, vpcs: VPCS, havips: this.havips }),
        counts: () => ({
          bound: count(({ holder }) => holder !== null),
          unbound: count(({ holder }) => holder === null),
          contested: count(({ contested }) => contested),
        }),
        look: (havip, _, glance) =>
          Object.assign(glance, this.rows.find((one) => one.havip.index === havip)?.glance ?? newGlance()),
        drawn: ({ id }) => ({ ...HAVIP, id }),
        nowNs: () => this.nowNs,
      },
      few,
    );
  }

  reload(rows: readonly Row[]): void {
    this.rows = rows;
    const havips = Array<Havip | null>(Math.max(0, ...rows.map(({ havip }) => havip.index + 1))).fill(null);
    for (const { havip } of rows) havips[havip.index] = havip;
    this.havips = havips;
  }

  async ask(parameters: string): Promise<HavipPage> {
    const query = readQuery(new URLSearchParams(parameters));
    if (typeof query === 'string') throw new Error(query);
    return JSON.parse(await this.lists.page(query)) as HavipPage;
  }

  async ids(parameters: string): Promise<string[]> {
    return (await this.ask(parameters)).havips.map(({ id }) => id);
  }

  /** Sorted: until then all are looked at for each page. */
  async settled(): Promise<this> {
    await this.ask('limit=1');
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    return this;
  }
}

const TEN = Array.from({ length: 10 }, (_, i) => row(i));

describe.each([
  ['before they are sorted', async (rows: readonly Row[]) => new Made(rows)],
  ['when they are sorted', async (rows: readonly Row[]) => new Made(rows).settled()],
  ['where few match, or more', async (rows: readonly Row[]) => new Made(rows, 3).settled()],
])('a page of HAVIPs, %s', (_when, make) => {
  it.each<[string, string[]]>([
    ['q=HAVIP-3', ['havip-3']],
    ['q=10.0.0.4', ['havip-4']],
    ['q=cvm-3', ['havip-8']],
    ['state=contested', ['havip-0', 'havip-7']],
    ['state=silent', ['havip-2', 'havip-4']],
    ['state=elsewhere', ['havip-6']],
    ['state=bound&vpc=vpc-1', ['havip-4']],
    ['state=unbound&limit=2', ['havip-1', 'havip-3']],
    ['sort=-address&limit=3', ['havip-9', 'havip-8', 'havip-7']],
    ['sort=failovers&limit=4', ['havip-0', 'havip-4', 'havip-8', 'havip-1']],
    ['sort=-failovers&limit=3', ['havip-7', 'havip-3', 'havip-6']],
    ['vpc=none', []],
    ['q=nobody', []],
    ['after=havip-3&limit=2', ['havip-4', 'havip-5']],
    // Who was the last on the page before is released meanwhile.
    ['after=havip-33&limit=2', ['havip-4', 'havip-5']],
    ['sort=-id&after=havip-33&limit=2', ['havip-3', 'havip-2']],
  ])('%s', async (parameters, expected) => {
    expect(await (await make(TEN)).ids(parameters)).toEqual(expected);
  });

  it('says how many there are, how many match, and where it goes on', async () => {
    const made = await make(TEN);
    expect(await made.ask('state=bound&limit=2')).toMatchObject({
      totals: { bound: 5, unbound: 5, contested: 2, silent: 2, elsewhere: 1 },
      matched: 5,
      next: 'havip-2',
    });
    expect(await made.ask('limit=10')).toMatchObject({ matched: 10, next: null });
  });

  it('is what a plain search gives, whatever is asked, page by page, also after reloads', async () => {
    await fc.assert(
      fc.asyncProperty(HOSTS, fc.array(QUERIES, { minLength: 1, maxLength: 3 }), async (hosts, queries) => {
        const made = await make(hosts[0] ?? []);
        for (const rows of hosts) {
          made.reload(rows);
          for (const query of queries) expect(await pages(made, query)).toEqual(plainly(rows, query));
        }
      }),
      { numRuns: 60 },
    );
  });
});

interface Asked {
  readonly q: string;
  readonly state: 'bound' | 'unbound' | 'contested' | 'silent' | 'elsewhere' | null;
  readonly vpc: number | null;
  readonly sort: 'id' | 'address' | 'since' | 'failovers';
  readonly down: boolean;
  readonly limit: number;
}

const NAMES = ['a', 'B', 'web-1', 'Web-10', '10.0', 'x.7', '172'];
const SAID = fc.constantFrom(
  '',
  'web',
  '1',
  '0',
  '.',
  '7.1',
  '10.0',
  '0.1',
  '.0.',
  '1.2.3.4',
  '1.2.3.4.5',
  '10.0.0.1',
  'cvm',
  'b',
);
const QUERIES: fc.Arbitrary<Asked> = fc.record({
  q: SAID,
  state: fc.constantFrom(null, null, 'bound', 'unbound', 'contested', 'silent', 'elsewhere'),
  vpc: fc.constantFrom(null, null, 0, 1),
  sort: fc.constantFrom('id', 'address', 'since', 'failovers'),
  down: fc.boolean(),
  limit: fc.integer({ min: 1, max: 9 }),
});
const ROW = fc
  .record({
    name: fc.constantFrom(...NAMES),
    address: fc.constantFrom(0x0a00_0001, 0x0a00_0011, 0x0a07_0100, 0x0102_0304, 0xac11_1007, 0xfe00_0a01),
    vpc: fc.nat(2),
    holder: fc.constantFrom(null, 'cvm-1', 'CVM-2', '10.0'),
    flags: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
    sinceMs: fc.nat(3),
    failovers: fc.nat(3),
  })
  .map(({ name, address, vpc, flags: [contested, silent, elsewhere], ...rest }) => (i: number): Row => {
    const glance = { ...rest, contested, silent: silent && rest.holder !== null, elsewhere: elsewhere && rest.holder !== null };
    return row(i, glance, havipAt(i, `${name}.${i}`, address, vpc));
  });
/** A host, and what it is after reloads: some HAVIPs gone, some others in their places. */
const HOSTS = fc
  .tuple(
    fc.array(ROW, { maxLength: 40 }),
    fc.array(fc.array(fc.tuple(fc.nat(60), fc.option(ROW)), { maxLength: 90 }), { maxLength: 3 }),
  )
  .map(([first, reloads]) => {
    const hosts = [first.map((make, i) => make(i))];
    for (const changes of reloads) {
      const rows = new Map((hosts.at(-1) ?? []).map((one) => [one.havip.index, one]));
      for (const [i, make] of changes) {
        if (make === null) rows.delete(i);
        else rows.set(i, make(i));
      }
      hosts.push([...rows.values()].toSorted((a, b) => a.havip.index - b.havip.index));
    }
    return hosts;
  });

/** All pages of a query: its rows, and how many it says there are. */
async function pages(made: Made, { q, state, vpc, sort, down, limit }: Asked) {
  // Half a second later, what was counted is counted anew.
  made.nowNs += 1e9;
  const parameters = new URLSearchParams({ q, sort: `${down ? '-' : ''}${sort}`, limit: String(limit) });
  if (state !== null) parameters.set('state', state);
  if (vpc !== null) parameters.set('vpc', `vpc-${vpc}`);
  const ids: string[] = [];
  let first: HavipPage | null = null;
  for (let after: string | null = ''; after !== null;) {
    if (after !== '') parameters.set('after', after);
    const page: HavipPage = await made.ask(parameters.toString());
    first ??= page;
    ids.push(...page.havips.map(({ id }) => id));
    after = page.next;
  }
  return { ids, matched: first?.matched, totals: first?.totals };
}

function isIn({ glance }: Row, name: NonNullable<Asked['state']>): boolean {
  if (name === 'bound' || name === 'unbound') return (glance.holder !== null) === (name === 'bound');
  return glance[name];
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : Number(a > b);
}

function plainly(rows: readonly Row[], { q, state, vpc, sort, down }: Asked) {
  const found = rows.filter((one) => {
    const texts = [one.havip.id, formatIpv4(one.havip.address), one.glance.holder ?? ''];
    const isNamed = q === '' || texts.some((text) => text.toLowerCase().includes(q));
    return isNamed && (state === null || isIn(one, state)) && (vpc === null || one.havip.vpc === vpc);
  });
  const key = ({ havip, glance }: Row) =>
    sort === 'since' ? glance.sinceMs : sort === 'failovers' ? glance.failovers : havip[sort];
  found.sort((a, b) => (down ? -1 : 1) * (compare(key(a), key(b)) || compare(a.havip.id, b.havip.id)));
  const count = (name: NonNullable<Asked['state']>) => rows.filter((one) => isIn(one, name)).length;
  return {
    ids: found.map(({ havip }) => havip.id),
    matched: found.length,
    totals: {
      bound: count('bound'),
      unbound: count('unbound'),
      contested: count('contested'),
      silent: count('silent'),
      elsewhere: count('elsewhere'),
    },
  };
}

describe('a list of HAVIPs', () => {
  it.each([
    ['state=up', 'state must be one of bound, unbound, contested, silent, elsewhere'],
    ['sort=name', 'sort must be one of id, address, since, failovers, with a "-" in front for the other way round'],
    ['limit=0', 'limit must be a whole number from 1 to 1000'],
    ['limit=1001', 'limit must be a whole number from 1 to 1000'],
    ['sort=since&after=havip-1', 'after must be what `next` was on the page before, with the same sort'],
    ['page=2', 'there is no parameter "page"; one of q, state, vpc, sort, after, limit'],
  ])('%s: %s', (parameters, mistake) => {
    expect(readQuery(new URLSearchParams(parameters))).toBe(mistake);
  });

  it('finds one by its name, also one that came or was changed by a reload', async () => {
    const made = await new Made(TEN).settled();
    expect(made.lists.named('havip-7')).toBe(TEN[7]?.havip);
    expect(made.lists.named('havip-70')).toBeNull();
    const changed = row(7);
    made.reload([...TEN.slice(1, 7), changed, row(12)]);
    expect(made.lists.named('havip-7')).toBe(changed.havip);
    expect(made.lists.named('havip-12')?.index).toBe(12);
    expect(made.lists.named('havip-0')).toBeNull();
  });

  it.each(['sort=-since&limit=100', 'limit=1000', 'q=cvm-3', 'state=bound&q=7.1'])(
    'lets others work while it looks through many: %s',
    async (parameters) => {
      const many = Array.from({ length: 100_000 }, (_, i) => havipAt(i, `havip-${i}`, 0x0a00_0000 + i));
      const lists = new Lists({
        network: () => ({ ...NO_NETWORK, vpcs: VPCS, havips: many }),
        counts: () => ({ bound: 100_000, unbound: 0, contested: 0 }),
        look: (havip, _, glance) => Object.assign(glance, { ...newGlance(), holder: `cvm-${havip % 7}` }),
        drawn: ({ id }) => ({ ...HAVIP, id }),
        nowNs: () => 0,
      });
      const query = readQuery(new URLSearchParams(parameters));
      if (typeof query === 'string') throw new Error(query);
      let turns = 0;
      let done = false;
      const turn = () => {
        turns++;
        if (!done) setImmediate(turn);
      };
      setImmediate(turn);
      const page = JSON.parse(await lists.page(query)) as HavipPage;
      done = true;
      expect(page.havips.length).toBe(query.limit);
      expect(turns).toBeGreaterThan(20);
    },
  );
});
