import { describe, expect, it } from 'vitest';
import { type Reason, reasonOf, VERDICTS } from '../../src/base/verdict.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { eachAdvertisedHavip, judge } from '../../src/filter/judge.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { arp, arpProbe, BROADCAST, padded, rarp, snap, tagged, vrrp } from '../../native-fixtures/frames.ts';
import { ipv6Frame, nd, targetMac } from '../../native-fixtures/frames6.ts';
import { carp, ipv4, udpHeader } from '../../native-fixtures/packets.ts';
import {
  bareNetwork,
  CVM1,
  CVM2,
  CVM3,
  CVM4,
  CVM6,
  CVM9,
  HAVIP1,
  HAVIP2,
  HAVIP_OPEN,
  MAC1,
  MAC2,
  MAC3,
  MAC4,
  MAC6,
  MAC9,
} from '../network.ts';

const policy = compilePolicy(bareNetwork);
const sighting = new Sighting();
const VMAC = '00:00:5e:00:01:33';
const ZERO = '00:00:00:00:00:00';

/** The frame somewhere inside a larger buffer, as in a ring: an offset that is forgotten shows at once. */
function verdictOf(frame: Uint8Array, port: number, tag = 0): Reason {
  const memory = new Uint8Array(frame.length + 64).fill(0xee);
  memory.set(frame, 32);
  return reasonOf(judge(policy, memory, 32, frame.length, tag, port, sighting));
}

const claim = (source: string, address: string) => arp({ source, senderAddress: address });
const CARP_MAC = '00:00:5e:00:00:33';
const advert = { source: MAC1, ipSource: '172.17.16.7', addresses: ['172.17.16.3'] };
const bareAdvert = { source: MAC6, ipSource: '172.17.16.33', addresses: ['172.17.16.33'] };

const udp6 = ipv6Frame({ source: MAC1, ipSource: 'fd00::1', protocol: 17, payload: new Uint8Array(8) });
const vrrp6 = ipv6Frame({ source: MAC9, ipSource: 'fe80::acff:fe22:1007', protocol: 112, payload: new Uint8Array(24) });
/** nd.test.ts has the rest. */
const advertisement = {
  icmpType: 136,
  source: MAC1,
  ipSource: 'fe80::acff:fe11:1007',
  target: 'fe80::acff:fe11:1007',
  options: [targetMac(MAC1)],
};
const stranger = { source: MAC9, ipSource: '172.17.16.7', addresses: ['172.17.16.3'] };
const packet = { source: MAC1, ipSource: '172.17.16.7', ipDestination: '172.17.16.9', protocol: 17, payload: udpHeader(53, 53) };

type Row = [says: string, frame: Uint8Array, port: number, reason: Reason];

const rows: Row[] = [
  ['own address, gratuitous request', claim(MAC1, '172.17.16.7'), CVM1, 'own-address'],
  [
    'own address, ordinary request',
    arp({
      source: MAC1,
      senderAddress: '172.17.16.7',
      targetMac: ZERO,
      targetAddress: '172.17.16.1',
    }),
    CVM1,
    'own-address',
  ],
  ['the same address in another VPC is that port’s own', claim(MAC9, '172.17.16.7'), CVM9, 'own-address'],
  ['probe for any address', arpProbe(MAC1, '172.17.16.200'), CVM1, 'probe'],
  ['probe for an own address', arpProbe(MAC1, '172.17.16.7'), CVM1, 'probe'],
  ['probe for a HAVIP of its own', arpProbe(MAC1, '172.17.16.3'), CVM1, 'probe'],
  ['probe for a HAVIP by a stranger', arpProbe(MAC3, '172.17.16.3'), CVM3, 'probe-taken'],
  ['probe for a HAVIP of another subnet', arpProbe(MAC4, '172.17.16.3'), CVM4, 'probe-taken'],
  ['probe for the neighbour’s address', arpProbe(MAC3, '172.17.16.7'), CVM3, 'probe-taken'],
  ['probe for the gateway', arpProbe(MAC1, '172.17.16.1'), CVM1, 'probe-taken'],
  ['probe for what is somebody’s in another VPC alone', arpProbe(MAC9, '172.17.16.13'), CVM9, 'probe'],
  ['probe by the neighbour’s MAC', arpProbe(MAC2, '172.17.16.3'), CVM1, 'mac-mismatch'],
  [
    'reply from 0.0.0.0',
    arp({ source: MAC1, operation: 2, senderAddress: '0.0.0.0', targetAddress: '172.17.16.3' }),
    CVM1,
    'malformed',
  ],

  ['keepalived’s gratuitous request', claim(MAC1, '172.17.16.3'), CVM1, 'havip-claim'],
  [
    'RFC 5227 announcement, target MAC zero',
    arp({ source: MAC1, senderAddress: '172.17.16.3', targetMac: ZERO }),
    CVM1,
    'havip-claim',
  ],
  ['announcement, target MAC own', arp({ source: MAC1, senderAddress: '172.17.16.3', targetMac: MAC1 }), CVM1, 'havip-claim'],
  [
    'gratuitous reply, target MAC own (kube-vip)',
    arp({ source: MAC1, operation: 2, senderAddress: '172.17.16.3', targetMac: MAC1 }),
    CVM1,
    'havip-claim',
  ],
  [
    'gratuitous reply, target MAC broadcast (MetalLB)',
    arp({ source: MAC1, operation: 2, senderAddress: '172.17.16.3' }),
    CVM1,
    'havip-claim',
  ],
  [
    'unicast reply to one asker',
    arp({
      destination: MAC3,
      source: MAC1,
      operation: 2,
      senderAddress: '172.17.16.3',
      targetMac: MAC3,
      targetAddress: '172.17.16.9',
    }),
    CVM1,
    'havip-claim',
  ],
  [
    'ordinary request that uses the HAVIP as source',
    arp({
      source: MAC1,
      senderAddress: '172.17.16.3',
      targetMac: ZERO,
      targetAddress: '172.17.16.1',
    }),
    CVM1,
    'havip-claim',
  ],
  ['padded to 60', padded(claim(MAC1, '172.17.16.3')), CVM1, 'havip-claim'],
  ['trailing garbage', padded(claim(MAC1, '172.17.16.3'), 300).fill(0xaa, 42), CVM1, 'havip-claim'],
  ['use_vmac: virtual MAC in both places', arp({ source: VMAC, senderAddress: '172.17.16.3' }), CVM1, 'havip-claim'],
  [
    'RFC style: own Ethernet source, virtual sender',
    arp({ source: MAC1, senderMac: VMAC, senderAddress: '172.17.16.3' }),
    CVM1,
    'havip-claim',
  ],
  ['HAVIP without members, claimed by anyone of the subnet', claim(MAC3, '172.17.16.33'), CVM3, 'havip-claim'],

  ['the neighbour’s address', claim(MAC3, '172.17.16.7'), CVM3, 'not-havip'],
  ['the gateway', claim(MAC1, '172.17.16.1'), CVM1, 'not-havip'],
  ['an unallocated address', claim(MAC1, '172.17.16.99'), CVM1, 'not-havip'],
  ['look-alike 172.17.16.30', claim(MAC1, '172.17.16.30'), CVM1, 'not-havip'],
  ['look-alike 172.17.16.70', claim(MAC1, '172.17.16.70'), CVM1, 'not-havip'],
  ['a HAVIP of another VPC with the same CIDR', claim(MAC9, '172.17.16.3'), CVM9, 'not-havip'],
  ['a HAVIP of another subnet', claim(MAC1, '172.17.32.3'), CVM1, 'foreign-subnet'],
  ['the same the other way round', claim(MAC4, '172.17.16.3'), CVM4, 'foreign-subnet'],
  ['not one of the members', claim(MAC3, '172.17.16.3'), CVM3, 'not-member'],

  ['another guest’s MAC in both places', claim(MAC2, '172.17.16.7'), CVM1, 'mac-mismatch'],
  ['another guest’s MAC as sender', arp({ source: MAC1, senderMac: MAC2, senderAddress: '172.17.16.3' }), CVM1, 'mac-mismatch'],
  ['virtual MAC for the own address', arp({ source: VMAC, senderAddress: '172.17.16.7' }), CVM1, 'mac-mismatch'],
  [
    'virtual MAC for a probe',
    arp({ source: VMAC, senderAddress: '0.0.0.0', targetAddress: '172.17.16.3' }),
    CVM1,
    'mac-mismatch',
  ],
  ['virtual MAC of VRID 0', arp({ source: '00:00:5e:00:01:00', senderAddress: '172.17.16.3' }), CVM1, 'mac-mismatch'],
  [
    'two different virtual MACs',
    arp({ source: VMAC, senderMac: '00:00:5e:00:01:34', senderAddress: '172.17.16.3' }),
    CVM1,
    'mac-mismatch',
  ],
  ['IPv6’s virtual MAC', arp({ source: '00:00:5e:00:02:33', senderAddress: '172.17.16.3' }), CVM1, 'mac-mismatch'],

  ['sender MAC zero', arp({ source: MAC1, senderMac: ZERO, senderAddress: '172.17.16.3' }), CVM1, 'malformed'],
  ['sender MAC broadcast', arp({ source: MAC1, senderMac: BROADCAST, senderAddress: '172.17.16.3' }), CVM1, 'malformed'],
  [
    'sender MAC multicast',
    arp({ source: MAC1, senderMac: '01:00:5e:00:00:12', senderAddress: '172.17.16.3' }),
    CVM1,
    'malformed',
  ],
  ['sender 255.255.255.255', claim(MAC1, '255.255.255.255'), CVM1, 'malformed'],
  ['sender multicast', claim(MAC1, '224.0.0.18'), CVM1, 'malformed'],
  ['sender loopback', claim(MAC1, '127.0.0.1'), CVM1, 'malformed'],
  ['hardware type 6', arp({ source: MAC1, senderAddress: '172.17.16.3', hardware: 6 }), CVM1, 'malformed'],
  ['protocol type 0x86dd', arp({ source: MAC1, senderAddress: '172.17.16.3', protocol: 0x86dd }), CVM1, 'malformed'],
  ['hardware length 8', arp({ source: MAC1, senderAddress: '172.17.16.3', hardwareLength: 8 }), CVM1, 'malformed'],
  ['protocol length 16', arp({ source: MAC1, senderAddress: '172.17.16.3', protocolLength: 16 }), CVM1, 'malformed'],
  ['operation 0', arp({ source: MAC1, senderAddress: '172.17.16.3', operation: 0 }), CVM1, 'malformed'],
  ['operation 3 in ARP', arp({ source: MAC1, senderAddress: '172.17.16.3', operation: 3 }), CVM1, 'malformed'],
  ['InARP', arp({ source: MAC1, senderAddress: '172.17.16.3', operation: 8 }), CVM1, 'malformed'],
  ['41 bytes', claim(MAC1, '172.17.16.3').subarray(0, 41), CVM1, 'malformed'],
  ['13 bytes', claim(MAC1, '172.17.16.3').subarray(0, 13), CVM1, 'malformed'],
  ['no bytes', new Uint8Array(), CVM1, 'malformed'],

  ['VLAN 0', tagged(claim(MAC1, '172.17.16.3'), 0x8100_0000), CVM1, 'tagged'],
  ['three VLAN 0 tags', tagged(claim(MAC1, '172.17.16.3'), 0x8100_0000, 0x8100_0000, 0x8100_0000), CVM1, 'tagged'],
  ['802.1ad, VID 0', tagged(claim(MAC1, '172.17.16.3'), 0x88a8_0000), CVM1, 'tagged'],
  ['802.1ad + 802.1Q', tagged(claim(MAC1, '172.17.16.3'), 0x88a8_0000, 0x8100_0005), CVM1, 'tagged'],
  ['old QinQ 0x9100', tagged(claim(MAC1, '172.17.16.3'), 0x9100_0000), CVM1, 'tagged'],
  ['tagged VRRP', tagged(vrrp(advert), 0x8100_0000), CVM1, 'tagged'],
  ['LLC/SNAP', snap(claim(MAC1, '172.17.16.3')), CVM1, 'encapsulated'],
  ['LLDP', arp({ source: MAC1, senderAddress: '172.17.16.3', type: 0x88cc }), CVM1, 'link-control'],
  ['MPLS', arp({ source: MAC1, senderAddress: '172.17.16.3', type: 0x8847 }), CVM1, 'ethertype'],

  ['QEMU self-announce', rarp(MAC1), CVM1, 'rarp-announce'],
  ['RARP for another MAC', rarp(MAC2), CVM1, 'mac-mismatch'],
  ['RARP with another target', rarp(MAC1, { targetMac: MAC2 }), CVM1, 'mac-mismatch'],
  ['RARP with another sender', rarp(MAC1, { senderMac: MAC2 }), CVM1, 'mac-mismatch'],
  ['RARP that carries an address', rarp(MAC1, { senderAddress: '172.17.16.3' }), CVM1, 'malformed'],
  ['RARP reply', rarp(MAC1, { operation: 4 }), CVM1, 'malformed'],

  ['VRRP v2, PASS', vrrp({ ...advert, password: '1111' }), CVM1, 'vrrp-advert'],
  [
    'VRRP v2, unicast, TTL 64',
    vrrp({ ...advert, password: '1111', ipDestination: '172.17.16.13', ttl: 64 }),
    CVM1,
    'vrrp-advert',
  ],
  ['VRRP v3, pseudo-header', vrrp({ ...advert, version: 3 }), CVM1, 'vrrp-advert'],
  ['VRRP v3, no pseudo-header', vrrp({ ...advert, version: 3, checksum: 'plain' }), CVM1, 'vrrp-advert'],
  [
    'VRRP v3, unicast, summed with 224.0.0.18',
    vrrp({ ...advert, version: 3, ipDestination: '172.17.16.13', checksum: 'pseudo-multicast' }),
    CVM1,
    'vrrp-advert',
  ],
  ['VRRP from the virtual MAC', vrrp({ ...advert, source: VMAC }), CVM1, 'vrrp-advert'],
  ['VRRP sent from the HAVIP itself', vrrp({ ...advert, ipSource: '172.17.16.3' }), CVM1, 'vrrp-advert'],
  ['VRRP behind AH', vrrp({ ...advert, authType: 2, signed: true }), CVM1, 'vrrp-advert'],
  ['VRRP with IP options', vrrp({ ...advert, ipOptions: 3 }), CVM1, 'vrrp-hidden'],
  ['VRRP with an HMAC trailer', vrrp({ ...advert, version: 3, trailer: new Uint8Array(32).fill(7) }), CVM1, 'vrrp-advert'],
  [
    'VRRP whose second address is the HAVIP',
    vrrp({ ...advert, addresses: ['172.17.16.99', '172.17.16.3'] }),
    CVM1,
    'vrrp-advert',
  ],
  ['VRRP of the address owner', vrrp({ ...advert, priority: 255 }), CVM1, 'vrrp-advert'],
  ['VRRP with priority 0', vrrp({ ...advert, priority: 0 }), CVM1, 'vrrp-resign'],

  ['VRRP in the neighbour’s name', vrrp({ ...advert, ipSource: '172.17.16.13' }), CVM1, 'vrrp-source'],
  ['VRRP from an unknown address', vrrp({ ...advert, ipSource: '10.0.0.1' }), CVM1, 'vrrp-source'],
  ['VRRP from a HAVIP that is not the sender’s to claim', vrrp({ ...advert, ipSource: '172.17.32.3' }), CVM1, 'vrrp-source'],
  ['VRRP from 0.0.0.0', vrrp({ ...advert, ipSource: '0.0.0.0' }), CVM1, 'vrrp-source'],
  ['VRRP from 0.0.0.0, by a port without an address', vrrp({ ...bareAdvert, ipSource: '0.0.0.0' }), CVM6, 'vrrp-source'],
  [
    'a resignation from 0.0.0.0, by a port without an address',
    vrrp({ ...bareAdvert, ipSource: '0.0.0.0', priority: 0 }),
    CVM6,
    'vrrp-source',
  ],
  ['VRRP from the HAVIP, by a port without an address', vrrp(bareAdvert), CVM6, 'vrrp-advert'],
  [
    'VRRP in the neighbour’s name, by a port without an address',
    vrrp({ ...bareAdvert, ipSource: '172.17.16.7' }),
    CVM6,
    'vrrp-source',
  ],
  ['a claim by a port without an address', claim(MAC6, '172.17.16.33'), CVM6, 'havip-claim'],
  ['the neighbour’s address, by a port without one', claim(MAC6, '172.17.16.7'), CVM6, 'not-havip'],
  ['a probe by a port without an address', arpProbe(MAC6, '172.17.16.33'), CVM6, 'probe'],
  ['VRRP multicast with TTL 254', vrrp({ ...advert, ttl: 254 }), CVM1, 'vrrp-ttl'],
  ['VRRP from the neighbour’s MAC', vrrp({ ...advert, source: MAC2 }), CVM1, 'mac-mismatch'],
  ['VRRP from a virtual MAC, by a port that may claim nothing', vrrp({ ...advert, source: VMAC }), CVM9, 'mac-mismatch'],
  ['VRRP v2, wrong checksum', vrrp({ ...advert, password: '1111', checksum: 'wrong' }), CVM1, 'vrrp-checksum'],
  ['VRRP v3, wrong checksum', vrrp({ ...advert, version: 3, checksum: 'wrong' }), CVM1, 'vrrp-checksum'],
  [
    'VRRP of a subnet’s stranger',
    vrrp({ source: MAC3, ipSource: '172.17.16.9', addresses: ['172.17.16.3'] }),
    CVM3,
    'foreign-vrrp',
  ],
  ['VRRP for no HAVIP', vrrp({ ...advert, addresses: ['172.17.16.200'] }), CVM1, 'vrrp-not-havip'],
  ['VRRP without addresses', vrrp({ ...advert, addresses: [] }), CVM1, 'vrrp-malformed'],
  ['VRRP with VRID 0', vrrp({ ...advert, vrid: 0 }), CVM1, 'vrrp-malformed'],
  ['VRRP with interval 0', vrrp({ ...advert, interval: 0 }), CVM1, 'vrrp-malformed'],
  ['VRRP version 4', vrrp({ ...advert, typeByte: 0x41 }), CVM1, 'vrrp-malformed'],
  ['VRRP type 2', vrrp({ ...advert, typeByte: 0x22 }), CVM1, 'vrrp-malformed'],
  [
    'CARP: the same first byte, seven “addresses” in 36 bytes',
    vrrp({ ...advert, count: 7, trailer: new Uint8Array(16) }),
    CVM1,
    'carp-advert',
  ],
  ['VRRP in a fragment', vrrp({ ...advert, fragment: 0x2000 }), CVM1, 'vrrp-hidden'],
  ['VRRP in a later fragment', vrrp({ ...advert, fragment: 1 }), CVM1, 'vrrp-hidden'],
  ['VRRP behind AH that says another length', vrrp({ ...advert, signed: true, ahLength: 5 }), CVM1, 'vrrp-hidden'],
  ['a later fragment of AH', vrrp({ ...advert, signed: true, fragment: 3 }), CVM1, 'vrrp-hidden'],
  ['VRRP from a port that may claim nothing', vrrp(stranger), CVM9, 'foreign-vrrp'],
  ['the same in a fragment', vrrp({ ...stranger, fragment: 5 }), CVM9, 'foreign-vrrp'],
  ['the same with IP options', vrrp({ ...stranger, ipOptions: 2 }), CVM9, 'foreign-vrrp'],
  ['the same behind AH', vrrp({ ...stranger, signed: true }), CVM9, 'foreign-vrrp'],
  ['a later fragment of AH from there', vrrp({ ...stranger, signed: true, fragment: 3 }), CVM9, 'foreign-vrrp'],
  ['VRRP with priority 0 from there', vrrp({ ...stranger, priority: 0 }), CVM9, 'foreign-vrrp'],
  ['version 2, unicast, the password known, from there', vrrp({ ...stranger, password: '1111' }), CVM9, 'foreign-vrrp'],
  ['unicast VRRP to a machine of another subnet', vrrp({ ...advert, ipDestination: '172.17.32.5' }), CVM1, 'foreign-vrrp'],
  ['unicast VRRP to another subnet’s HAVIP', vrrp({ ...advert, ipDestination: '172.17.32.3' }), CVM1, 'foreign-vrrp'],
  ['unicast VRRP to the gateway', vrrp({ ...advert, ipDestination: '172.17.16.1' }), CVM1, 'foreign-vrrp'],
  ['VRRP to a subnet’s broadcast address', vrrp({ ...advert, ipDestination: '172.17.16.255' }), CVM1, 'foreign-vrrp'],
  ['VRRP to all hosts', vrrp({ ...advert, ipDestination: '224.0.0.1' }), CVM1, 'foreign-vrrp'],
  ['VRRP to everybody', vrrp({ ...advert, ipDestination: '255.255.255.255' }), CVM1, 'foreign-vrrp'],
  ['unicast VRRP to an address that nobody knows', vrrp({ ...advert, ipDestination: '172.17.16.99' }), CVM1, 'vrrp-advert'],
  ['VRRP that lists nobody’s address first', vrrp({ ...advert, addresses: ['172.17.16.99'] }), CVM1, 'vrrp-not-havip'],
  ['VRRP that lists another’s HAVIP first', vrrp({ ...advert, addresses: ['172.17.32.3', '172.17.16.3'] }), CVM1, 'foreign-vrrp'],
  ['CARP, as ucarp sends it', carp({ vhid: 51, ipSource: '172.17.16.7' }), CVM1, 'carp-advert'],
  ['CARP from the port’s own MAC', carp({ vhid: 51, ipSource: '172.17.16.7', source: MAC1 }), CVM1, 'carp-advert'],
  ['CARP under another VHID than its MAC', carp({ vhid: 52, ipSource: '172.17.16.7', source: CARP_MAC }), CVM1, 'mac-mismatch'],
  ['CARP in the neighbour’s name', carp({ vhid: 51, ipSource: '172.17.16.13' }), CVM1, 'vrrp-source'],
  ['CARP from a port that may claim nothing', carp({ vhid: 51, ipSource: '172.17.16.7', source: MAC9 }), CVM9, 'foreign-vrrp'],
  ['a CARP MAC from there', carp({ vhid: 51, ipSource: '172.17.16.7' }), CVM9, 'mac-mismatch'],
  ['CARP of another length is VRRP', carp({ vhid: 51, ipSource: '172.17.16.7', source: MAC1, bytes: 44 }), CVM1, 'vrrp-checksum'],
  ['VRRP from a CARP MAC', vrrp({ ...advert, source: CARP_MAC }), CVM1, 'mac-mismatch'],
  ['ARP from a CARP MAC', claim(CARP_MAC, '172.17.16.3'), CVM1, 'mac-mismatch'],
  ['VRRP cut off after the IP header', vrrp(advert).subarray(0, 40), CVM1, 'vrrp-malformed'],
  ['VRRP cut off inside the IP header', vrrp(advert).subarray(0, 30), CVM1, 'malformed'],

  ['IPv4, not VRRP', ipv4(packet), CVM1, 'other-ip'],
  ['IPv4 of 20 bytes', ipv4(packet).subarray(0, 20), CVM1, 'malformed'],
  ['IPv4 from a HAVIP that the port may claim', ipv4({ ...packet, ipSource: '172.17.16.3' }), CVM1, 'other-ip'],
  ['IPv4 from the neighbour’s address', ipv4({ ...packet, ipSource: '172.17.16.13' }), CVM1, 'source'],
  ['IPv4 from the gateway’s address', ipv4({ ...packet, ipSource: '172.17.16.1' }), CVM1, 'source'],
  ['IPv4 from an address of the internet', ipv4({ ...packet, ipSource: '8.8.8.8' }), CVM1, 'source'],
  ['IPv4 from a HAVIP of another subnet', ipv4({ ...packet, ipSource: '172.17.32.3' }), CVM1, 'source'],
  ['IPv4 from a HAVIP by no member', ipv4({ ...packet, source: MAC3, ipSource: '172.17.16.3' }), CVM3, 'source'],
  ['IPv4 from 0.0.0.0', ipv4({ ...packet, ipSource: '0.0.0.0' }), CVM1, 'source'],
  ['a DHCP client', ipv4({ ...packet, ipSource: '0.0.0.0', payload: udpHeader(68, 67) }), CVM1, 'other-ip'],
  ['a DHCP server', ipv4({ ...packet, payload: udpHeader(67, 68) }), CVM1, 'dhcp-offer'],
  [
    'a DHCP server with the gateway’s address',
    ipv4({ ...packet, ipSource: '172.17.16.1', payload: udpHeader(67, 68) }),
    CVM1,
    'dhcp-offer',
  ],
  ['a DHCP relay speaks to a server', ipv4({ ...packet, payload: udpHeader(67, 67) }), CVM1, 'other-ip'],
  ['an ICMP redirect', ipv4({ ...packet, protocol: 1, payload: Uint8Array.of(5, 1, 0, 0, 0, 0, 0, 0) }), CVM1, 'redirect'],
  ['a ping', ipv4({ ...packet, protocol: 1, payload: Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0) }), CVM1, 'other-ip'],
  ['IPv6', udp6, CVM1, 'other-ip'],
  ['IPv6 that is ARP inside', arp({ source: MAC1, senderAddress: '172.17.16.7', type: 0x86dd }), CVM1, 'nd-hidden'],
  ['neighbour discovery with a hop limit', nd({ ...advertisement, hopLimit: 64 }), CVM1, 'nd-malformed'],
  ['neighbour discovery with a wrong checksum', nd({ ...advertisement, checksum: 'wrong' }), CVM1, 'nd-checksum'],
  ['router advertisement', nd({ ...advertisement, icmpType: 134 }), CVM1, 'router-advert'],
  ['ICMPv6 redirect', nd({ ...advertisement, icmpType: 137 }), CVM1, 'redirect'],
  ['VRRP over IPv6, by a port that may claim nothing', vrrp6, CVM9, 'foreign-vrrp'],
  ['IPv6 from another guest’s MAC', arp({ source: MAC2, senderAddress: '172.17.16.7', type: 0x86dd }), CVM1, 'mac-mismatch'],
  ['AH that carries something else', vrrp({ ...advert, signed: true }).fill(6, 34, 35), CVM1, 'other-ip'],
  ['an unknown port', claim(MAC1, '172.17.16.7'), 17, 'unknown-port'],
  ['no port', claim(MAC1, '172.17.16.7'), -1, 'unknown-port'],
];

describe('judge: frame -> reason', () => {
  it.each(rows)('%s', (_says, frame, port, reason) => {
    expect(verdictOf(frame, port)).toBe(reason);
  });

  it('has a row for every reason that a single frame can have', () => {
    const seen = new Set(rows.map((row) => row[3]));
    expect(VERDICTS.map((verdict) => verdict.name).filter((name) => !seen.has(name))).toEqual([
      'rate-limited',
      // held.test.ts
      'fence',
      'vmac-held',
      // elsewhere.test.ts
      'elsewhere',
      'stranger',
      'cut',
      'towards-guest',
    ]);
  });

  it('refuses a tag that the kernel had taken off', () => {
    expect(verdictOf(claim(MAC1, '172.17.16.3'), CVM1, 0x8100_0000)).toBe('tagged');
  });
});

describe('judge: what it says besides the verdict', () => {
  it('names the HAVIP of a claim, also of a refused one', () => {
    verdictOf(claim(MAC2, '172.17.16.3'), CVM2);
    expect(sighting.havip).toBe(HAVIP1);
    verdictOf(claim(MAC1, '172.17.32.3'), CVM1);
    expect(sighting.havip).toBe(HAVIP2);
    verdictOf(claim(MAC1, '172.17.16.7'), CVM1);
    expect(sighting.havip).toBe(-1);
  });

  it('lists every HAVIP of an advert that the sender may claim, and no other', () => {
    const frame = vrrp({
      ...advert,
      addresses: ['172.17.16.3', '172.17.32.3', '172.17.16.99', '172.17.16.33'],
    });
    verdictOf(frame, CVM1);
    const found: number[] = [];
    eachAdvertisedHavip(policy, frame, 0, CVM1, sighting, (havip) => found.push(havip));
    expect(found).toEqual([HAVIP1, HAVIP_OPEN]);
    verdictOf(claim(MAC1, '172.17.16.3'), CVM1);
    eachAdvertisedHavip(policy, frame, 0, CVM1, sighting, () => expect.unreachable('an ARP frame lists nothing'));
  });
});
