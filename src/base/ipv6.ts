/**
 * IPv6 addresses. An address is its canonical text (RFC 5952), made once where it is read: so `===`, keys of maps and what people read
 * need no conversion. Tried instead: 128 bits in a bigint. V8 seems to hash one by its low 64 bits: with the same host parts in 1,000
 * subnets a lookup in a Map took 22 us, with strings 0.65. Frames carry four 32-bit words; so does hot code.
 */
import { assert, must } from './assert.ts';
import { macHigh, macLow, type Mac } from './mac.ts';

declare const CANONICAL: unique symbol;
export type Ipv6 = string & { readonly [CANONICAL]: true };

/** Four signed 32-bit integers, as a DataView reads them from a frame. */
export type Ipv6Words = readonly [number, number, number, number];

/** Of a prefix of an interface identifier (RFC 4291, 2.5.1). */
const INTERFACE_BITS = 64;
const GROUP = /^[0-9a-f]{1,4}$/i;
const OCTETS = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;
const BITS = /^(0|[1-9][0-9]{0,2})$/;
const FE80 = 0xfe80_0000 | 0;

/** Any legal spelling (RFC 4291, 2.2); null when it is none. Zone indices are refused. */
export function parseIpv6(text: string): Ipv6 | null {
  const halves = text.split('::');
  if (halves.length > 2 || !text.includes(':')) return null;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  return formatGroups([...head, ...Array.from({ length: missing }, () => 0), ...tail]);
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    const octets = mayEndInIpv4 && i === parts.length - 1 ? parseOctets(part) : null;
    if (octets !== null) groups.push(...octets);
    else if (GROUP.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

/** The dotted end of `::ffff:192.0.2.1` as two groups. */
function parseOctets(text: string): [number, number] | null {
  const [, ...octets] = OCTETS.exec(text) ?? [];
  const [a, b, c, d] = octets.map(Number);
  if (a === undefined || b === undefined || c === undefined || d === undefined || Math.max(a, b, c, d) > 255) return null;
  return [a * 256 + b, c * 256 + d];
}

function formatGroups(groups: readonly number[]): Ipv6 {
  const [start, length] = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  const text = length < 2 ? hex.join(':') : `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
  assert(isCanonical(text), 'eight groups make an address');
  return text;
}

/** Nothing but formatGroups() makes one. */
function isCanonical(text: string): text is Ipv6 {
  return text.includes(':');
}

function longestZeroRun(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best[1]) best = [start, length];
  }
  return best;
}

export function ipv6Words(address: Ipv6): Ipv6Words {
  const [head = '', tail] = address.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const groups = [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16));
  const word = (i: number) => ((groups[i] ?? 0) << 16) | (groups[i + 1] ?? 0);
  return [word(0), word(2), word(4), word(6)];
}

function formatIpv6([a, b, c, d]: Ipv6Words): Ipv6 {
  return formatGroups([a, b, c, d].flatMap((word) => [word >>> 16, word & 0xffff]));
}

/** Reads 16 bytes in network order. */
export function readIpv6(bytes: Uint8Array, at: number): Ipv6 {
  return formatGroups(Array.from({ length: 8 }, (_, i) => (bytes[at + 2 * i] ?? 0) * 256 + (bytes[at + 2 * i + 1] ?? 0)));
}

/** Writes 16 bytes in network order. */
export function writeIpv6(bytes: Uint8Array, at: number, address: Ipv6): void {
  for (const [i, word] of ipv6Words(address).entries())
    for (let byte = 0; byte < 4; byte++) bytes[at + 4 * i + byte] = word >>> (24 - 8 * byte);
}

/** fe80::/64: the form that every sender uses (RFC 4291, 2.5.6); the rest of fe80::/10 is reserved. */
export function isLinkLocal(address: Ipv6): boolean {
  const [a, b] = ipv6Words(address);
  return a === FE80 && b === 0;
}

/** Neither multicast, nor in ::/64 (unspecified, loopback, IPv4-mapped): a machine's address. */
export function isUnicastIpv6(address: Ipv6): boolean {
  const [a, b] = ipv6Words(address);
  return a >>> 24 !== 0xff && (a | b) !== 0;
}

/** What a host makes of a prefix of 64 bits and its MAC (RFC 4291, appendix A). */
export function eui64(prefix: Ipv6, mac: Mac): Ipv6 {
  const [a, b] = ipv6Words(prefix);
  const high = macHigh(mac) ^ 0x0200;
  const low = macLow(mac);
  return formatIpv6([a, b, (high << 16) | ((low >>> 24) << 8) | 0xff, (0xfe << 24) | (low & 0xff_ffff)]);
}

export const LINK_LOCAL_PREFIX = must(parseIpv6('fe80::'), 'fe80:: is an address');

/** An IPv6 prefix; `base` has no bits below the mask. */
export interface Cidr6 {
  readonly base: Ipv6;
  readonly bits: number;
}

/** null unless it is `ADDRESS/0..128` with no host bits set. */
export function parseCidr6(text: string): Cidr6 | null {
  const [address, bits, ...rest] = text.split('/');
  const base = parseIpv6(address ?? '');
  if (base === null || rest.length > 0 || bits === undefined || !BITS.test(bits) || Number(bits) > 128) return null;
  const cidr = { base, bits: Number(bits) };
  return network6Of(base, cidr.bits) === base ? cidr : null;
}

export function formatCidr6({ base, bits }: Cidr6): string {
  return `${base}/${bits}`;
}

function network6Of(address: Ipv6, bits: number): Ipv6 {
  const mask = (word: number, from: number) => {
    const kept = Math.min(32, Math.max(0, bits - from));
    return kept === 0 ? 0 : word & (-1 << (32 - kept));
  };
  const [a, b, c, d] = ipv6Words(address);
  return formatIpv6([mask(a, 0), mask(b, 32), mask(c, 64), mask(d, 96)]);
}

export function cidr6Contains(cidr: Cidr6, address: Ipv6): boolean {
  return network6Of(address, cidr.bits) === cidr.base;
}

export function cidrs6Overlap(a: Cidr6, b: Cidr6): boolean {
  const bits = Math.min(a.bits, b.bits);
  return network6Of(a.base, bits) === network6Of(b.base, bits);
}

/** Hosts may make addresses of their own in it (RFC 4862, 5.5.3). */
export function isSlaacPrefix(cidr: Cidr6): boolean {
  return cidr.bits === INTERFACE_BITS;
}
