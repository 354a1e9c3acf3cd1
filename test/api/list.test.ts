import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Glance, listHavips, readQuery } from '../../src/api/list.ts';
import { HAVIP } from './source.ts';

const glance = (i: number, changes: Partial<Glance> = {}): Glance => ({
  index: i,
  id: `havip-${i}`,
  vpc: `vpc-${i % 3}`,
  address: 0x0a00_0000 + i,
  holder: i % 2 === 0 ? `cvm-${i % 5}` : null,
  contested: i % 7 === 0,
  silent: i === 2 || i === 4,
  elsewhere: i === 6,
  sinceMs: (i * 7919) % 1000,
  failovers: i % 4,
  ...changes,
});

function ask(glances: readonly Glance[], parameters: string) {
  const query = readQuery(new URLSearchParams(parameters));
  if (typeof query === 'string') throw new Error(query);
  return listHavips({ glances: () => glances, drawn: ({ id }) => ({ ...HAVIP, id }) }, query);
}

const ids = async (glances: readonly Glance[], parameters: string) => (await ask(glances, parameters)).havips.map(({ id }) => id);
const TEN = Array.from({ length: 10 }, (_, i) => glance(i));

describe('a page of HAVIPs', () => {
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
    ['q=nobody', []],
  ])('%s', async (parameters, expected) => {
    expect(await ids(TEN, parameters)).toEqual(expected);
  });

  it('says how many there are, how many match, and where it goes on', async () => {
    expect(await ask(TEN, 'state=bound&limit=2')).toMatchObject({
      totals: { bound: 5, unbound: 5, contested: 2, silent: 2, elsewhere: 1 },
      matched: 5,
      next: 'havip-2',
    });
    expect(await ask(TEN, 'limit=10')).toMatchObject({ matched: 10, next: null });
  });

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

  it('page by page gives each HAVIP once, in order, whatever the sort', async () => {
    const any = fc.record({
      count: fc.nat(60),
      limit: fc.integer({ min: 1, max: 9 }),
      sort: fc.constantFrom('id', '-id', 'address', '-address', 'since', '-since', 'failovers', '-failovers'),
      keys: fc.infiniteStream(fc.nat(3)),
    });
    await fc.assert(
      fc.asyncProperty(any, async ({ count, limit, sort, keys }) => {
        const few = [...keys.take(count * 2)];
        const glances = Array.from({ length: count }, (_, i) =>
          glance(i, { sinceMs: few[i * 2] ?? 0, failovers: few[i * 2 + 1] ?? 0 }),
        );
        const whole = await ids(glances, `sort=${sort}&limit=1000`);
        expect(whole.toSorted()).toEqual(glances.map(({ id }) => id).toSorted());
        const pages: string[] = [];
        for (let after: string | null = ''; after !== null;) {
          const page = await ask(
            glances,
            `sort=${sort}&limit=${limit}${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`,
          );
          pages.push(...page.havips.map(({ id }) => id));
          after = page.next;
        }
        expect(pages).toEqual(whole);
      }),
      { numRuns: 200 },
    );
  });

  it('lets others work while it looks through many', async () => {
    let turns = 0;
    let done = false;
    const turn = () => {
      turns++;
      if (!done) setImmediate(turn);
    };
    setImmediate(turn);
    const many = Array.from({ length: 100_000 }, (_, i) => glance(i));
    expect((await ask(many, 'sort=-since&limit=100')).havips.length).toBe(100);
    done = true;
    expect(turns).toBeGreaterThan(40);
  });
});
