/** The one thing that is wrong with a malformed frame, for a person: a reason stands for many. Main thread. */
import { formatIpv4 } from '../base/address.ts';
import { formatMac, joinMac } from '../base/mac.ts';
import type { Reason } from '../base/verdict.ts';
import { isCarp } from '../decode/vrrp.ts';

/** null where the reason says it all. */
export function faultIn(reason: Reason, frame: Uint8Array): string | null {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (frame.length < 14) return `the frame has ${frame.length} bytes; an Ethernet header alone has 14`;
  const type = view.getUint16(12);
  switch (reason) {
    case 'malformed':
      return type === 0x0806 || type === 0x8035 ? arpFault(view, type === 0x8035) : ipFault(view);
    case 'vrrp-malformed':
    case 'vrrp-hidden':
      return vrrpFault(view);
    case 'encapsulated':
      return llcFault(view, type);
    case 'link-control':
      if (type < 0x0600) return 'a frame of spanning tree (LLC DSAP 0x42)';
      return `the EtherType is ${hex(type)}${named(ETHERTYPES, type)}`;
    case 'ethertype':
      return `the EtherType is ${hex(type)}${named(ETHERTYPES, type)}`;
    case 'tagged':
      return `the EtherType is ${hex(type)}${type === 0x88a8 ? ' (802.1ad)' : ''}, a VLAN tag`;
    default:
      return null;
  }
}

function arpFault(view: DataView, reverse: boolean): string {
  const name = reverse ? 'RARP' : 'ARP';
  if (view.byteLength < 42) return `${name} cut at ${view.byteLength} of 42 bytes`;
  const [hardware, protocol] = [view.getUint16(14), view.getUint16(16)];
  const [hardwareLength, protocolLength, operation] = [view.getUint8(18), view.getUint8(19), view.getUint16(20)];
  if (hardware !== 1) return `the hardware type is ${hardware}; Ethernet is 1`;
  if (protocol !== 0x0800) return `the protocol type is ${hex(protocol)}; IPv4 is 0x0800`;
  if (hardwareLength !== 6) return `the hardware length is ${hardwareLength}; a MAC has 6 bytes`;
  if (protocolLength !== 4) return `the protocol length is ${protocolLength}; an IPv4 address has 4 bytes`;
  if (reverse && operation !== 3) return `the operation is ${operation}; a RARP announcement is 3`;
  if (!reverse && operation !== 1 && operation !== 2)
    return `the operation is ${operation}${named(OPERATIONS, operation)}; ARP has 1 (request) and 2 (reply)`;
  const sender = joinMac(view.getUint16(22), view.getUint32(24));
  if (sender === 0) return 'the sender MAC is zero';
  if ((view.getUint8(22) & 1) === 1) return `the sender MAC ${formatMac(sender)} is not unicast`;
  const address = view.getUint32(28);
  if (reverse) return 'a RARP announcement says no address, and this one does';
  if (address === 0) return 'the sender address 0.0.0.0 is for probes, which are requests';
  return `the sender address ${formatIpv4(address)} is no machine's: multicast, reserved, broadcast or loopback`;
}

/** An IP header that cannot be right; else a packet too short to say its source. */
function ipFault(view: DataView): string {
  const least = view.getUint16(12) === 0x86dd ? 54 : 34;
  return view.byteLength < least
    ? `cut at ${view.byteLength} of ${least} bytes, inside the IP header`
    : 'what the packet says of itself does not fit its bytes';
}

function vrrpFault(view: DataView): string {
  if (view.getUint16(12) === 0x86dd) return 'the message is not in order: its version, length, addresses or interval';
  if (view.byteLength < 34) return ipFault(view);
  const header = (view.getUint8(14) & 15) * 4;
  const total = view.getUint16(16);
  if (view.getUint8(14) >> 4 !== 4 || header < 20) return 'the IP header is not one of IPv4';
  if ((view.getUint16(20) & 0x3fff) !== 0) return 'it is a fragment: no VRRP daemon sends one';
  if (total > view.byteLength - 14) return `the packet is cut: it says ${total} bytes, ${view.byteLength - 14} are there`;
  if (header > 20) return `the IP header has ${header - 20} bytes of options`;
  if (view.getUint8(23) === 51) return 'the AH header in front of it has an unusual length';
  return messageFault(view, 14 + header, total - header);
}

function messageFault(view: DataView, at: number, length: number): string {
  if (isCarp(view, 0, view.byteLength)) return 'it is CARP (ucarp), which shares protocol 112 and looks like VRRP version 2';
  if (length < 8) return `the message has ${length} bytes; its head alone has 8`;
  const first = view.getUint8(at);
  const [version, type, count] = [first >> 4, first & 15, view.getUint8(at + 3)];
  if (version !== 2 && version !== 3) return `the version is ${version}; there are 2 and 3`;
  if (type !== 1) return `the type is ${type}; VRRP has 1 (advertisement)`;
  if (view.getUint8(at + 1) === 0) return 'the VRID is 0; there are 1 to 255';
  if (count === 0) return 'it lists no address (count 0)';
  const exact = 8 + 4 * count + (version === 2 ? 8 : 0);
  if (length < exact) return `it counts ${count} addresses, which takes ${exact} bytes, and has ${length}`;
  return 'the advertisement interval is 0';
}

function llcFault(view: DataView, length: number): string {
  if (view.byteLength < 17) return `an 802.3 frame of ${length} bytes whose LLC header is cut`;
  const [to, from] = [view.getUint8(14), view.getUint8(15)];
  if (to !== 0xaa || from !== 0xaa || view.byteLength < 22) return `an LLC frame, DSAP ${hex(to, 2)}${named(SAPS, to)}`;
  const inner = view.getUint16(20);
  const arp = inner === 0x0806 ? ': ARP that slips past EtherType filters' : '';
  return `a SNAP frame that carries EtherType ${hex(inner)}${named(ETHERTYPES, inner)}${arp}`;
}

const ETHERTYPES: Readonly<Record<number, string>> = {
  0x0806: 'ARP',
  0x8809: 'LACP and its kin',
  0x88cc: 'LLDP',
  0x8863: 'PPPoE discovery',
  0x8864: 'PPPoE',
  0x8847: 'MPLS',
  0x888e: '802.1X',
  0x88e5: 'MACsec',
  0x88f7: 'PTP',
  0x893a: '1905.1',
  0x2000: 'CDP',
};
const SAPS: Readonly<Record<number, string>> = { 0x42: 'spanning tree', 0xe0: 'IPX', 0xf0: 'NetBIOS', 0xfe: 'OSI, IS-IS' };
const OPERATIONS: Readonly<Record<number, string>> = { 3: 'RARP', 4: 'RARP', 8: 'InARP', 9: 'InARP' };

function named(names: Readonly<Record<number, string>>, value: number): string {
  const name = names[value];
  return name === undefined ? '' : ` (${name})`;
}

function hex(value: number, digits = 4): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}
