/** IPv6 frames built from their documented formats; the twin of frames.ts. Every field can be set wrong; the defaults are right. */
import { parseIpv6, writeIpv6 } from '../src/base/ipv6.ts';
import { parseMac, writeMac } from '../src/base/mac.ts';

const ALL_NODES = 'ff02::1';
const ALL_NODES_MAC = '33:33:00:00:00:01';

/** RFC 8200, 4. `words`: eight bytes each beyond the first eight. */
export interface ExtensionHeader {
  readonly type: 'hop-by-hop' | 'routing' | 'destination' | 'fragment' | 'ah' | 'mobility' | 'none';
  readonly words?: number;
  /** Of a fragment, in eight bytes. */
  readonly offset?: number;
  readonly more?: boolean;
}

const NEXT: Readonly<Record<ExtensionHeader['type'], number>> = {
  'hop-by-hop': 0,
  routing: 43,
  fragment: 44,
  ah: 51,
  none: 59,
  destination: 60,
  mobility: 135,
};

export interface Ipv6Fields {
  readonly destination?: string;
  readonly source: string;
  readonly type?: number;
  readonly version?: number;
  readonly ipSource: string;
  readonly ipDestination?: string;
  readonly hopLimit?: number;
  readonly headers?: readonly ExtensionHeader[];
  readonly protocol: number;
  readonly payload: Uint8Array;
  /** Added to the payload length that the header says. */
  readonly lengthError?: number;
}

export function ipv6Frame(fields: Ipv6Fields): Uint8Array {
  const headers = fields.headers ?? [];
  const nexts = [...headers.map(({ type }) => NEXT[type]), fields.protocol];
  const body = Buffer.concat([...headers.map((header, i) => extension(header, nexts[i + 1]!)), fields.payload]);
  const frame = Buffer.alloc(54 + body.length);
  putMac(frame, 0, fields.destination ?? ALL_NODES_MAC);
  putMac(frame, 6, fields.source);
  frame.writeUInt16BE(fields.type ?? 0x86dd, 12);
  frame[14] = (fields.version ?? 6) << 4;
  frame.writeUInt16BE(Math.max(0, body.length + (fields.lengthError ?? 0)) & 0xffff, 18);
  frame[20] = nexts[0]!;
  frame[21] = fields.hopLimit ?? 255;
  putIpv6(frame, 22, fields.ipSource);
  putIpv6(frame, 38, fields.ipDestination ?? ALL_NODES);
  body.copy(frame, 54);
  return frame;
}

function extension({ type, words = 0, offset = 0, more = false }: ExtensionHeader, next: number): Uint8Array {
  if (type === 'none') return new Uint8Array();
  if (type === 'ah') return Buffer.from([next, 4, ...new Uint8Array(22)]); // RFC 4302: 24 bytes, in words of four
  const bytes = Buffer.alloc(8 * (words + 1));
  bytes[0] = next;
  if (type === 'fragment') {
    bytes.writeUInt16BE((offset << 3) | (more ? 1 : 0), 2);
    bytes.writeUInt32BE(0x1234, 4);
    return bytes.subarray(0, 8);
  }
  bytes[1] = words;
  if (type !== 'routing') bytes.set([1, bytes.length - 4], 2); // one PadN option
  return bytes;
}

export interface NdOption {
  readonly type: number;
  /** In eight bytes. */
  readonly length?: number;
  /** A MAC address, or hexadecimal. */
  readonly value: string;
}

export interface NdFields extends Omit<Ipv6Fields, 'protocol' | 'payload'> {
  /** 133 RS, 134 RA, 135 NS, 136 NA, 137 redirect. */
  readonly icmpType: number;
  readonly code?: number;
  /** Of an advertisement: router 0x80, solicited 0x40, override 0x20. */
  readonly flags?: number;
  readonly target?: string;
  readonly options?: readonly NdOption[];
  readonly checksum?: 'right' | 'wrong';
}

export const sourceMac = (mac: string): NdOption => ({ type: 1, value: mac });
export const targetMac = (mac: string): NdOption => ({ type: 2, value: mac });
export const nonce: NdOption = { type: 14, value: '616263646566' };

/** RFC 4861, 4.1 to 4.5. */
export function nd(fields: NdFields): Uint8Array {
  const { icmpType: type, target, options = [], code = 0, flags = 0, checksum = 'right', ...rest } = fields;
  const fixed = Buffer.alloc(type === 133 ? 8 : type === 134 ? 16 : type === 137 ? 40 : 24);
  fixed.set([type, code]);
  if (type === 134) fixed.set([64, 0, 0x07, 0x08], 4);
  else fixed[4] = flags;
  if (target !== undefined && fixed.length >= 24) putIpv6(fixed, 8, target);
  if (target !== undefined && type === 137) putIpv6(fixed, 24, target);
  const message = Buffer.concat([fixed, ...options.map(encodeOption)]);
  const sum = icmpv6Sum(rest.ipSource, rest.ipDestination ?? ALL_NODES, message);
  message.writeUInt16BE(checksum === 'right' ? sum : sum ^ 0x0101, 2);
  return ipv6Frame({ ...rest, protocol: 58, payload: message });
}

function encodeOption({ type, length = 1, value }: NdOption): Uint8Array {
  return Buffer.concat([Buffer.from([type, length]), Buffer.from(value.replaceAll(':', ''), 'hex')]);
}

/** RFC 4443, 2.3, of a message whose own checksum is 0. */
export function icmpv6Sum(source: string, destination: string, message: Uint8Array): number {
  const all = Buffer.alloc(40 + message.length + (message.length % 2));
  putIpv6(all, 0, source);
  putIpv6(all, 16, destination);
  all.writeUInt32BE(message.length, 32);
  all[39] = 58;
  all.set(message, 40);
  let total = 0;
  for (let i = 0; i < all.length; i += 2) total += all.readUInt16BE(i);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

function putMac(frame: Uint8Array, at: number, text: string): void {
  const mac = parseMac(text);
  if (mac === null) throw new RangeError(`not a MAC address: ${text}`);
  writeMac(frame, at, mac);
}

function putIpv6(frame: Uint8Array, at: number, text: string): void {
  const address = parseIpv6(text);
  if (address === null) throw new RangeError(`not an IPv6 address: ${text}`);
  writeIpv6(frame, at, address);
}
