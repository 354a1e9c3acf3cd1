/**
 * One policy, two renderings: every recorded and built frame, and thousands of generated ones, through the judge and through the
 * kernel's guard. The same answer, or the test names the frame.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arp, padded, rarp, snap, tagged, vrrp } from '../../native-fixtures/frames.ts';
import { capturePath, captures } from '../../native-fixtures/captures/index.ts';
import { VERDICTS } from '../../src/base/verdict.ts';
import { readCapture } from '../pcap/read.ts';
import { bareNetwork, CVM1, CVM2, CVM3, CVM4, CVM6, MAC1, MAC2, MAC3, MAC4, MAC6 } from '../network.ts';
import { TwoRenderings } from './two-renderings.ts';
import { OF_IPV6 } from './values.ts';

const GENERATED = 20_000;
/** Reasons that differential4.test.ts and differential6.test.ts are for. */
const OF_OTHERS = new Set<string>([...OF_IPV6, 'carp-advert', 'probe-taken', 'dhcp-offer', 'redirect', 'fence', 'vmac-held']);
/** Each with its MAC. */
const PORTS = new Map([
  [CVM1, MAC1],
  [CVM2, MAC2],
  [CVM3, MAC3],
  [CVM4, MAC4],
  [CVM6, MAC6],
]);
const MACS = [...PORTS.values(), '00:00:5e:00:01:33', '00:00:5e:00:01:34', '00:00:5e:00:01:00', '02:00:00:00:00:ee'];
const ADDRESSES = [
  '172.17.16.7',
  '172.17.16.13',
  '172.17.16.9',
  '172.17.32.5',
  '172.17.16.3',
  '172.17.16.33',
  '172.17.32.3',
  '172.17.16.30',
];
const SENDERS = [...ADDRESSES, '0.0.0.0', '172.17.16.1', '127.0.0.1', '224.0.0.18', '255.255.255.255'];

const arps = (mac: fc.Arbitrary<string>) =>
  fc
    .record({
      source: mac,
      senderMac: mac,
      senderAddress: fc.constantFrom(...SENDERS),
      operation: fc.integer({ min: 1, max: 3 }),
      targetMac: mac,
      hardware: fc.constantFrom(1, 1, 1, 6),
      same: fc.boolean(),
    })
    .map(({ same, ...fields }) => arp({ ...fields, senderMac: same ? fields.source : fields.senderMac }));
const rarps = (mac: fc.Arbitrary<string>) =>
  fc
    .record({
      source: mac,
      senderMac: mac,
      targetMac: mac,
      senderAddress: fc.constantFrom('0.0.0.0', '172.17.16.3'),
      own: fc.boolean(),
    })
    .map(({ own, ...fields }) => rarp(fields.source, own ? { senderAddress: fields.senderAddress } : fields));
const adverts = (mac: fc.Arbitrary<string>) =>
  fc
    .record({
      source: mac,
      ipSource: fc.constantFrom(...SENDERS, '0.0.0.0', '0.0.0.0'),
      version: fc.constantFrom(2 as const, 3 as const),
      ttl: fc.constantFrom(255, 255, 254, 64),
      ipDestination: fc.constantFrom('224.0.0.18', '172.17.16.13', '224.0.0.1'),
      priority: fc.constantFrom(0, 0, 100, 255),
      addresses: fc.oneof(fc.constant(['172.17.16.33']), fc.array(fc.constantFrom(...SENDERS), { maxLength: 4 })),
      ipOptions: fc.constantFrom(0, 0, 0, 1, 10),
      signed: fc.boolean(),
      fragment: fc.constantFrom(0, 0, 0, 0, 0x2000, 5),
      checksum: fc.constantFrom('pseudo' as const, 'pseudo' as const, 'plain' as const, 'wrong' as const),
    })
    .map((fields) => vrrp(fields));
/** Of another EtherType: LLDP's, LACP's. */
function retyped(frame: Uint8Array, type: number): Uint8Array {
  return Uint8Array.from(frame)
    .with(12, type >> 8)
    .with(13, type & 0xff);
}
const disguises = fc.constantFrom(
  (frame: Uint8Array) => frame,
  (frame: Uint8Array) => frame,
  (frame: Uint8Array) => frame,
  (frame: Uint8Array) => padded(frame),
  (frame: Uint8Array) => frame.subarray(0, 40),
  (frame: Uint8Array) => snap(frame),
  (frame: Uint8Array) => retyped(frame, 0x88cc),
  (frame: Uint8Array) => retyped(frame, 0x8809),
  (frame: Uint8Array) => tagged(frame, 0x8100_0000),
  (frame: Uint8Array) => tagged(frame, 0x88a8_0000),
  (frame: Uint8Array) => tagged(frame, 0x88a8_0000, 0x8100_0005),
  (frame: Uint8Array) => tagged(frame, 0x8100_0000, 0x8100_0000, 0x8100_0000),
);
/** A byte behind the addresses changed at random: what nobody thought of. */
const noise = fc.option(fc.tuple(fc.integer({ min: 12, max: 60 }), fc.nat(255)), { freq: 3 });
/** A port and a frame that it sends, every second one in its own name: what needs an honest sender to go wrong is rare otherwise. */
const generated = fc.oneof(
  ...Array.from(PORTS, ([port, own]) => {
    const mac = fc.oneof(fc.constant(own), fc.constantFrom(...MACS));
    const frames = fc.oneof({ weight: 5, arbitrary: arps(mac) }, rarps(mac), { weight: 3, arbitrary: adverts(mac) });
    return fc.tuple(frames, disguises, noise).map(([frame, disguise, change]) => {
      const out = Uint8Array.from(disguise(frame));
      if (change !== null && change[0] < out.length) out[change[0]] = change[1];
      return [out, port] as const;
    });
  }),
);

describe.skipIf(process.getuid?.() !== 0)('judge and guard give the same answer (needs root: a network namespace)', () => {
  let both: TwoRenderings;
  beforeAll(async () => (both = await TwoRenderings.of(bareNetwork)));
  afterAll(() => both.close());

  it.each(captures)('$file', async (capture) => {
    const frames = readCapture(capturePath(capture)).frames.map(({ bytes }) => Uint8Array.from(bytes));
    const unique = new Map(frames.map((frame) => [Buffer.from(frame).toString('hex'), frame]));
    const differences: string[] = [];
    for (const frame of unique.values()) {
      for (const port of PORTS.keys()) {
        const found = await both.difference(frame, port);
        if (found !== null) differences.push(found);
      }
    }
    expect(unique.size).toBeGreaterThan(0);
    expect(differences).toEqual([]);
  });

  it(`${GENERATED} generated frames`, async () => {
    const reasons = new Set<string>();
    const property = fc.asyncProperty(generated, async ([frame, port]) => {
      expect(await both.difference(frame, port)).toBeNull();
      reasons.add(both.verdict(frame, port).name);
    });
    await fc.assert(property, { numRuns: GENERATED });
    // The generator reaches what it is for: all reasons but those a single frame of a known port cannot have.
    const unseen = VERDICTS.map(({ name }) => name).filter((name) => !reasons.has(name) && !OF_OTHERS.has(name));
    expect(unseen).toEqual(['rate-limited', 'elsewhere', 'stranger', 'unknown-port', 'cut', 'towards-guest']);
  });
});
