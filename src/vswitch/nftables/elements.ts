/**
 * Entries that are elements of sets, in both directions, as nft text and as the kernel's bytes. Pure.
 *
 *     sender   sender  { IF . MAC . MAC }       own, claim  the set of that name { IF . IPV4 }
 *     virtual  virtual { IF }                   holder      flows_N { DOMAIN . IPV4 : MAC }, fenced { DOMAIN . IPV4 },
 *                                                           holder { IF . IPV4 comment "V EPOCH SINCE" }
 *     own      own6 { IF . IPV6 }               taken       taken6 { DOMAIN . IPV6 }
 *     prefix   prefix6 { IF . 64 BITS }         option      option6 { IF . MAC }
 *     open     open6 { IF }                     router      router6 { IF }
 *
 * N is the domain's last digit. The kernel finds a set by walking the table's list and comparing names: with a flow map and a fence for
 * each of 1,000 VPCs, and chains of each, a transaction of two elements took 100 to 510 us 20 ms after the last, and 25 to 75 without.
 * It also walks all rules that lead to a map before it adds to it (nft_add_set_elem): the transaction of a claim took 318 to 359 us with one
 * map for all, 108 to 195 with 16.
 */
import { formatIpv4, parseIpv4 } from '../../base/address.ts';
import { parseCidr6, parseIpv6, readIpv6, writeIpv6 } from '../../base/ipv6.ts';
import { must } from '../../base/assert.ts';
import { formatMac, parseMac, readMac, writeMac } from '../../base/mac.ts';
import { domainOf } from './domain.ts';
import type { Entry, EntryKind } from '../vswitch.ts';

export interface Element {
  readonly set: string;
  readonly key: readonly string[];
  readonly data: string | null;
  readonly comment: string | null;
}

/** `bits64` and `bits48`: a /64 prefix and a MAC that are compared with raw bytes of the frame. */
type Field = 'ifname' | 'ipv4' | 'ether' | 'domain' | 'ipv6' | 'bits64' | 'bits48';
/** linux/if.h IFNAMSIZ; in a key each field is padded to 4 bytes. */
const FIELD_BYTES: Record<Field, number> = {
  ifname: 16,
  ipv4: 4,
  ether: 8,
  domain: 8,
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
  claim: ['ifname', 'ipv4'],
  own6: ['ifname', 'ipv6'],
  taken6: ['domain', 'ipv6'],
  prefix6: ['ifname', 'bits64'],
  open6: ['ifname'],
  router6: ['ifname'],
  option6: ['ifname', 'bits48'],
  ...Object.fromEntries(FLOW_MAPS.map((map): [string, readonly Field[]] => [map, ['domain', 'ipv4']])),
};
export const SETS = Object.keys(KEYS);
/** Sets of which an element is an entry, as it stands. */
const PLAIN: Readonly<Record<string, EntryKind>> = {
  virtual: 'virtual',
  own: 'own',
  own6: 'own',
  claim: 'claim',
  prefix6: 'prefix',
  open6: 'open',
  router6: 'router',
  option6: 'option',
};

export function elementsOf(entry: Entry): Element[] {
  const key = entry.key.split(' ');
  const value = entry.value.split(' ');
  const [first = '', second = ''] = key;
  switch (entry.kind) {
    case 'sender':
      return [element('sender', [first, second, value[0] === 'damaged' ? (value[1] ?? '') : second])];
    case 'virtual':
    case 'claim':
      return [element(entry.kind, key)];
    case 'own':
      return [element(second.includes(':') ? 'own6' : 'own', key)];
    case 'taken':
      return [element('taken6', [domainOf(first), second])];
    case 'prefix':
    case 'open':
    case 'router':
    case 'option':
      return [element(`${entry.kind}6`, key)];
    case 'holder':
      return holderElements(first, second, value);
    default:
      return [];
  }
}

function holderElements(vpc: string, address: string, value: readonly string[]): Element[] {
  const damaged = value[0] === 'damaged';
  const [name = '', mac = ''] = value;
  const fence = damaged ? value[2] : value[4];
  const holders = damaged ? value.slice(3) : [name];
  const comment = damaged ? null : `${vpc} ${value[2]} ${value[3]}`;
  const elements = holders.map((holder) => element('holder', [holder, address], null, comment));
  const domain = domainOf(vpc);
  const key = [domain, address];
  if (mac !== '-') elements.push(element(flowMapOf(domain), key, mac));
  if (fence === 'fence') elements.push(element('fenced', key));
  return elements;
}

function element(set: string, key: readonly string[], data: string | null = null, comment: string | null = null): Element {
  return { set, key, data, comment };
}

/** The flow map that this VPC's rules lead to. */
export function flowMapOf(domain: string): string {
  return `flows_${domain.at(-1)}`;
}

/**
 * The entries that these elements make up. A VPC that nothing else names is called by its domain; what stands in a map that no rule of
 * its VPC leads to is no entry. An incomplete holder's value is `damaged MAC|- fence|open INTERFACE...`.
 */
export function entriesOfElements(elements: readonly Element[], vpcOfInterface: ReadonlyMap<string, string>): Entry[] {
  const entries: Entry[] = [];
  const vpcOfDomain = new Map<string, string>();
  const learn = (vpc: string) => vpcOfDomain.set(domainOf(vpc), vpc);
  for (const vpc of vpcOfInterface.values()) learn(vpc);
  for (const { set, comment } of elements) if (set === 'holder' && comment !== null) learn(comment.split(' ')[0] ?? '');
  const holders = new Map<string, { mac: string; fence: string; at: { name: string; comment: string }[] }>();
  const holderAt = (vpc: string, address: string) => {
    const id = `${vpc} ${address}`;
    let holder = holders.get(id);
    if (holder === undefined) holders.set(id, (holder = { mac: '-', fence: 'open', at: [] }));
    return holder;
  };
  for (const { set, key, data, comment } of elements) {
    const [first = '', second = '', third = ''] = key;
    if (set === 'sender') {
      entries.push({ kind: 'sender', key: `${first} ${second}`, value: second === third ? '-' : `damaged ${third}` });
    } else if (set === 'taken6') entries.push({ kind: 'taken', key: `${vpcOfDomain.get(first) ?? first} ${second}`, value: '-' });
    else if (PLAIN[set] !== undefined) entries.push({ kind: PLAIN[set], key: key.join(' '), value: '-' });
    else if (set === 'holder') {
      const vpc = comment?.split(' ')[0] || vpcOfInterface.get(first) || '-';
      holderAt(vpc, second).at.push({ name: first, comment: comment ?? '' });
    } else if (set === flowMapOf(first)) holderAt(vpcOfDomain.get(first) ?? first, second).mac = data ?? '-';
    else if (set === 'fenced') holderAt(vpcOfDomain.get(first) ?? first, second).fence = 'fence';
  }
  for (const [key, { mac, fence, at }] of holders) {
    const [one] = at;
    const said = /^\S+ (\d+) (\d+)$/.exec(one?.comment ?? '');
    const whole = at.length === 1 && one !== undefined && said !== null && mac !== '-';
    const value = whole
      ? `${one.name} ${mac} ${said[1]} ${said[2]} ${fence}`
      : ['damaged', mac, fence, ...at.map((holder) => holder.name)].join(' ');
    entries.push({ kind: 'holder', key, value });
  }
  return entries;
}

/** As nft writes it; `whole` with data and comment, else the key alone. */
export function elementText({ set, key, data, comment }: Element, whole: boolean): string {
  const fields = fieldsOf(set);
  const text = key.map((part, i) => fieldText(must(fields[i], 'a set has a field for each part of a key'), part)).join(' . ');
  if (!whole) return text;
  return `${text}${comment === null ? '' : ` comment "${comment}"`}${data === null ? '' : ` : ${data}`}`;
}

/** nft takes what is compared with raw bytes as a number. */
function fieldText(field: Field, part: string): string {
  if (field === 'ifname') return `"${part}"`;
  if (field !== 'ipv6' && field !== 'bits64' && field !== 'bits48') return part;
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
  if (field === 'ifname') writeText(bytes, at, part);
  else if (field === 'ipv4') bytes.writeUInt32BE(must(parseIpv4(part), 'an entry holds an IPv4 address'), at);
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
    if (field === 'ipv4') return formatIpv4(bytes.readUInt32BE(start));
    if (field === 'ether' || field === 'domain' || field === 'bits48') return formatMac(readMac(bytes, start));
    if (field === 'ipv6') return readIpv6(bytes, start);
    if (field === 'bits64') return `${readIpv6(Buffer.concat([bytes.subarray(start, at), Buffer.alloc(8)]), 0)}/64`;
    const end = bytes.indexOf(0, start);
    return bytes.toString('utf8', start, end < 0 || end > at ? at : end);
  });
}

function fieldsOf(set: string): readonly Field[] {
  return must(KEYS[set], 'a set of ours');
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
