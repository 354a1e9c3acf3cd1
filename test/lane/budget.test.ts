/** How much one port may say in all, and what an advert of many addresses costs it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { vrrp } from '../../native-fixtures/frames.ts';
import { newHeld } from '../../src/filter/held.ts';
import { judge } from '../../src/filter/judge.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { ADVERTISES, MOVES, PortBudgets, REFRESHES, RESIGNS } from '../../src/lane/budget.ts';
import { ABSORBED, Lane } from '../../src/lane/lane.ts';
import { LaneReader } from '../../src/lane/reader.ts';
import { Teller } from '../../src/lane/teller.ts';
import { kindOf } from '../../src/lane/writer.ts';
import { must } from '../../src/base/assert.ts';
import { formatIpv4 } from '../../src/base/address.ts';
import { CVM1, CVM2, HAVIP_OPEN, MAC1, MAC2, seedNetwork } from '../network.ts';

const SECOND = 1e9;

describe('the budget of a port', () => {
  let budgets: PortBudgets;
  beforeEach(() => {
    budgets = new PortBudgets(4);
  });
  /** How many of so many words a millisecond pass within a second. */
  const passedOf = (port: number, kind: number, wordsEach: number, perMs: number, seconds = 1) => {
    let passed = 0;
    for (let ms = 0; ms < seconds * 1000; ms++)
      for (let i = 0; i < perMs; i++) if (budgets.take(port, kind, wordsEach, ms * 1e6)) passed += wordsEach;
    return passed;
  };

  it('is counted in words: 4,000 adverts a second of 113 addresses are as many words as those of one', () => {
    const one = passedOf(0, ADVERTISES, 1, 4, 10);
    const many = passedOf(1, ADVERTISES, 113, 4, 10);
    expect(one).toBe(10_999);
    expect(Math.abs(many - one)).toBeLessThanOrEqual(113);
  });

  it('is each port’s own, and each kind’s', () => {
    expect(passedOf(0, ADVERTISES, 113, 4)).toBeLessThan(2200);
    for (const kind of [RESIGNS, REFRESHES, MOVES]) expect(budgets.take(0, kind, 1, SECOND)).toBe(true);
    expect(budgets.take(1, ADVERTISES, 1, SECOND)).toBe(true);
  });

  it('lets a guest that takes over a thousand HAVIPs announce each five times at once, twice', () => {
    expect(passedOf(0, MOVES, 1, 10_000, 0.001)).toBe(10_000);
  });

  it('earns nothing while time stands still or runs backwards', () => {
    while (budgets.take(0, ADVERTISES, 100, 5 * SECOND));
    for (const ns of [5 * SECOND, 1 * SECOND, 4.9 * SECOND]) expect(budgets.take(0, ADVERTISES, 1, ns)).toBe(false);
    expect(budgets.take(0, ADVERTISES, 1, 6 * SECOND)).toBe(true);
  });
});

describe('a port that is member of many HAVIPs', () => {
  /** 113 more, that every machine of subnet-a may claim. */
  const open = must(seedNetwork.havips[HAVIP_OPEN], 'an open HAVIP');
  const havips = Array.from({ length: 113 }, (_, i) => ({
    ...open,
    index: seedNetwork.havips.length + i,
    id: `many-${i}`,
    address: open.address + 1 + i,
  }));
  const network = { ...seedNetwork, havips: [...seedNetwork.havips, ...havips] };
  const policy = compilePolicy(network).seeing(newHeld(network));
  const sighting = new Sighting();
  const advert = (source: string, ipSource: string, vrid: number) =>
    vrrp({ version: 3, source, ipSource, vrid, addresses: havips.map(({ address }) => formatIpv4(address)) });

  it('and advertises them all under every VRID takes no more than its share, whole frames of it, and nobody else’s', () => {
    const lane = new Lane();
    const teller = new Teller(lane, sighting, new PortBudgets(8));
    const reader = new LaneReader(lane);
    teller.follow(policy);
    const say = (port: number, frame: Uint8Array, ns: number) => {
      const verdict = judge(policy, frame, 0, frame.length, 0, port, sighting);
      teller.claim(kindOf(verdict), verdict, port, ns, frame, 0, frame.length);
    };
    const heard = new Map<string, number>();
    const take = () =>
      reader.drain(
        ({ port, vrrp: facts, capturedNs }) => {
          const frame = `${port} ${facts?.vrid} ${capturedNs}`;
          heard.set(frame, (heard.get(frame) ?? 0) + 1);
        },
        () => {},
        Infinity,
      );
    const others: number[] = [];
    for (let i = 0; i < 4000; i++) {
      const ns = SECOND + (i * SECOND) / 4000;
      say(CVM1, advert(MAC1, '172.17.16.7', 1 + (i % 255)), ns);
      if (i % 400 === 0) {
        say(CVM2, advert(MAC2, '172.17.16.13', 7), ns);
        others.push(ns);
      }
      take();
    }
    const own = [...heard].filter(([frame]) => frame.startsWith(`${CVM1} `));
    const words = own.reduce((sum, [, count]) => sum + count, 0);
    expect(words).toBeGreaterThan(1900);
    expect(words).toBeLessThan(2300);
    // Also of the last address that a frame lists: taken whole. (An address has a budget of its own as well, which is larger.)
    for (const [, count] of own) expect(count).toBe(113);
    for (const ns of others) expect(heard.get(`${CVM2} 7 ${ns}`)).toBe(113);
    expect(lane.tallies[ABSORBED]).toBe(4000 - own.length);
  });
});
