/** Names as entries: what is told step by step is what a fresh start would tell. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { type Binding, bindingElsewhere, bindingHere } from '../../src/base/binding.ts';
import type { Network } from '../../src/base/network.ts';
import { Names } from '../../src/vswitch/names.ts';
import { HAVIP1, HAVIP_OPEN, MAC1, seedNetwork } from '../network.ts';
import { macOf } from './values.ts';

const HAVIPS = seedNetwork.havips.map((_, index) => index);
const MACS = [MAC1, '00:00:5e:00:01:33', '00:00:5e:00:01:34'];

class Told {
  readonly bindings = new Map<number, Binding>();
  readonly entries = new Map<string, string>();
  readonly names = new Names(
    (kind, key, value) =>
      void (value === null ? this.entries.delete(`${kind} ${key}`) : this.entries.set(`${kind} ${key}`, value)),
    this.bindings,
    (name) => (name === 'tap13' ? 0 : 12),
  );

  hold(network: Network, havip: number, binding: Binding | null): void {
    const before = this.bindings.get(havip) ?? null;
    if (binding === null) this.bindings.delete(havip);
    else this.bindings.set(havip, binding);
    const one = network.havips[havip];
    if (one) this.names.hold(one, before, binding);
  }
}

const step = fc.oneof(
  fc.record({
    do: fc.constant('hold' as const),
    havip: fc.constantFrom(...HAVIPS),
    port: fc.option(fc.constantFrom(0, 1, 2), { nil: null }),
    mac: fc.constantFrom(...MACS),
  }),
  fc.record({
    do: fc.constant('own' as const),
    havip: fc.constantFrom(...HAVIPS),
    vrids: fc.uniqueArray(fc.constantFrom(51, 52, 7), { maxLength: 2 }),
  }),
  fc.record({
    do: fc.constant('configure' as const),
    havip: fc.constantFrom(...HAVIPS),
    vrid: fc.constantFrom(null, 51, 9),
    members: fc.constantFrom(null, ['cvm-1'], ['cvm-1', 'cvm-2']),
    gone: fc.boolean(),
    port: fc.boolean(),
  }),
);

const reconfigured = (havips: Network['havips'], ports: Network['ports']): Network => ({ ...seedNetwork, havips, ports });
const bound = (port: number) => bindingHere(must(seedNetwork.ports[port], 'a port'), macOf('00:00:5e:00:01:33'), 1, 1);

it('are told as a fresh start would tell them', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let network = seedNetwork;
      const told = new Told();
      told.names.configure(network);
      const learned = new Map<number, readonly number[]>();
      for (const one of steps) {
        if (one.do === 'configure') {
          const havips = network.havips.map((havip, index) => {
            if (index !== one.havip) return havip;
            return one.gone ? null : { ...must(seedNetwork.havips[index], 'a HAVIP'), vrid: one.vrid, members: one.members };
          });
          const ports = network.ports.map((port) => (one.port && port !== null ? { ...port } : port));
          network = reconfigured(havips, ports);
          if (network.havips[one.havip] === null) {
            told.bindings.delete(one.havip);
            learned.delete(one.havip);
          }
          told.names.configure(network);
        } else if (one.do === 'own') {
          const havip = network.havips[one.havip];
          if (!havip) continue;
          learned.set(one.havip, one.vrids);
          told.names.own(havip, one.vrids);
        } else {
          const port = one.port === null ? null : must(network.ports[one.port], 'a port');
          if (network.havips[one.havip]) told.hold(network, one.havip, port && bindingHere(port, macOf(one.mac), 1, 1));
        }
      }
      const fresh = new Told();
      fresh.names.configure(network);
      for (const [havip, binding] of told.bindings) fresh.hold(network, havip, binding);
      for (const [havip, vrids] of learned) fresh.names.own(must(network.havips[havip], 'a HAVIP'), vrids);
      const sorted = ({ entries }: Told) => [...entries].map(([id, value]) => `${id} = ${value}`).sort();
      // Of learned owners of one name any is as good.
      const plain = (one: Told) => sorted(one).map((text) => text.replace(/^(vrid .* = )\d.*/, '$1somebody'));
      expect(plain(told)).toEqual(plain(fresh));
    }),
    { numRuns: 2000 },
  );
});

it('say who holds a virtual MAC, who else is of its cluster, and where it is sent', () => {
  const told = new Told();
  told.names.configure(seedNetwork);
  told.hold(seedNetwork, HAVIP1, bound(0));
  expect([...told.entries]).toEqual([
    ['place vpc-1 00:00:5e:00:01:33', '12 tap7'],
    ['vmember tap7 00:00:5e:00:01:33', '-'],
    ['vmember tap13 00:00:5e:00:01:33', '-'],
  ]);
  told.hold(seedNetwork, HAVIP1, bound(1));
  expect(told.entries.get('place vpc-1 00:00:5e:00:01:33')).toBe('0 tap13');
  told.hold(seedNetwork, HAVIP_OPEN, bound(0));
  expect(told.entries.get('place vpc-1 00:00:5e:00:01:33')).toBe('0 tap13 tap7');
  expect(told.entries.has('vmember tap9 00:00:5e:00:01:33')).toBe(true);
  told.hold(seedNetwork, HAVIP1, null);
  told.hold(seedNetwork, HAVIP_OPEN, null);
  expect([...told.entries]).toEqual([]);
});

it('lead to an uplink whose holder is beyond it, and say what MAC members speak under meanwhile', () => {
  const uplinks: Network['uplinks'] = [{ index: 0, interface: 'vx10', vpc: 0, trust: 'members', fdb: 'learn', awayClaims: true }];
  const network = { ...seedNetwork, uplinks };
  const told = new Told();
  told.names.configure(seedNetwork);
  told.hold(seedNetwork, HAVIP1, bound(0));
  expect(told.entries.get('vmember tap7 00:00:5e:00:01:33')).toBe('-');
  told.names.configure(network);
  expect(told.entries.get('vmember tap7 00:00:5e:00:01:33')).toBe(MAC1);
  told.hold(network, HAVIP1, bindingElsewhere('cvm-2', 'host-b', 'vx10', macOf('00:00:5e:00:01:33'), 2, 1));
  expect(told.entries.get('place vpc-1 00:00:5e:00:01:33')).toBe('12 vx10');
});
