/**
 * Entries that are elements of sets, as nft text and as the kernel's bytes. Pure. The way back is reading.ts.
 *
 *     sender   sender  { IF . MAC . MAC }       own      own { IF . IPV4 }, speaks { IF . MAC . IPV4 }
 *     virtual  virtual { IF }                   claim    claims { IF . IPV4 }
 *     source   source  { IF . IPV4 }            havip    havips { DOMAIN . IPV4 }
 *     fellow   fellow  { IF . IPV4 }            peer     peers { DOMAIN . IPV4 }, of a subnet's domain
 *     anysource, router   { IF }                taken    taken { DOMAIN . IPV4 }
 *     vrid     vrid { DOMAIN . VRID comment "OWNER" }                    vrider   vrider { IF . VRID }
 *     holder   flows_N { DOMAIN . IPV4 : MAC }, fenced { DOMAIN . IPV4 }, holder { IF . IPV4 comment "V EPOCH SINCE" }
 *     own      own6 { IF . IPV6 }               taken    taken6 { DOMAIN . IPV6 }
 *     eip      eips { EIP }, eip_mark { EIP : MARK }, eip_mac, eip_from { EIP : MAC }, eip_havip { EIP : HAVIP },
 *              eip_port { MARK : IFINDEX }, eip_out { IF . HAVIP : EIP }, eip_go { IF . HAVIP : goto external_out }; MARK is the EIP
 *     place    vmacs { DOMAIN . MAC }, vholder { IF . MAC }, vports { DOMAIN . MAC : IFINDEX }
 *     vmember  vmember { IF . MAC }, vown { IF . MAC : MAC }
 *     alive    alive { ETHERTYPE timeout SECONDS }, of IPv4, ARP and IPv6
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
import { COUNTED_REASONS, type CountedReason, type Entry, type EntryKind } from '../vswitch.ts';

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
export const KIND_OF_SET: ReadonlyMap<string, EntryKind> = new Map(PLAIN);
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
    case 'alive':
      return aliveElements(value);
    case 'place':
      return placeElements(first, second, value);
    case 'eip':
      return eipElements(first, value);
    case 'vmember':
      return memberElements(key, value);
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

/** What the rules about holders ask for by EtherType. */
export const ALIVE = ['0x0800', '0x0806', '0x86dd'] as const;

/** A damaged value says what there is: `damaged ETHERTYPE...`. */
function aliveElements([first = '', ...rest]: readonly string[]): Element[] {
  const timeoutMs = first === 'damaged' || first === '0' ? null : Number(first) * 1000;
  const types = first === 'damaged' ? rest : ALIVE;
  return types.map((type) => ({ set: 'alive', key: [type], data: null, comment: null, timeoutMs }));
}

/** A damaged value says what there is: `damaged IFINDEX name|- INTERFACE...`. */
function placeElements(vpc: string, mac: string, value: readonly string[]): Element[] {
  const damaged = value[0] === 'damaged';
  const [straight = '0', ...rest] = damaged ? value.slice(1) : value;
  const holders = damaged ? rest.slice(1) : rest;
  const domain = domainOf(vpc);
  const elements = holders.map((holder) => element('vholder', [holder, mac]));
  if (!damaged || rest[0] === 'name') elements.push(element('vmacs', [domain, mac]));
  if (straight !== '0') elements.push(element('vports', [domain, mac], straight));
  return elements;
}

/** Where packets of holders with an EIP go on. */
export const EIP_WAY_OUT = 'external_out';

/** A damaged value says what there is, element by element (eipPart). */
function eipElements(eip: string, value: readonly string[]): Element[] {
  if (value[0] === 'damaged') return value.slice(1).map(eipOfPart);
  const [havip = '', name = '', mac = '', ifindex = '', from = ''] = value;
  const mark = String(must(parseIpv4(eip), 'an EIP is an address'));
  return [
    element('eips', [eip]),
    element('eip_mark', [eip], mark),
    element('eip_mac', [eip], mac),
    element('eip_from', [eip], from),
    element('eip_havip', [eip], havip),
    element('eip_port', [mark], ifindex),
    element('eip_out', [name, havip], eip),
    element('eip_go', [name, havip], `goto ${EIP_WAY_OUT}`),
  ];
}

/** An element as a word. Where a verdict leads is not read back. */
export function eipPart({ set, key, data }: Element): string {
  return [set, data === null || set === 'eip_go' ? '' : data, ...key].join('|');
}

function eipOfPart(part: string): Element {
  const [set = '', data = '', ...key] = part.split('|');
  return element(set, key, set === 'eip_go' ? `goto ${EIP_WAY_OUT}` : data || null);
}

/** A damaged value says what there is: `damaged MAC|- vmember|-`. */
function memberElements(key: readonly string[], value: readonly string[]): Element[] {
  const damaged = value[0] === 'damaged';
  const [own = '-', member] = damaged ? value.slice(1) : [value[0], 'vmember'];
  const elements = member === 'vmember' ? [element('vmember', key)] : [];
  if (own !== '-') elements.push(element('vown', key, own));
  return elements;
}

function element(set: string, key: readonly string[], data: string | null = null, comment: string | null = null): Element {
  return { set, key, data, comment, timeoutMs: null };
}

/** What tells a subnet from others, as a VPC's label does a VPC. */
export function subnetOf(vpc: string, cidr: string): string {
  return `${vpc}/${cidr}`;
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

export function isByDomain(set: string): boolean {
  return fieldsOf(set)[0] === 'domain';
}

/** Of what its keys are made. */
export function fieldsOf(set: string): readonly Field[] {
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
