/**
 * One policy, two renderings, over IPv6: forged and generated neighbour discovery through the judge and through the kernel's guard. The
 * same answer, or the test names the frame. The twin of differential.test.ts.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { padded, snap, tagged } from '../../native-fixtures/frames.ts';
import { ND_ATTACKS } from '../../native-fixtures/nd-attacks.ts';
import { must } from '../../src/base/assert.ts';
import type { Reason } from '../../src/base/verdict.ts';
import { CVM1, CVM2, CVM3, CVM4, CVM9, MAC1, MAC2, MAC3, MAC4, MAC9 } from '../network.ts';
import { ipv6Network } from '../network6.ts';
import { fromPort, ipv6Frames } from './nd-generator.ts';
import { mayPass, toEverybody, TwoRenderings } from './two-renderings.ts';

const GENERATED = 8_000;
/** All that IPv6 can come to. */
const REASONS: readonly Reason[] = [
  'own-address',
  'probe',
  'other-ip',
  'not-havip',
  'mac-mismatch',
  'tagged',
  'vrrp-source',
  'vrrp-ttl',
  'foreign-vrrp',
  'dhcp-offer',
  'nd-malformed',
  'nd-hidden',
  'router-advert',
  'redirect',
  'nd-checksum',
];
/** The second port of cvm-1, with the same MAC and addresses. */
const BOND = 5;
const PORTS = new Map([
  [BOND, MAC1],
  [CVM1, MAC1],
  [CVM2, MAC2],
  [CVM3, MAC3],
  [CVM4, MAC4],
  [CVM9, MAC9],
]);
const disguises = fc.oneof(
  { weight: 8, arbitrary: fc.constant((frame: Uint8Array) => frame) },
  fc.constantFrom(
    (frame: Uint8Array) => padded(frame, 100),
    (frame: Uint8Array) => frame.subarray(0, frame.length - 7),
    (frame: Uint8Array) => frame.subarray(0, 53),
    (frame: Uint8Array) => frame.subarray(0, 20),
    (frame: Uint8Array) => snap(frame),
    (frame: Uint8Array) => tagged(frame, 0x8100_0000),
    (frame: Uint8Array) => tagged(frame, 0x88a8_0000, 0x8100_0005),
  ),
);
/** A byte changed at random: what nobody thought of. */
const noise = fc.option(fc.tuple(fc.integer({ min: 14, max: 120 }), fc.nat(255)), { freq: 3 });
const generated = fc.oneof(
  ...Array.from(PORTS, ([port, mac]) =>
    fc.tuple(ipv6Frames, fc.constantFrom(true, true, true, false), disguises, noise).map(([original, own, disguise, change]) => {
      const out = Uint8Array.from(disguise(own ? fromPort(original, mac) : original));
      if (change !== null && change[0] < out.length) out[change[0]] = change[1];
      return [out, port] as const;
    }),
  ),
);

const root = process.getuid?.() === 0;
describe.skipIf(!root).each(['listed', 'slaac', 'any'] as const)(
  'judge and guard, IPv6 %s (needs root: a namespace)',
  (which) => {
    const single = ipv6Network(which);
    const network = {
      ...single,
      ports: [...single.ports, { ...must(single.ports[CVM1], 'a port'), index: BOND, interface: 'tap8' }],
    };
    let both: TwoRenderings;
    beforeAll(async () => (both = await TwoRenderings.of(network)));
    afterAll(() => both.close());

    it('forged neighbour discovery', async () => {
      const differences: string[] = [];
      for (const { name, frames } of ND_ATTACKS) {
        for (const frame of frames) {
          for (const port of PORTS.keys()) {
            const found = await both.difference(frame, port);
            if (found !== null) differences.push(`${name}: ${found}`);
          }
        }
      }
      expect(differences).toEqual([]);
    });

    it(`${GENERATED} generated frames`, async () => {
      const reasons = new Set<string>();
      const before = both.vswitch.droppedFor('dhcp-offer');
      let offers = 0;
      const property = fc.asyncProperty(generated, async ([frame, port]) => {
        expect(await both.difference(frame, port)).toBeNull();
        const { name } = both.verdict(frame, port);
        reasons.add(name);
        if (name === 'dhcp-offer') offers++;
      });
      await fc.assert(property, { numRuns: GENERATED });
      expect(both.vswitch.droppedFor('dhcp-offer') - before).toBe(offers);
      expect(REASONS.filter((name) => !reasons.has(name))).toEqual([]);
    });

    it('audit drops nothing, and counts what it would have dropped', async () => {
      const { lab, vswitch, reconciler } = both;
      reconciler.configure(network, 'audit');
      expect(reconciler.flush()).toMatchObject({ error: null });
      const before = vswitch.guardDropped();
      let denied = 0;
      for (const original of ND_ATTACKS.flatMap(({ frames }) => frames)) {
        const frame = toEverybody(original);
        if (!mayPass(both.verdict(frame, CVM3))) denied++;
        expect(await lab.send('tap9', frame)).toHaveLength(1);
      }
      expect(denied).toBeGreaterThan(40);
      expect(vswitch.guardDropped() - before).toBe(denied);
    });
  },
);
