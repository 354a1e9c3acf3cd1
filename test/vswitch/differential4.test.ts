/**
 * The twin of differential.test.ts for what IPv4 guests do besides ARP: sources, DHCP, redirects, VRRP and CARP to whom and about what,
 * probes; while HAVIPs and names are held. Also the kernel's counter of each reason that only the kernel sees at work.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arp, vrrp } from '../../native-fixtures/frames.ts';
import { carp, ipv4, udpHeader } from '../../native-fixtures/packets.ts';
import { must } from '../../src/base/assert.ts';
import { parseCidr, parseIpv4 } from '../../src/base/address.ts';
import { bindingHere } from '../../src/base/binding.ts';
import { formatMac, vridOf } from '../../src/base/mac.ts';
import type { Havip, Network, Port } from '../../src/base/network.ts';
import { VERDICTS } from '../../src/base/verdict.ts';
import { Held } from '../../src/filter/held.ts';
import { COUNTED_REASONS, type CountedReason } from '../../src/vswitch/vswitch.ts';
import { seedNetwork } from '../network.ts';
import { mayPass, toEverybody, TwoRenderings } from './two-renderings.ts';
import { macOf, OF_IPV6 } from './values.ts';

const GENERATED = 20_000;
/** What the other differential tests are for, and a changed byte makes here now and then. */
const ELSEWHERE = new Set<string>(['rarp-announce', 'tagged', 'encapsulated', 'ethertype', ...OF_IPV6]);
const ip = (text: string) => must(parseIpv4(text), text);
const cidr = (text: string) => must(parseCidr(text), text);

const [seedHavip] = seedNetwork.havips;
const [seedPort] = seedNetwork.ports;
const havip = (index: number, address: string, subnet: number, members: string[] | null, fence = true): Havip => {
  return { ...must(seedHavip, 'a HAVIP'), index, id: `havip-${index}`, subnet, address: ip(address), members, fence };
};
const port = (index: number, subnet: number, addresses: string[], router = false): Port => {
  const names = { interface: `tap${index}`, instance: `cvm-${index}` };
  const mac = macOf(`02:00:00:00:00:${(16 + index).toString(16)}`);
  return { ...must(seedPort, 'a port'), ...names, index, subnet, mac, addresses: addresses.map(ip), router };
};

/** Subnet 0: clusters of members; 1: everybody may claim something; 2: any source. One VPC. */
const network: Network = {
  vpcs: [{ index: 0, id: 'vpc-1', cidr: cidr('10.0.0.0/16') }],
  subnets: [
    { index: 0, id: 'closed', vpc: 0, cidr: cidr('10.0.0.0/24'), gateway: ip('10.0.0.1'), sources: 'checked', ipv6: null },
    { index: 1, id: 'open', vpc: 0, cidr: cidr('10.0.1.0/24'), gateway: null, sources: 'checked', ipv6: null },
    { index: 2, id: 'any', vpc: 0, cidr: cidr('10.0.2.0/24'), gateway: ip('10.0.2.1'), sources: 'any', ipv6: null },
  ],
  havips: [
    havip(0, '10.0.0.50', 0, ['cvm-0', 'cvm-1']),
    havip(1, '10.0.0.51', 0, ['cvm-2', 'cvm-3']),
    havip(2, '10.0.0.52', 0, ['cvm-1', 'cvm-2'], false),
    havip(3, '10.0.1.50', 1, null),
    havip(4, '10.0.2.50', 2, ['cvm-8']),
  ],
  ports: [
    port(0, 0, ['10.0.0.10']),
    port(1, 0, ['10.0.0.11', '10.0.0.111']),
    port(2, 0, ['10.0.0.12']),
    port(3, 0, []),
    port(4, 0, ['10.0.0.14']),
    port(5, 0, ['10.0.0.15'], true),
    port(6, 1, ['10.0.1.16']),
    port(7, 1, ['10.0.1.17']),
    port(8, 2, ['10.0.2.18']),
    port(9, 2, ['10.0.2.19']),
    // The second port of cvm-1, its bond's, and one with an address more.
    { ...port(1, 0, ['10.0.0.11', '10.0.0.111']), index: 10, interface: 'tap10' },
    { ...port(1, 0, ['10.0.0.112', '10.0.0.11']), index: 11, interface: 'tap11', mac: macOf('02:00:00:00:00:2b') },
  ],
  uplinks: [],
  peers: [],
};
const taps = network.ports.map((one) => must(one, 'a port'));
/** HAVIP, holder, MAC, and the VRIDs that its cluster lives with. */
const HELD = [
  [0, 1, '00:00:5e:00:01:33', [51]],
  [1, 3, '00:00:5e:00:01:34', [52, 53]],
  [2, 2, formatMac(taps[2]!.mac), []],
  [3, 6, '00:00:5e:00:01:07', [7]],
] as const;

const known = [
  ...taps.flatMap(({ addresses }) => addresses),
  ...network.havips.map((one) => must(one, 'a HAVIP').address),
  ...network.subnets.flatMap((one) => must(one, 'a subnet').gateway ?? []),
].map((address) => [24, 16, 8, 0].map((bits) => (address >>> bits) & 255).join('.'));
const reserved = ['10.0.0.0', '10.0.0.255', '10.0.1.255', '255.255.255.255', '224.0.0.1', '224.0.0.18', '239.1.1.1', '0.0.0.0'];
const address = fc.constantFrom(...known, ...reserved, '10.0.0.99', '8.8.8.8', '127.0.0.1');
const VIRTUAL = [
  '00:00:5e:00:01:33',
  '00:00:5e:00:01:34',
  '00:00:5e:00:01:07',
  '00:00:5e:00:01:35',
  '00:00:5e:00:01:00',
  '00:00:5e:00:00:33',
  '00:00:5e:00:02:33',
];

/** Mostly from itself: what differs in several things at once is dropped for the first. */
const sources = (from: Port) => {
  const own = from.addresses.map((one) => known[taps.flatMap(({ addresses }) => addresses).indexOf(one)]!);
  const claimable = network.havips.flatMap((one) =>
    one !== null && one.subnet === from.subnet ? [[24, 16, 8, 0].map((bits) => (one.address >>> bits) & 255).join('.')] : [],
  );
  return fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...own, ...claimable) },
    { weight: 1, arbitrary: address },
    { weight: 1, arbitrary: fc.constant('0.0.0.0') },
  );
};
const macs = (from: Port) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant(formatMac(from.mac)) },
    { weight: 2, arbitrary: fc.constantFrom(...VIRTUAL) },
    { weight: 1, arbitrary: fc.constantFrom(...taps.map(({ mac }) => formatMac(mac))) },
  );
const options = fc.constantFrom(...new Array<number>(14).fill(0), 1, 10);
const fragment = fc.constantFrom(...new Array<number>(14).fill(0), 0x4000, 0x2000, 0x2005, 5);
/** Version and length of the header, where they are not what they should be: some receivers read neither. */
const firstOctet = fc.option(fc.constantFrom(0x40, 0x41, 0x44, 0x46, 0x4f, 0x55, 0x65), { freq: 8 });
const longer = fc.constantFrom(0, 0, 0, 0, 0, 0, -1, 1, -30, 400);

const packets = (from: Port) =>
  fc
    .record({
      source: macs(from),
      ipSource: sources(from),
      ipDestination: address,
      ipOptions: options,
      fragment,
      longer,
      firstOctet,
      what: fc.oneof(
        fc
          .tuple(fc.constantFrom(53, 67, 68, 546), fc.constantFrom(53, 67, 68, 547))
          .map(([a, b]) => [17, udpHeader(a, b)] as const),
        fc.constantFrom(0, 5, 8, 9).map((type) => [1, Uint8Array.of(type, 1, 0, 0, 0, 0, 0, 0)] as const),
        fc.constantFrom(2, 4, 6, 47, 50, 253).map((protocol) => [protocol, new Uint8Array(20)] as const),
        fc.constantFrom(6, 17, 51, 112).map((next) => [51, Uint8Array.of(next, 4, ...new Uint8Array(40))] as const),
        fc.constantFrom(0, 3, 12).map((bytes) => [17, new Uint8Array(bytes).fill(67)] as const),
      ),
    })
    .map(({ what: [protocol, payload], firstOctet, ...fields }) => {
      const frame = ipv4({ ...fields, protocol, payload });
      return firstOctet === null ? frame : frame.with(14, firstOctet);
    });
const adverts = (from: Port) =>
  fc
    .record({
      source: macs(from),
      ipSource: sources(from),
      ipDestination: fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom('224.0.0.18', '239.1.1.1') },
        { weight: 4, arbitrary: address },
      ),
      version: fc.constantFrom(2 as const, 3 as const),
      vrid: fc.constantFrom(51, 52, 53, 7, 54),
      ttl: fc.constantFrom(255, 255, 255, 255, 64),
      priority: fc.constantFrom(0, 0, 100, 255),
      addresses: fc.oneof(
        sources(from).map((one) => [one]),
        fc.array(address, { maxLength: 3 }),
      ),
      count: fc.constantFrom(undefined, undefined, undefined, 0, 7),
      signed: fc.constantFrom(false, false, true),
      ahLength: fc.constantFrom(4, 4, 4, 5),
      ipOptions: options,
      fragment,
      checksum: fc.constantFrom('pseudo' as const, 'plain' as const, 'wrong' as const),
    })
    .map(({ count, ...fields }) => vrrp(count === undefined ? fields : { ...fields, count }));
const carps = (from: Port) =>
  fc
    .record({
      vhid: fc.constantFrom(0x33, 51, 7),
      source: fc.oneof(macs(from), fc.constantFrom('00:00:5e:00:00:33', '00:00:5e:00:00:07')),
      ipSource: sources(from),
      ipDestination: fc.constantFrom('224.0.0.18', '10.0.0.11', '10.0.0.14'),
      bytes: fc.constantFrom(36, 36, 36, 35, 44),
    })
    .map((fields) => carp(fields));
const arps = (from: Port) =>
  fc
    .record({
      source: macs(from),
      senderMac: fc.option(macs(from), { nil: undefined }),
      senderAddress: fc.oneof(fc.constant('0.0.0.0'), sources(from)),
      targetAddress: address,
      operation: fc.constantFrom(1, 1, 2),
    })
    .map(({ senderMac, ...fields }) => arp({ ...fields, senderMac: senderMac ?? fields.source }));

/** Cut short, or a byte changed at random: what nobody thought of. */
const spoiled = fc.option(fc.tuple(fc.integer({ min: 12, max: 80 }), fc.nat(255), fc.boolean()), { freq: 4 });
const generated = fc.constantFrom(...taps).chain((from) =>
  fc
    .tuple(
      fc.oneof({ weight: 4, arbitrary: packets(from) }, { weight: 4, arbitrary: adverts(from) }, carps(from), {
        weight: 2,
        arbitrary: arps(from),
      }),
      spoiled,
    )
    .map(([frame, spoil]) => {
      if (spoil === null || spoil[0] >= frame.length) return [frame, from] as const;
      const [at, octet, cut] = spoil;
      const out = cut ? frame.slice(0, Math.max(14, at)) : Uint8Array.from(frame);
      if (!cut) out[at] = octet;
      return [out, from] as const;
    }),
);

describe.skipIf(process.getuid?.() !== 0)('judge and guard, IPv4 while things are held (needs root: a network namespace)', () => {
  const held = new Held({ havips: network.havips.length, vpcs: 1 });
  let both: TwoRenderings;

  beforeAll(async () => {
    both = await TwoRenderings.of(network, held);
    const { reconciler } = both;
    for (const [index, holder, mac, vrids] of HELD) {
      held.hold(0, index, holder, vridOf(macOf(mac)));
      held.own(0, index, vrids);
      reconciler.want((desired) => desired.own(index, vrids));
      reconciler.hold(index, bindingHere(taps[holder]!, macOf(mac), 1, 1));
    }
    expect(reconciler.flush()).toMatchObject({ error: null });
  });
  afterAll(() => both.close());

  const counters = () => new Map(COUNTED_REASONS.map((reason) => [reason as string, both.vswitch.droppedFor(reason)]));

  it(`${GENERATED} generated frames`, async () => {
    const before = counters();
    const reasons = new Map<string, number>();
    const property = fc.asyncProperty(generated, async ([original, from]) => {
      const { lab, vswitch } = both;
      const frame = toEverybody(original);
      const row = both.verdict(frame, from.index);
      const counted = COUNTED_REASONS.includes(row.name as CountedReason) ? vswitch.droppedFor(row.name as CountedReason) : 0;
      const heard = await lab.send(from.interface, frame);
      const says = `${row.name} on ${from.interface}: ${Buffer.from(frame).toString('hex')}`;
      expect(`${heard.length} ${says}`).toBe(`${mayPass(row) ? 1 : 0} ${says}`);
      if (COUNTED_REASONS.includes(row.name as CountedReason))
        expect(`${vswitch.droppedFor(row.name as CountedReason)} ${says}`).toBe(`${counted + 1} ${says}`);
      reasons.set(row.name, (reasons.get(row.name) ?? 0) + 1);
    });
    await fc.assert(property, { numRuns: GENERATED });
    for (const [reason, count] of counters())
      expect([reason, count]).toEqual([reason, before.get(reason)! + (reasons.get(reason) ?? 0)]);
    // The generator reaches what it is for.
    const unreached = VERDICTS.map(({ name }) => name).filter((name) => !reasons.has(name) && !ELSEWHERE.has(name));
    expect(unreached).toEqual(['rate-limited', 'elsewhere', 'stranger', 'unknown-port', 'link-control', 'cut', 'towards-guest']);
  });
});
