/**
 * Structure of the nftables driver: the chains and sets that an entry stands for, as nft text (man 8 nft). Pure.
 *
 *     ingress of a port  -> port_IF: flow map; what is ordinary ends here or one chain on
 *                           ├─ ARP  -> guard_arp -> guard_arp_sender -> guard_arp_plain ─┐
 *                           ├─ IPv6 -> ruleset6.ts                                       ├─> back in port_IF: what depends on the VPC
 *                           └─ IPv4 -> guard -> ruleset4.ts ─────────────────────────────┘      -> deny
 *     ingress of uplink  -> uplink_IF: flow map
 *     of who is beside   -> shut_IF: deny
 *
 * All is `goto`, so a frame reaches `deny` at most once; in audit, deny counts and returns, and the base chain accepts. The flow map
 * comes first, so that nothing is to be done afterwards: what is denied has been readdressed for nothing. One base chain per port, not
 * one per VPC with a list of devices: nft 1.0.6 cannot take a device out of a chain, and the kernel dumps a chain's devices in one
 * message. And nothing else per port, subnet or VPC: with each transaction the kernel walks all chains, and the list of sets by name
 * (elements.ts has what that cost). So the VPC is part of a key: `ether saddr & D | D` is D whatever the frame says, nft's way to say a
 * constant of 48 bits. Default deny by EtherType, because `ether type arp jump guard` let ARP behind a VLAN-0 tag, several of
 * them, and 802.1ad tags pass. `ether type` reads the frame and sees a tag also where the NIC has stripped it; `meta protocol`
 * does not.
 *
 * Each rule's comment says which entry it was rendered from, its place and a hash of its chain: so the entry can be read back, and
 * a rule that was removed, added or left over from another version is noticed.
 */
import { createHash } from 'node:crypto';
import { must } from '../../base/assert.ts';
import { label } from '../label.ts';
import { domainOf } from './domain.ts';
import { type Change, COUNTED_REASONS, type Entry, type EntryKind } from '../vswitch.ts';
import { EIP_COUNTERS, EIP_OUT_RULE, EIP_SETS, externalRules } from './external.ts';
import { EIP_WAY_OUT, subnetOf } from './elements.ts';
import { FLOW_MAPS, flowMapOf } from './keys.ts';
import {
  ARP_SENDER,
  bulkRules,
  counterOf,
  guardChains4,
  GUARD_SETS4,
  heldRule6,
  heldRules,
  isHavip,
  nameRules,
  peerRules,
  probeRules,
  SHUT_RULE,
  straightRule,
} from './ruleset4.ts';
import { GUARD_SETS6, guardChains6, ORDINARY_RULES6, portRules6 } from './ruleset6.ts';
import { ALIVE, NOT_TO_VIRTUAL, VIRTUAL_MACS } from './virtual.ts';

export const DROP_COUNTER = 'havip_guard_dropped_total';

export interface Chain {
  readonly name: string;
  /** The interface at whose ingress a base chain hangs. */
  readonly device: string | null;
  /** nft text with its comment. */
  readonly rules: readonly string[];
  readonly comments: readonly string[];
}

export interface Structure {
  /** Named counters. */
  readonly counters: readonly string[];
  /** Names and definitions of sets and maps. */
  readonly sets: readonly (readonly [kind: 'set' | 'map', name: string, definition: string])[];
  readonly chains: readonly Chain[];
}

/** What came from where the virtual MAC is goes by the bridge: sent straight back it would teach a tunnel that its sender is here. */
const NOT_ITS_HOLDER = 'iifname . ether daddr != @vholder ';
const UNICAST = 'ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00';
const GUARD_SETS = [
  ['set', 'holder', 'type ifname . ipv4_addr;'],
  ['set', 'fenced', 'type ether_addr . ipv4_addr;'],
  ['set', 'sender', 'type ifname . ether_addr . ether_addr;'],
  ['set', 'virtual', 'type ifname;'],
  ['set', 'alive', 'type ether_type; flags timeout;'],
  ...GUARD_SETS4,
  ...FLOW_MAPS.map((map) => ['map', map, 'type ether_addr . ipv4_addr : ether_addr;'] as const),
  ...GUARD_SETS6,
  ...EIP_SETS,
] as const;

const COUNTERS = [DROP_COUNTER, ...EIP_COUNTERS, ...COUNTED_REASONS.map(counterOf)];

const STRUCTURAL: ReadonlySet<string> = new Set<EntryKind>(['guard', 'external', 'port', 'uplink', 'shut', 'stray']);

/** Is an entry of this kind made of chains and sets, and not an element of one? */
export function isStructural({ before, after }: Change): boolean {
  return STRUCTURAL.has(must(after ?? before, 'a change has a side').kind);
}

/** null for entries that are elements of sets. */
export function structureOf(entry: Entry): Structure | null {
  const [first = '', second = '', third = ''] = entry.value.split(' ');
  switch (entry.kind) {
    case 'guard':
      return { counters: COUNTERS, sets: GUARD_SETS, chains: guardChains(entry) };
    case 'port':
      return { counters: [], sets: [], chains: [portChain(entry, first, second, third)] };
    case 'uplink': {
      const rules = [
        `ether type ip ${UNICAST} ${ALIVE} ${readdress(first)}`,
        straightRule(inDomain(first), `ether type != ip6 ${NOT_ITS_HOLDER}`),
      ];
      return { counters: [], sets: [], chains: [chain(entry, `uplink_${label(entry.key)}`, entry.key, rules)] };
    }
    case 'external': {
      const { into, out } = externalRules(entry.value, UNICAST);
      const base = chain(entry, `external_${label(entry.key)}`, entry.key, into);
      return { counters: [], sets: [], chains: [chain(entry, EIP_WAY_OUT, null, out), base] };
    }
    case 'shut':
      return { counters: [], sets: [], chains: [chain(entry, `shut_${label(entry.key)}`, entry.key, [SHUT_RULE])] };
    case 'stray': {
      const [what, name = ''] = entry.key.split(' ');
      return what === 'set'
        ? { counters: [], sets: [['set', name, '']], chains: [] }
        : { counters: [], sets: [], chains: [chain(entry, name, null, [])] };
    }
    default:
      return null;
  }
}

/** RARP is written byte by byte: nft's `arp` expressions hold for EtherType 0x0806 alone. Layout as ARP, RFC 903. */
function portChain(entry: Entry, vpc: string, cidr: string, mac: string): Chain {
  const hex = `0x${mac.replaceAll(':', '')}`;
  const selfAnnounce = `@nh,0,64 0x0001080006040003 @nh,64,48 ${hex} @nh,112,32 0 @nh,144,48 ${hex} @nh,192,32 0`;
  const domain = inDomain(vpc);
  return chain(entry, `port_${label(entry.key)}`, entry.key, [
    `ether type ip ip daddr ${cidr} ${UNICAST} ${isHavip(domain)} ${ALIVE} iifname . ip daddr != @holder ${readdress(vpc)}`,
    ...bulkRules(NOT_TO_VIRTUAL),
    'ether type arp jump guard_arp',
    ...ORDINARY_RULES6,
    heldRule6(domain),
    ...portRules6(vpc),
    `ether type 0x8035 ether saddr ${mac} ${selfAnnounce} accept`,
    'ether type != arp jump guard',
    ...peerRules(domain, inDomain(subnetOf(vpc, cidr))),
    ...heldRules(domain),
    ...nameRules(domain),
    ...probeRules(domain),
    EIP_OUT_RULE,
    straightRule(domain, NOT_ITS_HOLDER),
    'accept',
  ]);
}

/** Of a port's chain what is the same for all: what is nobody's that the guest speaks for is denied, whatever the VPC. */
export const GUARD_FIRST_RULES: readonly string[] = [
  ...bulkRules(NOT_TO_VIRTUAL),
  'ether type arp jump guard_arp',
  ...ORDINARY_RULES6,
  'ether type ip6 goto guard6_sender',
  'ether type != arp jump guard',
  'accept',
];

function readdress(vpc: string): string {
  return `ether daddr set ${inDomain(vpc)} . ip daddr map @${flowMapOf(domainOf(vpc))}`;
}

/** The VPC, or a subnet of it, as the first part of a key. */
function inDomain(name: string): string {
  const domain = domainOf(name);
  return `ether saddr & ${domain} | ${domain}`;
}

/** The judge's rules (filter/judge.ts) in the kernel's words; a differential test holds the two together. */
function guardChains(entry: Entry): Chain[] {
  const pairs = Array.from({ length: 255 }, (_, i) => {
    const mac = `00:00:5e:00:01:${(i + 1).toString(16).padStart(2, '0')}`;
    return `${mac} . ${mac}`;
  });
  // Hardware type, protocol and lengths in one comparison; then the operation, a request or a reply.
  const wellFormed = '@nh,0,48 0x000108000604 @nh,48,16 1-2';
  return [
    chain(entry, 'deny', null, [`counter name ${DROP_COUNTER}`, entry.value === 'enforce' ? 'drop' : 'accept']),
    ...guardChains4().map(([name, rules]) => chain(entry, name, null, rules)),
    chain(entry, 'guard_sender', null, [
      'iifname . ether saddr . ether saddr @sender return',
      `ether saddr ${VIRTUAL_MACS} iifname @virtual return`,
      'goto deny',
    ]),
    chain(entry, 'guard_arp_plain', null, [
      // What is the port's own by MAC and address is nobody else's, and ends here unless it goes to a virtual MAC.
      `${NOT_TO_VIRTUAL} iifname . arp saddr ip @own accept`,
      'iifname . arp saddr ip @own return',
      `iifname . ${ARP_SENDER} @claims return`,
      'arp operation request arp saddr ip 0.0.0.0 return',
      'goto deny',
    ]),
    chain(entry, 'guard_arp_sender', null, [
      'iifname . ether saddr . arp saddr ether @sender goto guard_arp_plain',
      `iifname . ${ARP_SENDER} != @claims goto deny`,
      `ether saddr . arp saddr ether { ${pairs.join(', ')} } return`,
      `iifname . ether saddr . ether saddr @sender arp saddr ether ${VIRTUAL_MACS} return`,
      'goto deny',
    ]),
    chain(entry, 'guard_arp', null, [`meta length >= 28 ${wellFormed} goto guard_arp_sender`, 'goto deny']),
    ...Object.entries(guardChains6(VIRTUAL_MACS)).map(([name, rules]) => chain(entry, name, null, rules)),
    chain(entry, 'guard', null, [
      // What is shorter has no source address, and is no IPv4 packet.
      'ether type ip meta length >= 16 goto guard_mac',
      'goto deny',
    ]),
  ];
}

function chain(entry: Entry, name: string, device: string | null, rules: readonly string[]): Chain {
  const hash = createHash('sha256').update(rules.join('\n')).digest('hex').slice(0, 8);
  const comments = rules.map((_, i) => `${i + 1}/${rules.length} ${hash} ${entry.kind} ${entry.key} ${entry.value}`);
  return { name, device, rules: rules.map((rule, i) => `${rule} comment "${comments[i]}"`), comments };
}

/** The entry that a rule's comment names; null when it is none of ours. */
export function entryOfComment(comment: string): Entry | null {
  const [, , kind, key, ...value] = comment.split(' ');
  const structural = kind === 'guard' || kind === 'external' || kind === 'port' || kind === 'uplink' || kind === 'shut';
  return structural && key !== undefined ? { kind, key, value: value.join(' ') } : null;
}
