/**
 * The guard's IPv6 half, as nft text: neighbour discovery, VRRP over IPv6, and whatever may hide either. Pure. The twin of ruleset.ts,
 * rendered from the same entries; filter/nd.ts is the judge's half of it.
 *
 *     port_IF, IPv6 ─┬─ from its own MAC: TCP, UDP, ESP, ping; discovery by quick_ns, quick_na, if all addresses are its own: passes
 *                    ├─ TCP, UDP, ESP from a virtual MAC ─> guard6_bulk
 *                    └─ whose address? ────> guard6_sender ─> guard6 ─┬─ guard6_icmp ─> guard6_nd ─> nd_* ─> nd_target, nd_source
 *                                                                     ├─ guard6_vrrp
 *                                                                     └─ guard6_ah, guard6_behind: extension headers
 *
 * The kernel walks a packet's headers once (nft_set_pktinfo_ipv6): `meta l4proto` and `@th` are unset, and no rule with them matches,
 * where version or length is wrong or the chain cannot be read. So every way ends with a deny.
 *
 * nft 1.0.6 has no `icmpv6 taddr`, and refuses a raw value as key of a set of type ifname . ipv6_addr: hence sets by `typeof`. Source
 * (@nh,64,128) and target (@th,64,128) fit the same set, and a prefix is the first half of either.
 */
import { domainOf } from './domain.ts';
import { denyFor } from './ruleset4.ts';

export const GUARD_SETS6 = [
  ['set', 'own6', 'typeof iifname . @th,64,128;'],
  ['set', 'taken6', 'typeof ether saddr . @th,64,128;'],
  ['set', 'prefix6', 'typeof iifname . @th,64,64;'],
  ['set', 'open6', 'type ifname;'],
  ['set', 'option6', 'typeof iifname . @th,208,48;'],
] as const;

/** Router and neighbour discovery with redirects, router renumbering, inverse neighbour discovery. */
const ND_TYPES = '{ 133, 134, 135, 136, 137, 138, 141, 142 }';
/** And the reserved one, which nobody may send. */
const NOT_BULK_TYPES = '{ 133, 134, 135, 136, 137, 138, 141, 142, 255 }';
const SOURCE = '@nh,64,128';
const TARGET = '@th,64,128';
const NOBODY = `${SOURCE} 0`;
/** Headers in front of others, no header at all, and what is judged. */
const NOT_BEHIND_AH = '{ 0, 43, 44, 51, 58, 59, 60, 112 }';
const LINK_LOCAL = '0xfe80000000000000';

const OWN_MAC = 'iifname . ether saddr . ether saddr @sender';
/** TCP, UDP and ESP. */
const BULK = '@nh,48,8 { 6, 17, 50 }';
/** To a client of DHCPv6, from who is no router. */
const DHCP_OFFER = `@th,16,16 546 iifname != @router goto ${denyFor('dhcp-offer')}`;

/**
 * What nearly all frames of a guest are, from its own MAC: bulk, ICMPv6 that is no discovery, and solicitations and advertisements (type
 * and code in one; hop limit 255) of which every address is its own. Each ends with one look-up, or a few; what does not goes on.
 */
export const ORDINARY_RULES6 = [
  `ether type ip6 @nh,48,8 17 ${DHCP_OFFER}`,
  `ether type ip6 ${BULK} ${OWN_MAC} accept`,
  `ether type ip6 @nh,48,8 58 @th,0,8 != ${NOT_BULK_TYPES} ${OWN_MAC} accept`,
  'ether type ip6 @nh,48,16 0x3aff @th,0,16 vmap { 0x8700 : jump quick_ns, 0x8800 : jump quick_na }',
];

/** The rest of IPv6, in a port's chain: whose address is it, in this VPC? None gets beyond. */
export function portRules6(vpc: string): string[] {
  const domain = domainOf(vpc);
  const others = (address: string) =>
    `ether saddr & ${domain} | ${domain} . ${address} @taken6 iifname . ${address} != @own6 goto deny`;
  return [
    `ether type ip6 @nh,48,8 58 @th,0,8 136 ${others(TARGET)}`,
    `ether type ip6 ${BULK} goto guard6_bulk`,
    `ether type ip6 @nh,48,8 58 @th,0,8 ${ND_TYPES} ${others(SOURCE)}`,
    `ether type ip6 @nh,48,8 58 @th,0,8 135 ${NOBODY} ${others(TARGET)}`,
    `ether type ip6 @nh,48,8 112 ${others(SOURCE)}`,
    'ether type ip6 goto guard6_sender',
  ];
}

type Chains = Readonly<Record<string, readonly string[]>>;

/** By name, in an order in which each chain is there before it is led to. */
export function guardChains6(virtualMacs: string): Chains {
  const sender = (then: string) => [
    `iifname . ether saddr . ether saddr @sender ${then}`,
    `ether saddr ${virtualMacs} iifname @virtual ${then}`,
    'goto deny',
  ];
  return { ...QUICK, ...ADDRESSES, ...FORMS, ...HEADERS, guard6_sender: sender('goto guard6'), guard6_bulk: sender('return') };
}

/** May the port use the address? That it is nobody else's, its own chain has seen. */
function mayUse(base: 'nh' | 'th', then: string): string[] {
  return [
    `iifname . @${base},64,128 @own6 ${then}`,
    `iifname . @${base},64,64 @prefix6 ${then}`,
    // Multicast, and ::/64 (unspecified, loopback, IPv4-mapped), are nobody's to speak for.
    `iifname @open6 @${base},64,8 != 255 @${base},64,64 != 0 ${then}`,
    'goto deny',
  ];
}

/** guard6 would accept them too: there each address is looked up twice. */
const QUICK: Chains = {
  quick_na: [
    `ip6 length 32 @th,192,16 0x0201 iifname . ${TARGET} @own6 ${OWN_MAC} iifname . ${SOURCE} @own6 iifname . @th,208,48 @option6 accept`,
    `ip6 length 24 iifname . ${TARGET} @own6 ${OWN_MAC} iifname . ${SOURCE} @own6 accept`,
  ],
  quick_ns: [
    `ip6 length 32 @th,192,16 0x0101 ${OWN_MAC} iifname . ${SOURCE} @own6 iifname . @th,208,48 @option6 accept`,
    `ip6 length 24 ${OWN_MAC} iifname . ${SOURCE} @own6 accept`,
  ],
};

const ADDRESSES: Chains = {
  nd_source: mayUse('nh', 'return'),
  nd_dad: mayUse('th', 'return'),
  nd_target: mayUse('th', 'goto nd_source'),
};

/** Exact forms: decode/nd.ts has them drawn. */
const FORMS: Chains = {
  nd_na: [
    'ip6 length 24 goto nd_target',
    'ip6 length 32 @th,192,16 0x0201 iifname . @th,208,48 @option6 goto nd_target',
    'goto deny',
  ],
  nd_ns: [
    `${NOBODY} ip6 length 24 goto nd_dad`,
    `${NOBODY} ip6 length 32 @th,192,16 0x0e01 goto nd_dad`,
    `${NOBODY} goto deny`,
    'ip6 length 24 goto nd_source',
    'ip6 length 32 @th,192,16 0x0101 iifname . @th,208,48 @option6 goto nd_source',
    'goto deny',
  ],
  nd_rs: [
    `${NOBODY} ip6 length 8 return`,
    `${NOBODY} goto deny`,
    'ip6 length 8 goto nd_source',
    'ip6 length 16 @th,64,16 0x0101 iifname . @th,80,48 @option6 goto nd_source',
    'goto deny',
  ],
  guard6_nd: [
    'iifname . ether saddr . ether saddr != @sender goto deny',
    'ip6 hoplimit != 255 goto deny',
    'icmpv6 code != 0 goto deny',
    'icmpv6 type vmap { 133 : goto nd_rs, 135 : goto nd_ns, 136 : goto nd_na }',
    'icmpv6 type 134 iifname @router ip6 length >= 16 goto nd_source',
    'icmpv6 type 137 iifname @router ip6 length >= 40 goto nd_source',
    'goto deny',
  ],
};

const HEADERS: Chains = {
  guard6_icmp: [`icmpv6 type ${ND_TYPES} goto guard6_nd`, 'icmpv6 type != 255 return', 'goto deny'],
  // Members may use any link-local address that is nobody else's: that of a virtual MAC's interface is listed nowhere.
  guard6_vrrp: [
    'iifname != @virtual goto deny',
    'ip6 daddr ff02::12 ip6 hoplimit != 255 goto deny',
    `@nh,64,64 ${LINK_LOCAL} return`,
    'goto nd_source',
  ],
  guard6_ah: [`ah nexthdr != ${NOT_BEHIND_AH} return`, 'goto deny'],
  // A fragment that is not the first may pass: the first one always shows what it is, and without it nobody can put them together. Of
  // those with another header behind the fragment header the kernel cannot read the later ones, so the first may not pass either.
  guard6_behind: [
    `meta l4proto 17 ${DHCP_OFFER}`,
    'meta l4proto 112 goto deny',
    'meta l4proto != 58 return',
    'frag frag-off != 0 return',
    `icmpv6 type ${ND_TYPES} goto deny`,
    'icmpv6 type != 255 return',
    'goto deny',
  ],
  guard6: [
    '@nh,48,8 58 goto guard6_icmp',
    '@nh,48,8 112 meta l4proto 112 goto guard6_vrrp',
    'frag nexthdr { 0, 43, 44, 60 } goto deny',
    'meta l4proto 51 goto guard6_ah',
    'meta l4proto != 255 goto guard6_behind',
    'goto deny',
  ],
};
