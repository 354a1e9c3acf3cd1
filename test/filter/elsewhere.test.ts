import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arp, rarp, vrrp } from '../../native-fixtures/frames.ts';
import { formatIpv4 } from '../../src/base/address.ts';
import { claimantElsewhere, placeOf, portWithMac } from '../../src/base/elsewhere.ts';
import { formatMac } from '../../src/base/mac.ts';
import type { Havip, Network, Peer, Port, Uplink } from '../../src/base/network.ts';
import { reasonOf } from '../../src/base/verdict.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { compileElsewhere, Elsewhere, eachBelievedHavip, judgeElsewhere } from '../../src/filter/elsewhere.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { MAC1, MAC2, MAC3, MAC9, seedNetwork } from '../network.ts';

const [first, second] = seedNetwork.ports;
const uplink: Uplink = { index: 0, interface: 'up0', vpc: 0, trust: 'members', fdb: 'learn', awayClaims: true };
const peer = (instance: string, mac: string, vpc = 0): Peer => ({
  instance,
  vpc,
  mac: Number.parseInt(mac.replaceAll(':', ''), 16),
  addresses: [],
  vtep: null,
});
const FAR = '02:00:ac:11:10:aa';
const VIRTUAL = '00:00:5e:00:01:33';
const VIP = '172.17.16.3';

/** cvm-1 is here; cvm-2 on another host, as is cvm-3, which is no member of the first HAVIP. */
const here: Network = { ...seedNetwork, ports: [first ?? null, null, null], uplinks: [uplink] };
const known: Network = { ...here, peers: [peer('cvm-2', MAC2), peer('cvm-3', MAC3)] };

function verdictOn(network: Network, frame: Uint8Array, place = placeOf(uplink), tag = 0): string {
  const table = compileElsewhere(network);
  if (table === null) return 'no table';
  const copy = new Elsewhere(table.words.buffer);
  return reasonOf(judgeElsewhere(copy, compilePolicy(network), frame, 0, frame.length, tag, place, new Sighting()));
}

const claim = (source: string, senderMac = source) => arp({ source, senderMac, senderAddress: VIP });
const advert = (source: string, priority = 80) =>
  vrrp({ source, ipSource: '172.17.16.13', addresses: [VIP], priority, version: 2, password: '1111' });

describe('the judge of uplinks', () => {
  it.each([
    ['a member whose MAC is known', known, claim(MAC2), 'havip-claim'],
    ['a MAC that is no member’s, where all are known', known, claim(FAR), 'stranger'],
    ['a peer that is no member', known, claim(MAC3), 'stranger'],
    ['any MAC where the member’s is not known', here, claim(FAR), 'havip-claim'],
    ['a stranger where all members are here', { ...here, ports: [first ?? null, second ?? null] }, claim(FAR), 'stranger'],
    ['a virtual MAC, which may be the known member’s', known, claim(VIRTUAL), 'havip-claim'],
    ['a virtual MAC where all members are here', { ...here, ports: [first ?? null, second ?? null] }, claim(VIRTUAL), 'stranger'],
    ['a member behind another machine’s source', known, claim(FAR, MAC2), 'stranger'],
    ['a virtual MAC behind a member’s source', known, claim(MAC2, VIRTUAL), 'havip-claim'],
    ['a virtual MAC behind a stranger’s source', known, claim(FAR, VIRTUAL), 'stranger'],
    ['an address that is no HAVIP', known, arp({ source: MAC2, senderAddress: '172.17.16.13' }), 'elsewhere'],
    ['an advert of a member', known, advert(MAC2), 'vrrp-advert'],
    ['a resignation of a member', known, advert(MAC2, 0), 'vrrp-resign'],
    ['an advert of a stranger', known, advert(FAR), 'stranger'],
    ['a guest of this host that runs elsewhere now', known, rarp(MAC1), 'rarp-announce'],
    ['another host’s guest that moved', known, rarp(MAC2), 'elsewhere'],
  ] as const)('%s', (_, network, frame, verdict) => {
    expect(verdictOn(network, frame)).toBe(verdict);
  });

  it('believes nobody where it is told to, and hears no tags, no fragments of frames and no place that is none', () => {
    expect(verdictOn({ ...known, uplinks: [{ ...uplink, trust: 'none' }] }, claim(MAC2))).toBe('no table');
    expect(verdictOn({ ...known, uplinks: [] }, claim(MAC2))).toBe('no table');
    expect(verdictOn(known, claim(MAC2), placeOf(uplink), 0x8100_0005 | 0)).toBe('elsewhere');
    expect(verdictOn(known, claim(MAC2).subarray(0, 30))).toBe('elsewhere');
    expect(verdictOn(known, claim(MAC2), placeOf(uplink) + 1)).toBe('elsewhere');
    expect(verdictOn(known, rarp(MAC1, { senderMac: MAC2 }))).toBe('elsewhere');
  });

  it('looks for an uplink’s VPC alone: the other tenant has the same addresses', () => {
    const other: Network = { ...known, uplinks: [{ ...uplink, vpc: 1 }], peers: [peer('cvm-2', MAC9, 1)] };
    expect(verdictOn(other, claim(MAC2))).toBe('elsewhere');
  });
});

const INSTANCES = ['a', 'b', 'c', 'd', 'e'];
const MACS = [0x0200_0000_0001, 0x0200_0000_0002, 0x0200_0000_0003, 0x0200_0000_0004, 0x0000_5e00_0105];
const networks = fc
  .record({
    ports: fc.uniqueArray(
      fc.record({ instance: fc.constantFrom(...INSTANCES), mac: fc.constantFrom(...MACS.slice(0, 2)), vpc: fc.nat(1) }),
      {
        maxLength: 3,
        selector: ({ vpc, mac }) => `${vpc} ${mac}`,
      },
    ),
    peers: fc.uniqueArray(
      fc.record({ instance: fc.constantFrom(...INSTANCES), mac: fc.constantFrom(...MACS.slice(1, 4)), vpc: fc.nat(1) }),
      {
        maxLength: 4,
        selector: ({ vpc, mac }) => `${vpc} ${mac}`,
      },
    ),
    members: fc.array(fc.option(fc.uniqueArray(fc.constantFrom(...INSTANCES), { maxLength: 4 })), { minLength: 2, maxLength: 4 }),
  })
  .map(({ ports, peers, members }): Network => {
    const addressed = ports.map((port, index): Port => ({
      ...port,
      index,
      interface: `tap${index}`,
      subnet: port.vpc,
      addresses: [],
      addresses6: [],
      router: false,
    }));
    const havips = members.map((list, index): Havip => ({
      index,
      id: `h${index}`,
      vpc: index % 2,
      subnet: index % 2,
      address: 0x0a00_0000 + (index >> 1),
      members: list,
      fence: true,
      vrid: null,
      assist: null,
      verify: false,
      probe: false,
    }));
    const vpcs = [0, 1].map((index) => ({ index, id: `v${index}`, cidr: { base: 0x0a00_0000, bits: 8 } }));
    const uplinks = [0, 1].map((index): Uplink => ({
      index,
      interface: `up${index}`,
      vpc: index,
      trust: 'members',
      fdb: 'learn',
      awayClaims: true,
    }));
    return {
      vpcs,
      subnets: [],
      havips,
      ports: addressed,
      uplinks,
      peers: peers.map((one) => ({ ...one, addresses: [], vtep: null })),
    };
  });

describe('the table of elsewhere', () => {
  it('believes whom the network says, in every HAVIP and from every MAC', () => {
    fc.assert(
      fc.property(networks, (network) => {
        const table = compileElsewhere(network);
        const policy = compilePolicy(network);
        if (table === null) return;
        for (const havip of network.havips) {
          for (const mac of MACS) {
            const at = network.uplinks[havip?.vpc ?? 0];
            if (!havip || !at) continue;
            const text = formatMac(mac);
            const address = formatIpv4(havip.address);
            const told: number[] = [];
            const s = new Sighting();
            const frame = arp({ source: text, senderAddress: address });
            const verdict = reasonOf(judgeElsewhere(table, policy, frame, 0, frame.length, 0, placeOf(at), s));
            // A port's MAC is the ledger's to judge.
            const isOurs = portWithMac(network, havip.vpc, mac) !== null;
            const believed = isOurs || claimantElsewhere(network, at, havip, mac) !== null;
            expect({ text, havip: havip.id, verdict }).toEqual({
              text,
              havip: havip.id,
              verdict: believed ? 'havip-claim' : 'stranger',
            });
            const advert = vrrp({ source: text, ipSource: '10.0.0.9', addresses: [address], priority: 9, version: 2 });
            judgeElsewhere(table, policy, advert, 0, advert.length, 0, placeOf(at), s);
            eachBelievedHavip(table, policy, advert, 0, placeOf(at), s, (one) => told.push(one));
            expect(told).toEqual(believed ? [havip.index] : []);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
