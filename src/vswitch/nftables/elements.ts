/**
 * Entries that are elements of sets, in both directions, as nft text and as the kernel's bytes. Pure.
 *
 *     sender   sender  { IF . MAC . MAC }       own      own { IF . IPV4 }, speaks { IF . MAC . IPV4 }
 *     virtual  virtual { IF }                   claim    claims { IF . IPV4 }
 *     source   source  { IF . IPV4 }            havip    havips { DOMAIN . IPV4 }
 *     fellow   fellow  { IF . IPV4 }            peer     peers { DOMAIN . IPV4 }, of a subnet's domain
 *     anysource, router   { IF }                taken    taken { DOMAIN . IPV4 }
 *     vrid     vrid { DOMAIN . VRID comment "OWNER" }                    vrider   vrider { IF . VRID }
 *     holder   flows_N { DOMAIN . IPV4 : MAC }, fenced { DOMAIN . IPV4 }, holder { IF . IPV4 comment "V EPOCH SINCE" }
 *     own      own6 { IF . IPV6 }               taken    taken6 { DOMAIN . IPV6 }
 *     prefix   prefix6 { IF . 64 BITS }         option   option6 { IF . MAC }         open     open6 { IF }
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

/** `raw4`, `bits64`, `bits48`, `octet`: an address, a /64 prefix, a MAC and a number that are compared with raw bytes of the frame. */
type Field = 'ifname' | 'ipv4' | 'ether' | 'domain' | 'raw4' | 'octet' | 'ipv6' | 'bits64' | 'bits48';
/** linux/if.h IFNAMSIZ; in a key each field is padded to 4 bytes. */
const FIELD_BYTES: Record<Field, number> = {
  ifname: 16,
  ipv4: 4,
  ether: 8,
  domain: 8,
  raw4: 4,
  octet: 4,
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
  own6: ['ifname', 'ipv6'],
  taken6: ['domain', 'ipv6'],
  prefix6: ['ifname', 'bits64'],
  open6: ['ifname'],
  option6: ['ifname', 'bits48'],
  ...Object.fromEntries(FLOW_MAPS.map((map): [string, readonly Field[]] => [map, ['domain', 'ipv4']])),
};
export const SETS = Object.keys(KEYS);
/** Sets of which an element is an entry of this kind as it stands, its first part as the domain of what it names where the set has that. */
const PLAIN: readonly (readonly [set: string, kind: EntryKind])[] = [
  ['virtual', 'virtual'],
  ['claims', 'claim'],
  ['source', 'source'],
  ['anysource', 'anysource'],
  ['router', 'router'],
  ['taken', 'taken'],
  ['havips', 'havip'],
  ['fellow', 'fellow'],
  ['peers', 'peer'],
  ['vrider', 'vrider'],
  ['own6', 'own'],
  ['taken6', 'taken'],
  ['prefix6', 'prefix'],
  ['open6', 'open'],
  ['option6', 'option'],
];
const KIND_OF_SET = new Map(PLAIN);
/** Of kinds of which some entries are of IPv6, the set of IPv4. */
const SET_OF_KIND = new Map(PLAIN.toReversed().map(([set, kind]) => [kind, set]));

export function elementsOf(entry: Entry): Element[] {
  const key = entry.key.split(' ');
  const value = entry.value.split(' ');
  const [first = '', second = ''] = key;
  switch (entry.kind) {
    case 'sender':
      return [element('sender', [first, second, value[0] === 'damaged' ? (value[1] ?? '') : second])];
    case 'own':
      return second.includes(':') ? [element('own6', key)] : ownElements(first, second, value);
    case 'taken':
      return [element(second.includes(':') ? 'taken6' : 'taken', [domainOf(first), second])];
    case 'vrid':
      return [element('vrid', [domainOf(first), second], null, value[0])];
    case 'holder':
      return holderElements(first, second, value);
    default:
      return plainElements(entry.kind, key);
  }
}

function plainElements(kind: EntryKind, key: readonly string[]): Element[] {
  const set = SET_OF_KIND.get(kind);
  if (set === undefined) return [];
  const [first = '', ...rest] = key;
  return [element(set, isByDomain(set) ? [domainOf(first), ...rest] : key)];
}

/** A damaged value says what there is: `damaged own|- MAC...`. */
function ownElements(name: string, address: string, value: readonly string[]): Element[] {
  const damaged = value[0] === 'damaged';
  const macs = damaged ? value.slice(2) : value;
  const elements = macs.map((mac) => element('speaks', [name, mac, address]));
  if (!damaged || value[1] === 'own') elements.push(element('own', [name, address]));
  return elements;
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

/** What tells a subnet from others, as a VPC's label does a VPC. */
export function subnetOf(vpc: string, cidr: string): string {
  return `${vpc}/${cidr}`;
}

/** The flow map that this VPC's rules lead to. */
export function flowMapOf(domain: string): string {
  return `flows_${domain.at(-1)}`;
}

/** What the structure of the table says of names that stand as numbers in elements. */
export interface Places {
  /** VPC of each hooked interface. */
  readonly vpcOf: ReadonlyMap<string, string>;
  /** By subnetOf(). */
  readonly subnets: Iterable<string>;
}

/**
 * The entries that these elements make up. A VPC that nothing else names is called by its domain; what stands in a map that no rule of
 * its VPC leads to is no entry. An incomplete holder's value is `damaged MAC|- fence|open INTERFACE...`.
 */
export function entriesOfElements(elements: readonly Element[], { vpcOf, subnets }: Places): Entry[] {
  const nameOf = new Map<string, string>();
  const learn = (name: string) => nameOf.set(domainOf(name), name);
  for (const vpc of vpcOf.values()) learn(vpc);
  for (const subnet of subnets) learn(subnet);
  for (const { set, comment } of elements) if (set === 'holder' && comment !== null) learn(comment.split(' ')[0] ?? '');
  const named = (domain: string) => nameOf.get(domain) ?? domain;
  const holders = new Holders();
  const owns = new Owns();
  const entries: Entry[] = [];
  for (const { set, key, data, comment } of elements) {
    const [first = '', second = '', third = ''] = key;
    const kind = KIND_OF_SET.get(set);
    if (kind !== undefined) {
      const place = isByDomain(set) ? [named(first), ...key.slice(1)] : key;
      entries.push({ kind, key: place.join(' '), value: '-' });
    } else if (set === 'sender') {
      entries.push({ kind: 'sender', key: `${first} ${second}`, value: second === third ? '-' : `damaged ${third}` });
    } else if (set === 'vrid') entries.push({ kind: 'vrid', key: `${named(first)} ${second}`, value: comment ?? 'damaged' });
    else if (set === 'own') owns.at(first, second).own = true;
    else if (set === 'speaks') owns.at(first, third).macs.push(second);
    else if (set === 'holder') {
      const vpc = comment?.split(' ')[0] || vpcOf.get(first) || '-';
      holders.at(vpc, second).at.push({ name: first, comment: comment ?? '' });
    } else if (set === flowMapOf(first)) holders.at(named(first), second).mac = data ?? '-';
    else if (set === 'fenced') holders.at(named(first), second).fence = 'fence';
  }
  return [...entries, ...owns.entries(), ...holders.entries()];
}

/** Parts of entries that are made of several elements, by the two parts of their key. */
class Parts<T> {
  readonly #parts = new Map<string, T>();
  readonly #none: () => T;
  readonly #entry: (key: string, part: T) => Entry;

  constructor(none: () => T, entry: (key: string, part: T) => Entry) {
    this.#none = none;
    this.#entry = entry;
  }

  at(first: string, second: string): T {
    const key = `${first} ${second}`;
    let part = this.#parts.get(key);
    if (part === undefined) this.#parts.set(key, (part = this.#none()));
    return part;
  }

  entries(): Entry[] {
    return Array.from(this.#parts, ([key, part]) => this.#entry(key, part));
  }
}

class Owns extends Parts<{ own: boolean; macs: string[] }> {
  constructor() {
    super(
      () => ({ own: false, macs: [] }),
      (key, { own, macs }) => {
        const [mac] = macs;
        const whole = own && macs.length === 1 && mac !== undefined;
        return { kind: 'own', key, value: whole ? mac : ['damaged', own ? 'own' : '-', ...macs].join(' ') };
      },
    );
  }
}

class Holders extends Parts<{ mac: string; fence: string; at: { name: string; comment: string }[] }> {
  constructor() {
    super(
      () => ({ mac: '-', fence: 'open', at: [] }),
      (key, { mac, fence, at }) => {
        const [one] = at;
        const said = /^\S+ (\d+) (\d+)$/.exec(one?.comment ?? '');
        const whole = at.length === 1 && one !== undefined && said !== null && mac !== '-';
        const value = whole
          ? `${one.name} ${mac} ${said[1]} ${said[2]} ${fence}`
          : ['damaged', mac, fence, ...at.map(({ name }) => name)].join(' ');
        return { kind: 'holder', key, value };
      },
    );
  }
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
  if (field === 'ifname') writeText(bytes, at, part);
  else if (field === 'octet') bytes[at] = Number(part);
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
    if (field === 'ipv4' || field === 'raw4') return formatIpv4(bytes.readUInt32BE(start));
    if (field === 'ether' || field === 'domain' || field === 'bits48') return formatMac(readMac(bytes, start));
    if (field === 'ipv6') return readIpv6(bytes, start);
    if (field === 'bits64') return `${readIpv6(Buffer.concat([bytes.subarray(start, at), Buffer.alloc(8)]), 0)}/64`;
    const end = bytes.indexOf(0, start);
    return bytes.toString('utf8', start, end < 0 || end > at ? at : end);
  });
}

function isByDomain(set: string): boolean {
  return fieldsOf(set)[0] === 'domain';
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
