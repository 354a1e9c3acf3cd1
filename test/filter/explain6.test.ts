/** What `explain` says of IPv6 frames. */
import { describe, expect, it } from 'vitest';
import { ipv6Frame, nd, nonce, sourceMac, targetMac } from '../../native-fixtures/frames6.ts';
import { must } from '../../src/base/assert.ts';
import { explainFrame } from '../../src/filter/explain.ts';
import { CVM1, CVM3, CVM9, MAC1, MAC2, MAC3, MAC9 } from '../network.ts';
import { ipv6Network, type Ipv6Policy } from '../network6.ts';

const LL3 = 'fe80::acff:fe11:1009';
const na = (target: string, mac = MAC3) =>
  nd({ icmpType: 136, source: MAC3, ipSource: LL3, target, flags: 0x20, options: [targetMac(mac)] });
const dad = nd({
  icmpType: 135,
  source: MAC3,
  ipSource: '::',
  ipDestination: 'ff02::1:ff00:77',
  target: 'fd00:16::77',
  options: [nonce],
});
const ra = nd({ icmpType: 134, source: MAC3, ipSource: LL3, options: [sourceMac(MAC3)] });
const vrrp = (source: string, ipSource: string) =>
  ipv6Frame({ source, ipSource, ipDestination: 'ff02::12', protocol: 112, payload: new Uint8Array(24) });

type Row = [
  says: string,
  which: Ipv6Policy,
  port: number,
  frame: Uint8Array,
  reason: string,
  described: string,
  because: string[],
];
const rows: Row[] = [
  [
    'a neighbour’s listed address',
    'listed',
    CVM3,
    na('fd00:16::7'),
    'not-havip',
    `neighbour advertisement for fd00:16::7 at ${MAC3}, ${LL3} to ff02::1, Ethernet source ${MAC3}`,
    ['fd00:16::7 is one of the `addresses` of port tap7 (cvm-1)', `${LL3} is made of the MAC of port tap9 (cvm-3)`],
  ],
  [
    'an address that is not listed',
    'listed',
    CVM3,
    dad,
    'not-havip',
    `neighbour solicitation for fd00:16::77, :: to ff02::1:ff00:77, Ethernet source ${MAC3}`,
    ['fd00:16::77 is not listed, and subnet-a has `addresses: listed`'],
  ],
  [
    'one that is nobody’s',
    'slaac',
    CVM3,
    dad,
    'probe',
    `neighbour solicitation for fd00:16::77, :: to ff02::1:ff00:77, Ethernet source ${MAC3}`,
    ["fd00:16::77 is nobody's, and subnet-a lets guests use what is nobody's of fe80::/64 and fd00:16::/64"],
  ],
  [
    'where nothing is known',
    'any',
    CVM3,
    dad,
    'probe',
    `neighbour solicitation for fd00:16::77, :: to ff02::1:ff00:77, Ethernet source ${MAC3}`,
    ["fd00:16::77 is nobody's, and subnet-a has no `ipv6` that would say who may use it"],
  ],
  [
    'the gateway',
    'slaac',
    CVM3,
    na('fd00:16::1'),
    'not-havip',
    `neighbour advertisement for fd00:16::1 at ${MAC3}, ${LL3} to ff02::1, Ethernet source ${MAC3}`,
    ['fd00:16::1 is a router of subnet-a', `${LL3} is made of the MAC of port tap9 (cvm-3)`],
  ],
  [
    'another MAC',
    'any',
    CVM3,
    na('fd00:16::77', MAC2),
    'mac-mismatch',
    `neighbour advertisement for fd00:16::77 at ${MAC2}, ${LL3} to ff02::1, Ethernet source ${MAC3}`,
    [`the MAC of port tap9 (cvm-3) is ${MAC3}; a virtual MAC holds no IPv6 address yet`],
  ],
  [
    'a router',
    'any',
    CVM3,
    ra,
    'router-advert',
    `router advertisement, ${LL3} to ff02::1, Ethernet source ${MAC3}`,
    ['port tap9 (cvm-3) is no `router`'],
  ],
  [
    'VRRP of nobody’s member',
    'any',
    CVM9,
    vrrp(MAC9, 'fe80::1'),
    'foreign-vrrp',
    `VRRP, fe80::1 to ff02::12, Ethernet source ${MAC9}`,
    ['there is no HAVIP that port tap99 (cvm-9) may claim'],
  ],
  [
    'VRRP in another’s name',
    'any',
    CVM1,
    vrrp(MAC1, LL3),
    'vrrp-source',
    `VRRP, ${LL3} to ff02::12, Ethernet source ${MAC1}`,
    [
      `${LL3} is made of the MAC of port tap9 (cvm-3)`,
      "port tap7 (cvm-1) may use its own addresses, and link-local ones that are nobody else's",
    ],
  ],
  ['what is cut short', 'any', CVM3, na('fd00:16::77').subarray(0, 30), 'nd-hidden', `frame with Ethernet source ${MAC3}`, []],
];

describe('explain, IPv6', () => {
  it.each(rows)('%s', (_says, which, port, frame, reason, described, because) => {
    const network = ipv6Network(which);
    const said = explainFrame(network, must(network.ports[port], 'port'), frame);
    expect([said.reason, said.frame, said.because]).toEqual([reason, described, because]);
  });
});
