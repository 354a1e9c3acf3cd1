/**
 * Frames built from their documented formats, for tests, benches and the senders that cannot be recorded here. Every field can be
 * set wrong; the defaults are right.
 */
import { parseIpv4 } from '../src/base/address.ts';
import { parseMac, writeMac } from '../src/base/mac.ts';

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const ZERO_MAC = '00:00:00:00:00:00';

export interface ArpFields {
  destination?: string;
  source: string;
  type?: number;
  hardware?: number;
  protocol?: number;
  hardwareLength?: number;
  protocolLength?: number;
  /** 1 request, 2 reply */
  operation?: number;
  senderMac?: string;
  senderAddress: string;
  targetMac?: string;
  targetAddress?: string;
}

/** RFC 826; gratuitous request in keepalived's form unless told otherwise (target MAC broadcast, target address = sender address). */
export function arp(fields: ArpFields): Uint8Array {
  const frame = new Uint8Array(42);
  const view = new DataView(frame.buffer);
  putMac(frame, 0, fields.destination ?? BROADCAST);
  putMac(frame, 6, fields.source);
  view.setUint16(12, fields.type ?? 0x0806);
  view.setUint16(14, fields.hardware ?? 1);
  view.setUint16(16, fields.protocol ?? 0x0800);
  view.setUint8(18, fields.hardwareLength ?? 6);
  view.setUint8(19, fields.protocolLength ?? 4);
  view.setUint16(20, fields.operation ?? 1);
  putMac(frame, 22, fields.senderMac ?? fields.source);
  view.setUint32(28, ip(fields.senderAddress));
  putMac(frame, 32, fields.targetMac ?? BROADCAST);
  view.setUint32(38, ip(fields.targetAddress ?? fields.senderAddress));
  return frame;
}

/** RFC 5227: asks whether anybody has the address; claims nothing. */
export function arpProbe(source: string, address: string): Uint8Array {
  return arp({ source, senderAddress: '0.0.0.0', targetMac: ZERO_MAC, targetAddress: address });
}

/** QEMU's self-announce after a live migration (net/announce.c): RARP op 3, both hardware addresses its own, padded to 60. */
export function rarp(source: string, overrides: Partial<ArpFields> = {}): Uint8Array {
  const fields = {
    source,
    type: 0x8035,
    operation: 3,
    senderAddress: '0.0.0.0',
    targetMac: source,
    targetAddress: '0.0.0.0',
  };
  return padded(arp({ ...fields, ...overrides }));
}

/** Zero bytes up to Ethernet's minimum without the frame check sequence. */
export function padded(frame: Uint8Array, length = 60): Uint8Array {
  const out = new Uint8Array(Math.max(length, frame.length));
  out.set(frame);
  return out;
}

/** Puts VLAN tags behind the addresses, outermost first: each TPID << 16 | TCI. */
export function tagged(frame: Uint8Array, ...tags: number[]): Uint8Array {
  const out = new Uint8Array(frame.length + 4 * tags.length);
  out.set(frame.subarray(0, 12));
  const view = new DataView(out.buffer);
  for (const [i, tag] of tags.entries()) view.setUint32(12 + 4 * i, tag);
  out.set(frame.subarray(12), 12 + 4 * tags.length);
  return out;
}

/** The payload of an Ethernet II frame behind an 802.3 length and an LLC/SNAP header (RFC 1042). */
export function snap(frame: Uint8Array): Uint8Array {
  const out = new Uint8Array(frame.length + 8);
  out.set(frame.subarray(0, 12));
  new DataView(out.buffer).setUint16(12, frame.length - 12 + 6);
  out.set([0xaa, 0xaa, 0x03, 0, 0, 0], 14);
  out.set(frame.subarray(12), 20);
  return out;
}

export interface VrrpFields {
  version?: 2 | 3;
  source: string;
  destinationMac?: string;
  ipSource: string;
  ipDestination?: string;
  ttl?: number;
  vrid?: number;
  priority?: number;
  /** v2: whole seconds; v3: centiseconds */
  interval?: number;
  addresses: readonly string[];
  /** v2: 0 none, 1 PASS, 2 AH */
  authType?: number;
  password?: string;
  /** v3: which pseudo-header the checksum covers */
  checksum?: 'pseudo' | 'plain' | 'pseudo-multicast' | 'wrong';
  /** bytes after the VRRP data, inside the IP packet */
  trailer?: Uint8Array;
  /** first byte of the message, when it shall not be version << 4 | 1 */
  typeByte?: number;
  /** number of addresses claimed in the header */
  count?: number;
  /** in front of the message: an AH header of 24 bytes (RFC 4302), and what it says of its length */
  signed?: boolean;
  ahLength?: number;
  ipOptions?: number;
  fragment?: number;
}

/** VRRP over IPv4: RFC 3768 (version 2, the default) and RFC 9568 (version 3); keepalived's defaults. */
export function vrrp(fields: VrrpFields): Uint8Array {
  const { version = 2, trailer = new Uint8Array() } = fields;
  const message = vrrpMessage(fields, version);
  const options = (fields.ipOptions ?? 0) * 4;
  const ah = fields.signed === true ? 24 : 0;
  const frame = new Uint8Array(14 + 20 + options + ah + message.length + trailer.length);
  const view = new DataView(frame.buffer);
  const destination = fields.ipDestination ?? '224.0.0.18';
  putMac(frame, 0, fields.destinationMac ?? '01:00:5e:00:00:12');
  putMac(frame, 6, fields.source);
  view.setUint16(12, 0x0800);
  view.setUint8(14, 0x45 + options / 4);
  view.setUint16(16, frame.length - 14);
  view.setUint16(20, fields.fragment ?? 0);
  view.setUint8(22, fields.ttl ?? 255);
  view.setUint8(23, ah > 0 ? 51 : 112);
  view.setUint32(26, ip(fields.ipSource));
  view.setUint32(30, ip(destination));
  frame.fill(1, 34, 34 + options);
  view.setUint16(24, ~sum(frame.subarray(14, 34 + options)) & 0xffff);
  const messageAt = 34 + options + ah;
  if (ah > 0) frame.set([112, fields.ahLength ?? ah / 4 - 2], messageAt - ah);
  frame.set(message, messageAt);
  frame.set(trailer, messageAt + message.length);
  view.setUint16(messageAt + 6, vrrpChecksum(fields, version, message, destination));
  return frame;
}

function vrrpMessage(fields: VrrpFields, version: 2 | 3): Uint8Array {
  const count = fields.addresses.length;
  const message = new Uint8Array(8 + 4 * count + (version === 2 ? 8 : 0));
  const view = new DataView(message.buffer);
  const interval = fields.interval ?? (version === 2 ? 1 : 100);
  message.set([fields.typeByte ?? (version << 4) | 1, fields.vrid ?? 51, fields.priority ?? 100, fields.count ?? count]);
  if (version === 2) message.set([fields.authType ?? (fields.password === undefined ? 0 : 1), interval], 4);
  else view.setUint16(4, interval);
  for (const [i, address] of fields.addresses.entries()) view.setUint32(8 + 4 * i, ip(address));
  if (version === 2) message.set(new TextEncoder().encode(fields.password ?? '').subarray(0, 8), 8 + 4 * count);
  return message;
}

function vrrpChecksum(fields: VrrpFields, version: 2 | 3, message: Uint8Array, destination: string): number {
  if (fields.checksum === 'wrong') return (~sum(message) & 0xffff) ^ 0x0101;
  if (version === 2 || fields.checksum === 'plain') return ~sum(message) & 0xffff;
  const pseudo = new DataView(new ArrayBuffer(12));
  pseudo.setUint32(0, ip(fields.ipSource));
  pseudo.setUint32(4, ip(fields.checksum === 'pseudo-multicast' ? '224.0.0.18' : destination));
  pseudo.setUint16(8, 112);
  pseudo.setUint16(10, message.length);
  const all = new Uint8Array(12 + message.length);
  all.set(new Uint8Array(pseudo.buffer));
  all.set(message, 12);
  return ~sum(all) & 0xffff;
}

/** Ones' complement sum of 16-bit words (RFC 1071). */
export function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

export function putMac(frame: Uint8Array, at: number, text: string): void {
  const mac = parseMac(text);
  if (mac === null) throw new RangeError(`not a MAC address: ${text}`);
  writeMac(frame, at, mac);
}

export function ip(text: string): number {
  const address = parseIpv4(text);
  if (address === null) throw new RangeError(`not an IPv4 address: ${text}`);
  return address;
}
