/**
 * The guard's IPv4 half, as nft text: who may send from which address, and what may call itself VRRP. Pure. The twin of filter/ipv4.ts and
 * filter/vrrp.ts; a differential test holds them together.
 *
 *     guard_mac ─> guard_ip ─┬─ 112 ──────> guard_vrrp ─────────────────┬─> back in port_IF, what depends on the VPC:
 *                            ├─ AH ───────> guard_ah ─> guard_vrrp      │   whom VRRP speaks to, under which VRID, about which HAVIP
 *                            ├─ DHCP offer, redirect ─> deny_*          │
 *                            ├─ UDP ──────> guard_udp ─> guard_source ──┤
 *                            └─ the rest ─> guard_source ───────────────┘
 *
 * All but the bulk goes this way. A TCP or UDP packet with a port's own MAC and address, to nobody's virtual MAC, is told by one look-up
 * and leaves the port's chain at once (bulkRules): neither fence nor any other rule has a say in it.
 *
 * `@th` is set where the IP header is sound and the fragment the first (nft_set_pktinfo_ipv4_validate); a rule that cannot read what it
 * asks for does not match. So who may pass is always said in the positive, with a deny at the end; where a deny is said by what stands
 * behind the header (guard_ah, vrrpRules), a packet that cannot be read is one that receivers drop.
 *
 * nft 1.0.6 refuses `@th,64,32`, the first address that an advert lists, as key of a set of type ifname . ipv4_addr: hence sets by
 * `typeof`, which are then asked by `@nh` for the source (96), for an ARP sender (112) and an ARP target (192) as well.
 */
import { COUNTED_REASONS, type CountedReason } from '../vswitch.ts';
import { refusedSet } from './keys.ts';
import { ALIVE, FROM_VIRTUAL, TO_VIRTUAL, VIRTUAL_MACS } from './virtual.ts';

/** Of a drop, whose it was; when there are too many, others are not noted. */
const FORGOTTEN = 'flags dynamic, timeout; timeout 60s; size 4096;';
/** For each reason, what is noted. */
const NOTES: Record<CountedReason, string> = {
  source: `update @${refusedSet('source')} { iifname : ip saddr }`,
  'dhcp-offer': `update @${refusedSet('dhcp-offer')} { iifname }`,
  redirect: `update @${refusedSet('redirect')} { iifname }`,
  fence: `update @${refusedSet('fence')} { iifname . ip saddr }`,
  'vmac-held': `update @${refusedSet('vmac-held')} { iifname . ether saddr }`,
  'unknown-port': `update @${refusedSet('unknown-port')} { iifname }`,
};

export const GUARD_SETS4 = [
  ['set', 'speaks', 'type ifname . ether_addr . ipv4_addr;'],
  ['set', 'own', 'type ifname . ipv4_addr;'],
  ['set', 'claims', 'typeof iifname . @th,64,32;'],
  ['set', 'source', 'type ifname . ipv4_addr;'],
  ['set', 'anysource', 'type ifname;'],
  ['set', 'router', 'type ifname;'],
  ['set', 'taken', 'type ether_addr . ipv4_addr;'],
  ['set', 'havips', 'typeof ether saddr . @th,64,32;'],
  ['set', 'fellow', 'type ifname . ipv4_addr;'],
  ['set', 'peers', 'type ether_addr . ipv4_addr;'],
  ['set', 'vrid', 'typeof ether saddr . @th,8,8;'],
  ['set', 'vrider', 'typeof iifname . @th,8,8;'],
  ['set', 'vmacs', 'type ether_addr . ether_addr;'],
  ['set', 'vholder', 'type ifname . ether_addr;'],
  ['set', 'vmember', 'type ifname . ether_addr;'],
  ['map', 'vown', 'type ifname . ether_addr : ether_addr;'],
  ['map', 'vports', 'type ether_addr . ether_addr : iface_index;'],
  ['map', refusedSet('source'), `type ifname : ipv4_addr; ${FORGOTTEN}`],
  ['set', refusedSet('dhcp-offer'), `type ifname; ${FORGOTTEN}`],
  ['set', refusedSet('redirect'), `type ifname; ${FORGOTTEN}`],
  ['set', refusedSet('fence'), `type ifname . ipv4_addr; ${FORGOTTEN}`],
  ['set', refusedSet('vmac-held'), `type ifname . ether_addr; ${FORGOTTEN}`],
  ['set', refusedSet('unknown-port'), `type ifname; ${FORGOTTEN}`],
] as const;

export function counterOf(reason: CountedReason): string {
  return `dropped_${nameOf(reason)}`;
}

/** The chain that counts a drop for this reason. */
export function denyFor(reason: CountedReason): string {
  return `deny_${nameOf(reason)}`;
}

/** Of an interface that is no port: whatever comes in. */
export const SHUT_RULE = `goto ${denyFor('unknown-port')}`;

function nameOf(reason: string): string {
  return reason.replaceAll('-', '_');
}

/** An address that a rule asks for in `claims` and `havips`: the source, a destination, an ARP sender, an ARP target. */
const SOURCE = '@nh,96,32';
const TO = '@nh,128,32';
export const ARP_SENDER = '@nh,112,32';
const ARP_TARGET = '@nh,192,32';
/** 00:00:5e:00:00:VHID */
const CARP_MACS = '00:00:5e:00:00:01-00:00:5e:00:00:ff';
const CARP_FORM = 'ip protocol 112 ip length 56 @th,0,8 0x21 @th,24,8 7';
/** What a client of DHCP listens at. */
const DHCP_CLIENT = 68;
const FIRST_FRAGMENT = 'ip frag-off & 0x1fff == 0';
/** An advert, and one behind an AH header of 24 bytes: where its VRID, its count and its first address are. */
const MESSAGES = [
  { is: 'ip protocol 112', vrid: '@th,8,8', count: '@th,24,8', first: '@th,64,32' },
  { is: 'ah nexthdr 112', vrid: '@th,200,8', count: '@th,216,8', first: '@th,256,32' },
] as const;

/** Asked first in the flow map: what goes to no HAVIP, which is nearly all, costs one look-up there instead of three. */
export function isHavip(domain: string): string {
  return `${domain} . ${TO} @havips`;
}

/** Ends for what is bulk and in order. `notVirtual`: it goes to no virtual MAC. */
export function bulkRules(notVirtual: string): string[] {
  const own = 'iifname . ether saddr . ip saddr @speaks accept';
  return [`ether type ip ip protocol tcp ${notVirtual} ${own}`, `ether type ip ${notVirtual} udp dport != ${DHCP_CLIENT} ${own}`];
}

/**
 * What a port's chain asks when the guard has let a frame pass: is the address, the VRID, the HAVIP somebody else's in this VPC?
 * `domain` and `subnet` are numbers of the VPC and the subnet as the first part of a key.
 */
export function peerRules(domain: string, subnet: string): string[] {
  return MESSAGES.flatMap(({ is }) => [
    `${is} ${domain} . ip daddr @taken iifname . ip daddr != @fellow ${subnet} . ip daddr != @peers goto deny`,
    `${is} ${domain} . ${TO} @havips iifname . ${TO} != @claims goto deny`,
  ]);
}

export function nameRules(domain: string): string[] {
  return [
    `${CARP_FORM} iifname . ip saddr @own accept`,
    ...MESSAGES.flatMap(({ is, vrid, count, first }) => [
      `${is} ip daddr 224.0.0.0/4 ${domain} . ${vrid} @vrid iifname . ${vrid} != @vrider goto deny`,
      `${is} ${count} != 0 ${domain} . ${first} @havips iifname . ${first} != @claims goto deny`,
    ]),
  ];
}

/**
 * What is somebody's alone, as long as the agent lives: a virtual MAC that another port holds, as source and as an ARP sender, and an
 * address that another port holds.
 */
export function heldRules(domain: string): string[] {
  const mac = 'ether saddr';
  const sender = 'arp saddr ether';
  return [
    `${FROM_VIRTUAL} ${domain} . ${mac} @vmacs ${ALIVE} iifname . ${mac} != @vholder jump guard_vmac`,
    `ether type arp ${sender} ${VIRTUAL_MACS} ${domain} . ${sender} @vmacs ${ALIVE} iifname . ${sender} != @vholder iifname . ${sender} != @vmember goto ${denyFor('vmac-held')}`,
    `ether type ip ${domain} . ip saddr @fenced ${ALIVE} iifname . ip saddr != @holder iifname != @router goto ${denyFor('fence')}`,
  ];
}

/** The same for IPv6, of which a fellow member has no use either: before its bulk. */
export function heldRule6(domain: string): string {
  return `ether type ip6 ${FROM_VIRTUAL} iifname @virtual ${domain} . ether saddr @vmacs ${ALIVE} iifname . ether saddr != @vholder goto ${denyFor('vmac-held')}`;
}

/**
 * Straight to the holder of a virtual MAC, by its port or by an uplink, whatever the bridge has learned: a fellow member's advert teaches
 * it another port. Not a sticky entry of the bridge's table, which would not let go by itself. What switches and tunnels beyond an uplink
 * learn nobody here can put right: so who does not hold the MAC speaks under its own there (guard_vmac).
 */
export function straightRule(domain: string, others: string): string {
  return `${TO_VIRTUAL} ${ALIVE} ${others}fwd to ${domain} . ether daddr map @vports`;
}

export function probeRules(domain: string): string[] {
  const probe = 'ether type arp arp operation request arp saddr ip 0.0.0.0';
  return [
    `${probe} ${domain} . arp daddr ip @taken iifname . arp daddr ip != @own goto deny`,
    `${probe} ${domain} . ${ARP_TARGET} @havips iifname . ${ARP_TARGET} != @claims goto deny`,
  ];
}

/**
 * `udp` holds for sound packets alone, and a DHCP client that reads raw ones takes others (filter/ipv4.ts): so once more by the length of
 * the header.
 */
const UDP_RULES: readonly string[] = [
  dhcpRule(`udp dport ${DHCP_CLIENT}`),
  'meta l4proto 17 goto guard_source',
  ...Array.from({ length: 16 }, (_, words) => dhcpRule(`ip hdrlength ${words} @nh,${words * 32 + 16},16 ${DHCP_CLIENT}`)),
  'goto guard_source',
];

function dhcpRule(port: string): string {
  return `${FIRST_FRAGMENT} ${port} iifname != @router goto ${denyFor('dhcp-offer')}`;
}

/** In an order in which each chain is there before it is led to. Of a later fragment of AH nobody knows what it belongs to. */
export function guardChains4(): (readonly [name: string, rules: readonly string[]])[] {
  const pairs = Array.from({ length: 255 }, (_, i) => `00:00:5e:00:00:${(i + 1).toString(16).padStart(2, '0')} . ${i + 1}`);
  return [
    ...COUNTED_REASONS.map(
      (reason) => [denyFor(reason), [`counter name ${counterOf(reason)}`, NOTES[reason], 'goto deny']] as const,
    ),
    [
      'guard_source',
      [
        'iifname . ip saddr @own return',
        `iifname . ${SOURCE} @claims return`,
        'iifname . ip saddr @source return',
        'iifname @anysource return',
        `ip saddr 0.0.0.0 ${FIRST_FRAGMENT} udp sport 68 udp dport 67 return`,
        `goto ${denyFor('source')}`,
      ],
    ],
    [
      'guard_vrrp',
      [
        'iifname != @virtual goto deny',
        'meta length < 20 goto deny',
        'ip hdrlength != 5 goto deny',
        'ip frag-off & 0x3fff != 0 goto deny',
        'ip daddr 224.0.0.0/4 ip ttl != 255 goto deny',
        'ip daddr { 224.0.0.1, 255.255.255.255 } goto deny',
        'iifname . ip saddr @own return',
        `iifname . ${SOURCE} @claims return`,
        'goto deny',
      ],
    ],
    [
      'guard_ah',
      [
        'ip frag-off & 0x1fff != 0 goto deny',
        'ah nexthdr 112 ah hdrlength != 4 goto deny',
        'ah nexthdr 112 goto guard_vrrp',
        'goto guard_source',
      ],
    ],
    ['guard_udp', UDP_RULES],
    [
      'guard_ip',
      [
        'ip protocol 112 goto guard_vrrp',
        'ip protocol 51 goto guard_ah',
        'ip protocol 17 goto guard_udp',
        `${FIRST_FRAGMENT} icmp type { 5, 9 } iifname != @router goto ${denyFor('redirect')}`,
        'goto guard_source',
      ],
    ],
    [
      'guard_vmac',
      [
        ...['ether type arp', 'ip protocol 112', 'ah nexthdr 112'].flatMap((what) => [
          `${what} ether saddr set iifname . ether saddr map @vown return`,
          `${what} iifname . ether saddr @vmember return`,
        ]),
        `goto ${denyFor('vmac-held')}`,
      ],
    ],
    [
      'guard_mac',
      [
        'iifname . ether saddr . ether saddr @sender goto guard_ip',
        `ether saddr ${VIRTUAL_MACS} iifname @virtual goto guard_ip`,
        `ether saddr ${CARP_MACS} iifname @virtual ${CARP_FORM} ether saddr . @th,8,8 { ${pairs.join(', ')} } goto guard_ip`,
        'goto deny',
      ],
    ],
  ];
}
