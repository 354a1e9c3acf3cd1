/**
 * Internet addresses, always compared parsed (docs/design.md, rule 8: 10.0.0.1 is not 10.0.0.10).
 *
 * One form holds both families: 128 bits in a bigint, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). IPv4 alone is also a
 * plain number of 32 bits, because that is what frames carry and what hot code compares.
 */
export type Address = bigint;
export type Ipv4 = number;

const MAPPED = 0xffffn << 32n;
const DOT = 46;
const ZERO = 48;
const OCTET = /^(0|[1-9][0-9]{0,2})$/;
const GROUP = /^[0-9a-f]{1,4}$/i;

/**
 * Dotted quad without leading zeros (`010.0.0.1` is refused: some read it as octal); null when it is not one. Character by
 * character, since a start parses some 400,000 of them: split() and a pattern took four times as long.
 */
export function parseIpv4(text: string): Ipv4 | null {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (octet < 0 || ++dots > 3) return null;
      value = value * 256 + octet;
      octet = -1;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9 || octet === 0) return null;
    octet = octet < 0 ? digit : octet * 10 + digit;
    if (octet > 255) return null;
  }
  return octet < 0 || dots !== 3 ? null : value * 256 + octet;
}

export function formatIpv4(address: Ipv4): string {
  return `${(address >>> 24) & 255}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

function fromIpv4(address: Ipv4): Address {
  return MAPPED | BigInt(address >>> 0);
}

/** The IPv4 address inside, or null for an IPv6 one. */
function toIpv4(address: Address): Ipv4 | null {
  return address >> 32n === 0xffffn ? Number(address & 0xffff_ffffn) : null;
}

/** Either family in any legal spelling (RFC 4291, 2.2); null when it is none. Zone indices are refused. */
export function parseAddress(text: string): Address | null {
  const v4 = parseIpv4(text);
  if (v4 !== null) return fromIpv4(v4);
  const halves = text.split('::');
  if (halves.length > 2 || !text.includes(':')) return null;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    const v4 = mayEndInIpv4 && i === parts.length - 1 ? parseIpv4(part) : null;
    if (v4 !== null) groups.push(v4 >>> 16, v4 & 0xffff);
    else if (GROUP.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

/** The canonical text: dotted quad, or RFC 5952 for IPv6. */
export function formatAddress(address: Address): string {
  const v4 = toIpv4(address);
  if (v4 !== null) return formatIpv4(v4);
  const groups = Array.from({ length: 8 }, (_, i) => Number((address >> BigInt(112 - 16 * i)) & 0xffffn));
  const [start, length] = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
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

/** An IPv4 prefix; `base` has no bits below the mask. */
export interface Cidr {
  readonly base: Ipv4;
  readonly bits: number;
}

/** null unless it is `a.b.c.d/0..32` with no host bits set. */
export function parseCidr(text: string): Cidr | null {
  const [address, bits, ...rest] = text.split('/');
  const base = parseIpv4(address ?? '');
  if (base === null || rest.length > 0 || bits === undefined || !OCTET.test(bits) || Number(bits) > 32) return null;
  const cidr = { base, bits: Number(bits) };
  return networkOf(base, cidr.bits) === base ? cidr : null;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIpv4(cidr.base)}/${cidr.bits}`;
}

function networkOf(address: Ipv4, bits: number): Ipv4 {
  return bits === 0 ? 0 : (address & (-1 << (32 - bits))) >>> 0;
}

export function cidrContains(cidr: Cidr, address: Ipv4): boolean {
  return networkOf(address, cidr.bits) === cidr.base;
}

export function cidrInside(inner: Cidr, outer: Cidr): boolean {
  return inner.bits >= outer.bits && cidrContains(outer, inner.base);
}

/** The last address of the prefix: the broadcast address of a subnet up to /30. */
export function cidrLast(cidr: Cidr): Ipv4 {
  return cidr.base + 2 ** (32 - cidr.bits) - 1;
}
