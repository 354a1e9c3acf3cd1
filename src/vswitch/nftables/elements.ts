/**
 * Entries as elements of sets, whose keys are in keys.ts. Pure. The way back is reading.ts.
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
import { parseIpv4 } from '../../base/address.ts';
import { must } from '../../base/assert.ts';
import type { Entry, EntryKind } from '../vswitch.ts';
import { domainOf } from './domain.ts';
import { type Element, flowMapOf, isByDomain } from './keys.ts';

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
