/** Frames by class, and which of them the capture filter lets through to user space. */

const DESTINATION = 'ffffffffffff';
const SOURCE = '0200ac111007';
const ARP = '080600010800060400010200ac111007ac111007000000000000ac111001';
const IPV4 = (protocol: string, flags = '0000', payload = '21330a0100010000'.repeat(3)) =>
  `0800450000280001${flags}ff${protocol}0000ac111007e0000012${payload}`;
/** Its first byte says what it protects. */
const AH = (next: string) => `${next}04000000000001000000010000000000000000000000002133640100010000`;
const AH_BEHIND_OPTIONS = `08004600003800010000ff330000ac111007e000001294040000${AH('70')}`;
/** @param next protocol behind the IPv6 header */
const ipv6 = (next: string, payload: string) =>
  `86dd60000000${(payload.length / 2).toString(16).padStart(4, '0')}${next}fffe80${'0'.repeat(24)}0007ff02${'0'.repeat(26)}01${payload}`;
const NA = `88000000a0000000fd0000160000000000000000000000070201${SOURCE}`;
const RS = '8500000000000000';
const ECHO = `8000000000010001${'00'.repeat(40)}`;
const UDP = `0035003500200000${'00'.repeat(24)}`;
const later = (next: string) => `${next}00000800001234`;
const first = (next: string) => `${next}00000100001234`;
const options = (next: string) => `${next}00010400000000`;
/** 24 bytes of destination options. */
const longOptions = (next: string) => `${next}020112${'00'.repeat(20)}`;

export function frame(afterMacs: string, length = 60): Uint8Array {
  const bytes = Buffer.from(DESTINATION + SOURCE + afterMacs, 'hex');
  return bytes.length >= length ? bytes : Buffer.concat([bytes, Buffer.alloc(length - bytes.length)]);
}

/** An ARP request that carries a number, to tell frames apart. */
export function numberedArp(number: number): Uint8Array {
  const bytes = frame(ARP);
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(44, number);
  return bytes;
}

export const CLASSES: readonly { name: string; pass: boolean; bytes: Uint8Array; tag: number }[] = [
  { name: 'ARP', pass: true, bytes: frame(ARP), tag: 0 },
  { name: 'ARP without padding', pass: true, bytes: frame(ARP, 0), tag: 0 },
  { name: 'RARP', pass: true, bytes: frame('8035' + ARP.slice(4)), tag: 0 },
  { name: 'VRRP', pass: true, bytes: frame(IPV4('70')), tag: 0 },
  { name: 'VRRP, first fragment', pass: true, bytes: frame(IPV4('70', '2000')), tag: 0 },
  { name: 'VRRP, later fragment', pass: true, bytes: frame(IPV4('70', '0010')), tag: 0 },
  { name: 'VRRP behind AH', pass: true, bytes: frame(IPV4('33', '0000', AH('70'))), tag: 0 },
  { name: 'VRRP behind AH behind IP options', pass: true, bytes: frame(AH_BEHIND_OPTIONS), tag: 0 },
  { name: 'TCP behind AH', pass: false, bytes: frame(IPV4('33', '0000', AH('06'))), tag: 0 },
  { name: 'AH cut before what it protects', pass: false, bytes: frame(IPV4('33', '0000', ''), 0), tag: 0 },
  { name: 'UDP', pass: false, bytes: frame(IPV4('11')), tag: 0 },
  { name: 'TCP', pass: false, bytes: frame(IPV4('06')), tag: 0 },
  { name: 'ICMP', pass: false, bytes: frame(IPV4('01')), tag: 0 },
  { name: 'IPv4 cut before its protocol field', pass: false, bytes: frame('080045000028', 0), tag: 0 },
  { name: 'IPv6, TCP', pass: false, bytes: frame(ipv6('06', UDP)), tag: 0 },
  { name: 'IPv6, UDP', pass: false, bytes: frame(ipv6('11', UDP)), tag: 0 },
  { name: 'IPv6, ESP', pass: false, bytes: frame(ipv6('32', UDP)), tag: 0 },
  { name: 'IPv6, mobility', pass: false, bytes: frame(ipv6('87', UDP)), tag: 0 },
  { name: 'ping over IPv6', pass: false, bytes: frame(ipv6('3a', ECHO)), tag: 0 },
  { name: 'MLD', pass: false, bytes: frame(ipv6('00', `3a00050200000000${ECHO.replace('80', '8f')}`)), tag: 0 },
  { name: 'IPv6, first fragment of a ping', pass: false, bytes: frame(ipv6('2c', first('3a') + ECHO)), tag: 0 },
  { name: 'IPv6, later fragment of a ping', pass: false, bytes: frame(ipv6('2c', later('3a') + NA)), tag: 0 },
  { name: 'IPv6, first fragment of UDP', pass: false, bytes: frame(ipv6('2c', first('11') + UDP)), tag: 0 },
  { name: 'IPv6, later fragment of UDP', pass: false, bytes: frame(ipv6('2c', later('11') + UDP)), tag: 0 },
  { name: 'UDP behind hop-by-hop options', pass: false, bytes: frame(ipv6('00', options('11') + UDP)), tag: 0 },
  { name: 'TCP behind AH over IPv6', pass: false, bytes: frame(ipv6('33', AH('06'))), tag: 0 },
  { name: 'IPv6 cut before its next header', pass: false, bytes: frame('86dd600000000010', 0), tag: 0 },
  { name: 'neighbour advertisement', pass: true, bytes: frame(ipv6('3a', NA)), tag: 0 },
  { name: 'neighbour solicitation', pass: true, bytes: frame(ipv6('3a', NA.replace('88', '87'))), tag: 0 },
  { name: 'router solicitation, not padded', pass: true, bytes: frame(ipv6('3a', RS), 0), tag: 0 },
  { name: 'router advertisement', pass: true, bytes: frame(ipv6('3a', `8600${'00'.repeat(14)}`)), tag: 0 },
  { name: 'ICMPv6 redirect', pass: true, bytes: frame(ipv6('3a', `8900${'00'.repeat(38)}`)), tag: 0 },
  { name: 'inverse neighbour advertisement', pass: true, bytes: frame(ipv6('3a', `8e00${'00'.repeat(22)}`)), tag: 0 },
  { name: 'ICMPv6 type 140', pass: false, bytes: frame(ipv6('3a', `8c00${'00'.repeat(22)}`)), tag: 0 },
  { name: 'ND behind hop-by-hop options', pass: true, bytes: frame(ipv6('00', options('3a') + NA)), tag: 0 },
  { name: 'ND behind long destination options', pass: true, bytes: frame(ipv6('3c', longOptions('3a') + NA)), tag: 0 },
  { name: 'ND behind a routing header', pass: true, bytes: frame(ipv6('2b', options('3a') + NA)), tag: 0 },
  { name: 'ND in a first fragment', pass: true, bytes: frame(ipv6('2c', first('3a') + NA)), tag: 0 },
  { name: 'two headers in a row', pass: true, bytes: frame(ipv6('00', options('3c') + options('11') + UDP)), tag: 0 },
  { name: 'a header behind a fragment header', pass: true, bytes: frame(ipv6('2c', later('3c') + UDP)), tag: 0 },
  { name: 'VRRP over IPv6', pass: true, bytes: frame(ipv6('70', `31330a0100640000${'00'.repeat(16)}`)), tag: 0 },
  { name: 'VRRP over IPv6, later fragment', pass: true, bytes: frame(ipv6('2c', `${later('70')}${UDP}`)), tag: 0 },
  { name: 'VRRP behind options', pass: true, bytes: frame(ipv6('3c', `${options('70')}31330a01`)), tag: 0 },
  { name: 'ND behind AH', pass: true, bytes: frame(ipv6('33', AH('3a'))), tag: 0 },
  { name: 'VRRP behind AH over IPv6', pass: true, bytes: frame(ipv6('33', AH('70'))), tag: 0 },
  { name: 'ARP in VLAN 5', pass: true, bytes: frame(`81000005${ARP}`), tag: 0x8100_0005 },
  { name: 'ARP with a priority tag', pass: true, bytes: frame(`8100e000${ARP}`), tag: 0x8100_e000 },
  { name: 'ARP with an 802.1ad tag of VID 0', pass: true, bytes: frame(`88a80000${ARP}`), tag: 0x88a8_0000 },
  { name: 'ARP behind 802.1ad and 802.1Q', pass: true, bytes: frame(`88a8000581000006${ARP}`), tag: 0x88a8_0005 },
  { name: 'UDP in VLAN 5', pass: true, bytes: frame(`81000005${IPV4('11')}`), tag: 0x8100_0005 },
  { name: 'IPv6 with a priority tag', pass: true, bytes: frame(`81000000${ipv6('11', UDP)}`), tag: 0x8100_0000 },
  { name: 'LLC/SNAP ARP', pass: true, bytes: frame(`0024aaaa03000000${ARP}`), tag: 0 },
  { name: 'LLC, spanning tree', pass: true, bytes: frame('0026424203'), tag: 0 },
  { name: 'unknown EtherType', pass: true, bytes: frame('88cc0207'), tag: 0 },
  { name: 'jumbo of an unknown EtherType', pass: true, bytes: frame('88b5', 1400), tag: 0 },
];
