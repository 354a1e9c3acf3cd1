/**
 * What follows from a move is worked out after the switch's effect (Book.afterwards). When that is, nobody may notice: a ledger that is
 * asked for everything after each sign, and one that is asked for its decisions alone, say the same in the end.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import type { Network } from '../../src/base/network.ts';
import { V } from '../../src/base/verdict.ts';
import type { VrrpFacts } from '../../src/lane/claim.ts';
import type { Effect } from '../../src/ledger/effects.ts';
import { newGlance } from '../../src/ledger/glance.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { A, B, C, HAVIP1, networkWith } from './scene.ts';

/** A second HAVIP, which the same guests may claim. */
const OTHER = 3;
const NETWORK = twice(networkWith({ members: null }));
/** Where time and a lost link do more: questions, probes, resignations in another's name. */
const CAREFUL = twice(networkWith({ members: null, verify: true, probe: true, assist: { on: ['link-down'], hasten: true } }));
const steps = fc.array(
  fc.record({
    act: fc.constantFrom('announce', 'announce', 'advert', 'resign', 'down', 'up'),
    port: fc.constantFrom(A, B, C),
    havip: fc.constantFrom(HAVIP1, OTHER),
    waitMs: fc.constantFrom(0, 0, 0.2, 1, 300, 1200, 4000),
    acked: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);

function twice(network: Network): Network {
  const first = must(network.havips[HAVIP1], 'a HAVIP');
  const havips = [...network.havips];
  havips[OTHER] = { ...first, index: OTHER, id: 'havip-twin', address: first.address + 100 };
  return { ...network, havips };
}

type Step = typeof steps extends fc.Arbitrary<readonly (infer T)[]> ? T : never;

function history(network: Network, script: readonly Step[], ask: (ledger: Ledger) => Effect[]) {
  const ledger = new Ledger({ network, host: 'host-a' });
  const effects: Effect[] = [];
  let ms = 10_000;
  const collect = (more: readonly Effect[], ackedNs: number | null) => {
    effects.push(...more);
    for (const one of more) if (one.kind === 'bind' && ackedNs !== null) ledger.programmed(one.havip, one.epoch, ackedNs);
  };
  for (const { act, port, havip, waitMs, acked } of script) {
    ms += waitMs;
    const nowNs = ms * 1e6;
    if (act === 'down' || act === 'up') ledger.link({ port, state: act, ifindex: 10 + port, atNs: nowNs }, ms);
    else ledger.take(claimOf(act, port, nowNs, havip), nowNs + 50_000, ms);
    collect(ask(ledger), acked ? nowNs + 100_000 : null);
  }
  effects.push(...ledger.drain());
  const binds = effects.filter(({ kind }) => kind === 'bind');
  const events = effects.flatMap((effect) => (effect.kind === 'event' ? [effect.event] : []));
  return { binds, events, views: ledger.views(), counters: { ...ledger.counters.failovers, ...ledger.counters.claims } };
}

function claimOf(kind: 'announce' | 'advert' | 'resign', port: number, capturedNs: number, havip = HAVIP1) {
  const { mac, addresses } = must(NETWORK.ports[port], 'a port');
  const source = must(addresses[0], 'its address');
  const priority = kind === 'resign' ? 0 : 100 + port;
  const facts = { version: 2, vrid: 51, priority, intervalMs: 1000, auth: 'none', checksum: 'v2', unicast: false } as const;
  const vrrp: VrrpFacts | null = kind === 'announce' ? null : { ...facts, source, destination: 0xe000_0012 };
  const frame = new Uint8Array(0);
  return { kind, verdict: V['havip-claim'], port, havip, mac, capturedNs, vrrp, frame };
}

/** All that can be asked, as JSON. */
function ask(ledger: Ledger, nowNs: number): string {
  const glance = newGlance();
  ledger.glance(HAVIP1, nowNs, glance);
  const { claims, failovers, migrations, boundAfterOutage, assists } = ledger.counters;
  const counted = { claims, failovers, migrations, boundAfterOutage, assists, byState: ledger.bindingsByState() };
  const dueNs = ledger.nextDeadlineNs();
  const held = [ledger.bindingOf(HAVIP1), ledger.isUnheard(HAVIP1), ledger.heldUnder(0, 51), ledger.isUrgent(dueNs), dueNs];
  return JSON.stringify([glance, counted, held, ledger.views(nowNs), ledger.record(HAVIP1), ledger.findingCounts]);
}

it('says the same whether it is asked at once or later', () => {
  fc.assert(
    fc.property(fc.constantFrom(NETWORK, CAREFUL), steps, (network, script) => {
      expect(history(network, script, (ledger) => ledger.decisions())).toEqual(
        history(network, script, (ledger) => ledger.drain()),
      );
    }),
    { numRuns: 300 },
  );
});

it('tells of what was decided first before what is said at once of another HAVIP', () => {
  const acked = true;
  const script: Step[] = [
    { act: 'announce', port: A, havip: HAVIP1, waitMs: 0, acked },
    { act: 'announce', port: A, havip: OTHER, waitMs: 0, acked },
    { act: 'announce', port: B, havip: HAVIP1, waitMs: 4000, acked },
    // One moves, the other one is claimed back too soon.
    { act: 'announce', port: C, havip: OTHER, waitMs: 300, acked },
    { act: 'announce', port: A, havip: HAVIP1, waitMs: 0.2, acked },
  ];
  const { events } = history(NETWORK, script, (ledger) => ledger.decisions());
  expect(events.slice(-3).map(({ havip, kind }) => [havip, kind])).toEqual([
    ['havip-twin', 'bound'],
    ['havip-twin', 'failover'],
    [must(NETWORK.havips[HAVIP1], 'a HAVIP').id, 'deferred'],
  ]);
});

it('answers the same twice, and goes on as if it had not been asked', () => {
  fc.assert(
    fc.property(fc.constantFrom(NETWORK, CAREFUL), steps, (network, script) => {
      const asked = history(network, script, (ledger) => {
        const [first, second] = [ask(ledger, 60_000e6), ask(ledger, 60_000e6)];
        expect(second).toBe(first);
        return ledger.decisions();
      });
      expect(asked).toEqual(history(network, script, (ledger) => ledger.decisions()));
    }),
    { numRuns: 300 },
  );
});

function seen(ledger: Ledger) {
  const { holder, failovers, contested } = must(ledger.view(HAVIP1), 'a view');
  return { holder: holder?.instance ?? null, failovers, contested, counted: ledger.counters.failovers.takeover };
}

describe('what is seen', () => {
  it('of a move before it is drained is the binding, and after that what it was', () => {
    const ledger = new Ledger({ network: NETWORK, host: 'host-a' });
    ledger.take(claimOf('announce', A, 10_000e6), 10_000e6, 10_000);
    ledger.drain();
    ledger.take(claimOf('announce', B, 20_000e6), 20_000e6, 20_000);
    expect(ledger.bindingOf(HAVIP1)?.port).toBe(B);
    expect(seen(ledger)).toEqual({ holder: 'cvm-2', failovers: 0, contested: false, counted: 0 });
    ledger.decisions();
    expect(seen(ledger)).toEqual({ holder: 'cvm-2', failovers: 0, contested: false, counted: 0 });
    ledger.drain();
    expect(seen(ledger)).toEqual({ holder: 'cvm-2', failovers: 1, contested: false, counted: 1 });
  });

  it('of a deadline that nobody has told the ledger of is nothing, however late it is asked', () => {
    const ledger = new Ledger({ network: NETWORK, host: 'host-a' });
    ledger.take(claimOf('announce', A, 10_000e6), 10_000e6, 10_000);
    ledger.link({ port: A, state: 'down', ifindex: 10 + A, atNs: 11_000e6 }, 11_000);
    ledger.drain();
    const dueNs = ledger.nextDeadlineNs();
    expect(dueNs).toBeLessThan(60_000e6);
    expect(must(ledger.view(HAVIP1, 60_000e6), 'a view').state).toBe('bound');
    expect(ledger.nextDeadlineNs()).toBe(dueNs);
    ledger.tick(60_000e6, 60_000);
    expect(must(ledger.view(HAVIP1, 60_000e6), 'a view').state).toBe('unbound');
    expect(ledger.bindingsByState()).toMatchObject({ bound: 0 });
  });
});
