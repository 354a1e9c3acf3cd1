/**
 * The sets of our table: of what fields their keys are, and a key as nft text and as the kernel's bytes, both ways. What is in them is
 * elements.ts. Pure.
 */
import { formatIpv4, parseIpv4 } from '../../base/address.ts';
import { must } from '../../base/assert.ts';
import { parseCidr6, parseIpv6, readIpv6, writeIpv6 } from '../../base/ipv6.ts';
import { formatMac, parseMac, readMac, writeMac } from '../../base/mac.ts';
import { COUNTED_REASONS, type CountedReason } from '../vswitch.ts';

export interface Element {
  readonly set: string;
  readonly key: readonly string[];
  readonly data: string | null;
  readonly comment: string | null;
  /** Until it is gone by itself; null: never. */
  readonly timeoutMs: number | null;
}

/** `raw4`, `bits64`, `bits48`, `octet`: an address, a /64 prefix, a MAC and a number that are compared with raw bytes of the frame. */
type Field = 'mark' | 'ifname' | 'ipv4' | 'ether' | 'domain' | 'raw4' | 'octet' | 'ethertype' | 'ipv6' | 'bits64' | 'bits48';
/** linux/if.h IFNAMSIZ; in a key each field is padded to 4 bytes. */
const FIELD_BYTES: Record<Field, number> = {
  mark: 4,
  ifname: 16,
  ipv4: 4,
  ether: 8,
  domain: 8,
  raw4: 4,
  octet: 4,
  ethertype: 2,
  ipv6: 16,
  bits64: 8,
  bits48: 8,
};
export const FLOW_MAPS = Array.from({ length: 16 }, (_, i) => `flows_${i.toString(16)}`);
const KEYS: Record<string, readonly Field[]> = {
  holder: ['ifname', 'ipv4'],
  fenced: ['domain', 'ipv4'],
  sender: ['ifname', 'ether', 'ether'],
  virtual: ['ifname'],
  own: ['ifname', 'ipv4'],
  claims: ['ifname', 'raw4'],
  speaks: ['ifname', 'ether', 'ipv4'],
  source: ['ifname', 'ipv4'],
  anysource: ['ifname'],
  router: ['ifname'],
  taken: ['domain', 'ipv4'],
  havips: ['domain', 'raw4'],
  fellow: ['ifname', 'ipv4'],
  peers: ['domain', 'ipv4'],
  vrid: ['domain', 'octet'],
  vrider: ['ifname', 'octet'],
  alive: ['ethertype'],
  vmacs: ['domain', 'ether'],
  vholder: ['ifname', 'ether'],
  vmember: ['ifname', 'ether'],
  vown: ['ifname', 'ether'],
  vports: ['domain', 'ether'],
  own6: ['ifname', 'ipv6'],
  taken6: ['domain', 'ipv6'],
  prefix6: ['ifname', 'bits64'],
  open6: ['ifname'],
  option6: ['ifname', 'bits48'],
  eips: ['ipv4'],
  eip_mark: ['ipv4'],
  eip_mac: ['ipv4'],
  eip_from: ['ipv4'],
  eip_havip: ['ipv4'],
  eip_port: ['mark'],
  eip_out: ['ifname', 'ipv4'],
  eip_go: ['ifname', 'ipv4'],
  ...Object.fromEntries(FLOW_MAPS.map((map): [string, readonly Field[]] => [map, ['domain', 'ipv4']])),
};
/** Sets of entries. */
export const SETS = Object.keys(KEYS);
/** What the kernel notes by itself, of whose frames it drops: no entries. */
const REFUSED_KEYS: Record<CountedReason, readonly Field[]> = {
  source: ['ifname'],
  'dhcp-offer': ['ifname'],
  redirect: ['ifname'],
  fence: ['ifname', 'ipv4'],
  'vmac-held': ['ifname', 'ether'],
  'unknown-port': ['ifname'],
};
for (const reason of COUNTED_REASONS) KEYS[refusedSet(reason)] = REFUSED_KEYS[reason];

export function refusedSet(reason: CountedReason): string {
  return `refused_${reason.replaceAll('-', '_')}`;
}

export function isByDomain(set: string): boolean {
  return fieldsOf(set)[0] === 'domain';
}

/** Of what its keys are made. */
export function fieldsOf(set: string): readonly Field[] {
  return must(KEYS[set], 'a set of ours');
}

/** The flow map that this VPC's rules lead to. */
export function flowMapOf(domain: string): string {
  return `flows_${domain.at(-1)}`;
}

/** As nft writes it; `whole` with data and comment, else the key alone. */
export function elementText({ set, key, data, comment, timeoutMs }: Element, whole: boolean): string {
  const fields = fieldsOf(set);
  const text = key.map((part, i) => fieldText(must(fields[i], 'a set has a field for each part of a key'), part)).join(' . ');
  if (!whole) return text;
  return `${text}${timeoutMs === null ? '' : ` timeout ${timeoutMs / 1000}s`}${comment === null ? '' : ` comment "${comment}"`}${data === null ? '' : ` : ${data}`}`;
}

/** nft takes what is compared with raw bytes as a number. */
function fieldText(field: Field, part: string): string {
  if (field === 'ifname') return `"${part}"`;
  if (field !== 'raw4' && field !== 'ipv6' && field !== 'bits64' && field !== 'bits48') return part;
  const bytes = Buffer.alloc(FIELD_BYTES[field]);
  writeField(bytes, 0, field, part);
  return `0x${bytes.toString('hex', 0, field === 'bits48' ? 6 : bytes.length)}`;
}

/** Writes a key as the kernel compares it; returns its length. */
export function writeKey(bytes: Buffer, at: number, { set, key }: Element): number {
  const fields = fieldsOf(set);
  let end = at;
  for (let i = 0; i < fields.length; i++) {
    const field = must(fields[i], 'the loop ends with the fields');
    const part = must(key[i], 'an element has all fields of its set');
    const start = end;
    end += FIELD_BYTES[field];
    for (let byte = start; byte < end; byte++) bytes[byte] = 0;
    writeField(bytes, start, field, part);
  }
  return end - at;
}

function writeField(bytes: Buffer, at: number, field: Field, part: string): void {
  if (field === 'mark') bytes.writeUInt32LE(Number(part), at);
  else if (field === 'ifname') writeText(bytes, at, part);
  else if (field === 'octet') bytes[at] = Number(part);
  else if (field === 'ethertype') bytes.writeUInt16BE(Number(part), at);
  else if (field === 'ipv4' || field === 'raw4') bytes.writeUInt32BE(must(parseIpv4(part), 'an entry holds an IPv4 address'), at);
  else if (field === 'ipv6') writeIpv6(bytes, at, must(parseIpv6(part), 'an entry holds an IPv6 address'));
  else if (field === 'bits64') {
    const whole = Buffer.alloc(16);
    writeIpv6(whole, 0, must(parseCidr6(part), 'an entry holds an IPv6 prefix').base);
    whole.copy(bytes, at, 0, 8);
  } else writeMac(bytes, at, must(parseMac(part), 'an entry holds a MAC'));
}

export function decodeKey(set: string, bytes: Buffer): string[] {
  let at = 0;
  return fieldsOf(set).map((field) => {
    const start = at;
    at += FIELD_BYTES[field];
    if (field === 'octet') return String(bytes[start]);
    if (field === 'mark') return String(bytes.readUInt32LE(start));
    if (field === 'ethertype') return `0x${bytes.toString('hex', start, start + 2)}`;
    if (field === 'ipv4' || field === 'raw4') return formatIpv4(bytes.readUInt32BE(start));
    if (field === 'ether' || field === 'domain' || field === 'bits48') return formatMac(readMac(bytes, start));
    if (field === 'ipv6') return readIpv6(bytes, start);
    if (field === 'bits64') return `${readIpv6(Buffer.concat([bytes.subarray(start, at), Buffer.alloc(8)]), 0)}/64`;
    const end = bytes.indexOf(0, start);
    return bytes.toString('utf8', start, end < 0 || end > at ? at : end);
  });
}

/**
 * Writes text as UTF-8; returns the bytes it took. Names and comments are ASCII nearly always: Buffer.write() leaves JavaScript for each
 * of the ten texts of a transaction, and a CPU that slept pays for the way there and back.
 */
export function writeText(bytes: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return bytes.write(text, at);
    bytes[at + i] = code;
  }
  return text.length;
}
