/** What calls itself a DHCP server or a router, in all the forms that a client or a host would believe. */
import { expect, it } from 'vitest';
import { type ExtensionHeader, ipv6Frame } from '../../native-fixtures/frames6.ts';
import { ipv4, udpHeader } from '../../native-fixtures/packets.ts';
import { must } from '../../src/base/assert.ts';
import { type Reason, reasonOf } from '../../src/base/verdict.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { judge } from '../../src/filter/judge.ts';
import { CVM1, MAC1, MAC2, seedNetwork } from '../network.ts';

const dhcp = (from: number, to: number, fields: { longer?: number; ipOptions?: number; fragment?: number } = {}) =>
  ipv4({
    source: MAC1,
    ipSource: '172.17.16.7',
    ipDestination: '172.17.16.9',
    protocol: 17,
    payload: udpHeader(from, to),
    ...fields,
  });
const icmp = (type: number) =>
  ipv4({
    source: MAC1,
    ipSource: '172.17.16.7',
    ipDestination: '172.17.16.9',
    protocol: 1,
    payload: Uint8Array.of(type, 0, 0, 0, 1, 2, 0, 9),
  });
const dhcpv6 = (from: number, to: number, headers: readonly ExtensionHeader[] = [], source = MAC1) =>
  ipv6Frame({ source, ipSource: 'fe80::acff:fe11:1007', headers, protocol: 17, payload: udpHeader(from, to) });

const rows: [says: string, frame: Uint8Array, guest: Reason, router: Reason][] = [
  ['from 67 to 68', dhcp(67, 68), 'dhcp-offer', 'other-ip'],
  ['from another port', dhcp(6767, 68), 'dhcp-offer', 'other-ip'],
  ['in a packet that says more bytes than there are', dhcp(67, 68, { longer: 400 }), 'dhcp-offer', 'other-ip'],
  ['in a packet of no IP version', dhcp(67, 68).with(14, 0x65), 'dhcp-offer', 'other-ip'],
  ['behind options', dhcp(67, 68, { ipOptions: 3 }), 'dhcp-offer', 'other-ip'],
  ['in the first fragment', dhcp(67, 68, { fragment: 0x2000 }), 'dhcp-offer', 'other-ip'],
  ['a later fragment is no header', dhcp(67, 68, { fragment: 5 }), 'other-ip', 'other-ip'],
  ['a client', dhcp(68, 67), 'other-ip', 'other-ip'],
  ['a relay speaks to a server', dhcp(67, 67), 'other-ip', 'other-ip'],
  ['over IPv6', dhcpv6(547, 546), 'dhcp-offer', 'other-ip'],
  ['over IPv6 from another port, behind a header', dhcpv6(5470, 546, [{ type: 'destination' }]), 'dhcp-offer', 'other-ip'],
  ['over IPv6 in the first fragment', dhcpv6(547, 546, [{ type: 'fragment', more: true }]), 'dhcp-offer', 'other-ip'],
  ['over IPv6 under another MAC', dhcpv6(547, 546, [], MAC2), 'dhcp-offer', 'mac-mismatch'],
  ['over IPv6, a client', dhcpv6(546, 547), 'other-ip', 'other-ip'],
  ['an ICMP redirect', icmp(5), 'redirect', 'other-ip'],
  ['an ICMP router advertisement', icmp(9), 'redirect', 'other-ip'],
  ['an ICMP router solicitation', icmp(10), 'other-ip', 'other-ip'],
];

const sighting = new Sighting();
const policyWith = (router: boolean) =>
  compilePolicy({ ...seedNetwork, ports: seedNetwork.ports.with(CVM1, { ...must(seedNetwork.ports[CVM1], 'a port'), router }) });
const [ofGuest, ofRouter] = [policyWith(false), policyWith(true)];

it.each(rows)('%s', (_says, frame, guest, router) => {
  expect(reasonOf(judge(ofGuest, frame, 0, frame.length, 0, CVM1, sighting))).toBe(guest);
  expect(reasonOf(judge(ofRouter, frame, 0, frame.length, 0, CVM1, sighting))).toBe(router);
});
