/**
 * The judge's half of IPv6: neighbour discovery, VRRP over IPv6, and what hides either. Runs in workers; most IPv6 never comes here, the
 * capture filter keeps bulk traffic in the kernel.
 *
 * An address is a port's own, or somebody else's (another port, a router, a gateway), or nobody's; the last may be spoken for where the
 * subnet's policy says so. The sender of all this is the port's own MAC, in the frame and in the option: a virtual MAC holds no IPv6
 * address yet.
 */
import { V } from '../base/verdict.ts';
import { isChecksumRight, REDIRECT, ROUTER_ADVERTISEMENT, ROUTER_RENUMBERING } from '../decode/nd.ts';
import * as S from '../decode/sighting.ts';
import type { Sighting } from '../decode/sighting.ts';
import * as L from './layout.ts';
import type { Policy } from './policy.ts';
import { lookUp6, sharesAddress6 } from './policy6.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { NONE, VRRP } = S;
const { PORT_WORDS, PORT_MAC_HIGH, PORT_MAC_LOW, PORT_VPC, PORT_FLAGS, MAY_CLAIM, PORT6_WORDS } = L;
const { PORT6_FLAGS, PORT6_PREFIX_HIGH, PORT6_PREFIX_LOW, ANY_SPARE, PREFIX_SPARE, IS_ROUTER, ROUTER, UNKNOWN } = L;
const OWN_ADDRESS = V['own-address'];
const PROBE = V.probe;
const OTHER_IP = V['other-ip'];
const NOT_HAVIP = V['not-havip'];
const MAC_MISMATCH = V['mac-mismatch'];
const VRRP_SOURCE = V['vrrp-source'];
const VRRP_TTL = V['vrrp-ttl'];
const FOREIGN_VRRP = V['foreign-vrrp'];
const ND_MALFORMED = V['nd-malformed'];
const ND_CHECKSUM = V['nd-checksum'];
const ROUTER_ADVERT = V['router-advert'];
const REDIRECTED = V.redirect;

const FE80 = 0xfe80_0000 | 0;
/** ff02::12 */
const VRRP_GROUP_FIRST = 0xff02_0000 | 0;
const VRRP_GROUP_LAST = 0x12;

/**
 * @param plain the frame comes from the port's own MAC, else from a virtual one that it may use
 * @param s as decodeIpv6 left it: not plain IP
 */
export function judgeIpv6(
  policy: Policy,
  view: DataView,
  at: number,
  captured: number,
  port: number,
  plain: boolean,
  s: Sighting,
): number {
  if (s.protocol === VRRP) return judgeVrrp6(policy, view, at, port, s);
  if (!plain) return MAC_MISMATCH;
  const routes = (policy.words[policy.ports6At + port * PORT6_WORDS + PORT6_FLAGS]! & IS_ROUTER) !== 0;
  if (s.operation === ROUTER_RENUMBERING || (s.operation === ROUTER_ADVERTISEMENT && !routes)) return ROUTER_ADVERT;
  if (s.operation === REDIRECT && !routes) return REDIRECTED;
  const target = s.targetAt === 0 ? NONE : refusal(policy, view, at + s.targetAt, port);
  if (target !== NONE) return target;
  const source = s.sourceAt === 0 ? NONE : refusal(policy, view, at + s.sourceAt, port);
  if (source !== NONE) return source;
  if (s.optionMacAt !== 0 && !isOwnMac(policy, view, at + s.optionMacAt, port)) return MAC_MISMATCH;
  if (!isChecksumRight(view, at, captured)) return ND_CHECKSUM;
  return s.sourceAt === 0 ? PROBE : OWN_ADDRESS;
}

/** A cluster over IPv6 has no HAVIP to be judged by: what is asked is who may take part in one at all, and under whose address. */
function judgeVrrp6(policy: Policy, view: DataView, at: number, port: number, s: Sighting): number {
  if ((policy.words[policy.portsAt + port * PORT_WORDS + PORT_FLAGS]! & MAY_CLAIM) === 0) return FOREIGN_VRRP;
  if (s.ttl !== 255 && isVrrpGroup(view, at + 38)) return VRRP_TTL;
  // Members may use any link-local address that is nobody else's: that of a virtual MAC's interface is listed nowhere.
  const linkLocal = view.getInt32(at + 22) === FE80 && view.getInt32(at + 26) === 0;
  const meaning = meaningOf(policy, view, at + 22, port);
  if (linkLocal && (meaning === UNKNOWN || meaning === ~port)) return OTHER_IP;
  return refusal(policy, view, at + 22, port) === NONE ? OTHER_IP : VRRP_SOURCE;
}

function isVrrpGroup(view: DataView, at: number): boolean {
  const middle = view.getInt32(at + 4) | view.getInt32(at + 8);
  return view.getInt32(at) === VRRP_GROUP_FIRST && middle === 0 && view.getInt32(at + 12) === VRRP_GROUP_LAST;
}

/** Why the port may not speak for the address in the frame; NONE: it may. */
function refusal(policy: Policy, view: DataView, at: number, port: number): number {
  const meaning = meaningOf(policy, view, at, port);
  if (meaning === ~port) return NONE;
  const a = view.getInt32(at);
  const b = view.getInt32(at + 4);
  // Multicast, and ::/64 (unspecified, loopback, IPv4-mapped).
  if (a >>> 24 === 0xff || (a | b) === 0) return ND_MALFORMED;
  if (meaning !== UNKNOWN) return NOT_HAVIP;
  const { words } = policy;
  const portAt = policy.ports6At + port * PORT6_WORDS;
  const flags = words[portAt + PORT6_FLAGS]!;
  if ((flags & ANY_SPARE) !== 0) return NONE;
  if ((flags & PREFIX_SPARE) === 0) return NOT_HAVIP;
  return (a === FE80 && b === 0) || (a === words[portAt + PORT6_PREFIX_HIGH] && b === words[portAt + PORT6_PREFIX_LOW])
    ? NONE
    : NOT_HAVIP;
}

/** ~port of what is the port's own, though it shares it with others of its bond. */
function meaningOf(policy: Policy, view: DataView, at: number, port: number): number {
  const vpc = policy.words[policy.portsAt + port * PORT_WORDS + PORT_VPC]!;
  const [a, b] = [view.getInt32(at), view.getInt32(at + 4)];
  const [c, d] = [view.getInt32(at + 8), view.getInt32(at + 12)];
  const meaning = lookUp6(policy, vpc, a, b, c, d);
  if (meaning === UNKNOWN || meaning === ROUTER || meaning === ~port) return meaning;
  return sharesAddress6(policy, vpc, a, b, c, d, port) ? ~port : meaning;
}

function isOwnMac(policy: Policy, view: DataView, at: number, port: number): boolean {
  const portAt = policy.portsAt + port * PORT_WORDS;
  return (
    view.getUint16(at) === policy.words[portAt + PORT_MAC_HIGH] && view.getInt32(at + 2) === policy.words[portAt + PORT_MAC_LOW]
  );
}
