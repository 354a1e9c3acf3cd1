/**
 * What follows from a move is worked out after the switch's effect (Book.afterwards). When that is, nobody may notice: a ledger that is
 * asked for everything after each sign, and one that is asked for its decisions alone, say the same in the end.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import type { Network } from '../../src/base/network.ts';
import { V } from '../../src/base/verdict.ts';
import type { VrrpFacts } from '../../src/lane/claim.ts';
import type { Effect } from '../../src/ledger/effects.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { A, B, C, HAVIP1, networkWith } from './scene.ts';

const NETWORK = networkWith({ members: null });
/** Where time and a lost link do more: questions, probes, resignations in another's name. */
const CAREFUL = networkWith({ members: null, verify: true, probe: true, assist: { on: ['link-down'], hasten: true } });
const steps = fc.array(
  fc.record({
    act: fc.constantFrom('announce', 'announce', 'advert', 'resign', 'down', 'up'),
    port: fc.constantFrom(A, B, C),
    waitMs: fc.constantFrom(0, 1, 300, 1200, 4000),
  }),
  { minLength: 1, maxLength: 40 },
);

type Step = typeof steps extends fc.Arbitrary<readonly (infer T)[]> ? T : never;

function history(network: Network, script: readonly Step[], ask: (ledger: Ledger) => Effect[]) {
  const ledger = new Ledger({ network, host: 'host-a' });
  const effects: Effect[] = [];
  let ms = 10_000;
  for (const { act, port, waitMs } of script) {
    ms += waitMs;
    const nowNs = ms * 1e6;
    if (act === 'down' || act === 'up') ledger.link({ port, state: act, ifindex: 10 + port, atNs: nowNs }, ms);
    else ledger.take(claimOf(act, port, nowNs), nowNs + 50_000, ms);
    effects.push(...ask(ledger));
  }
  effects.push(...ledger.drain());
  const binds = effects.filter(({ kind }) => kind === 'bind');
  const events = effects.flatMap((effect) => (effect.kind === 'event' ? [effect.event] : []));
  return { binds, events, view: ledger.view(HAVIP1), counters: { ...ledger.counters.failovers, ...ledger.counters.claims } };
}

function claimOf(kind: 'announce' | 'advert' | 'resign', port: number, capturedNs: number) {
  const { mac, addresses } = must(NETWORK.ports[port], 'a port');
  const source = must(addresses[0], 'its address');
  const priority = kind === 'resign' ? 0 : 100 + port;
  const facts = { version: 2, vrid: 51, priority, intervalMs: 1000, auth: 'none', checksum: 'v2', unicast: false } as const;
  const vrrp: VrrpFacts | null = kind === 'announce' ? null : { ...facts, source, destination: 0xe000_0012 };
  const frame = new Uint8Array(0);
  return { kind, verdict: V['havip-claim'], port, havip: HAVIP1, mac, capturedNs, vrrp, frame };
}

function all(ledger: Ledger): Effect[] {
  ledger.view(HAVIP1);
  return ledger.drain();
}

it('says the same whether it is asked at once or later', () => {
  fc.assert(
    fc.property(fc.constantFrom(NETWORK, CAREFUL), steps, (network, script) => {
      expect(history(network, script, (ledger) => ledger.decisions())).toEqual(history(network, script, all));
    }),
    { numRuns: 300 },
  );
});
