/**
 * IPv4, the judge's rules. Bulk traffic never reaches the agent (capture/bpf.ts), so live it is VRRP alone that comes here; the rest is
 * for `explain`, for captures, and for the test that sends the same frames through judge and guard.
 *
 *     who sends (MAC) ─┬─> VRRP: who, to whom ───────────────────┐
 *                      └─> DHCP offer, redirect ─> source address ─┴> what is held: virtual MAC, fence ─> VRRP: VRID, first HAVIP ─> message
 */
import { isVirtualMac } from '../base/mac.ts';
import { V } from '../base/verdict.ts';
import * as S from '../decode/sighting.ts';
import type { Sighting } from '../decode/sighting.ts';
import { isCarp, isSound } from '../decode/vrrp.ts';
import * as L from './layout.ts';
import { lookUp, type Policy, portMayClaim, sharesAddress } from './policy.ts';
import { judgeNames, refuseVrrp } from './vrrp.ts';
import * as W from './whose.ts';
import { havipUnderVmac, whoseVmac } from './whose.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { NONE, VRRP } = S;
const { MINE, OTHERS } = W;
const { PORT_WORDS, PORT_MAC_HIGH, PORT_MAC_LOW, PORT_VPC, PORT_SUBNET, PORT_FLAGS, PORT_ADDRESS } = L;
const { MAY_CLAIM, ANY_SOURCE, ROUTES, HAVIP_WORDS, HAVIP_SUBNET, HAVIP_FENCE } = L;
const OTHER_IP = V['other-ip'];
const MALFORMED = V.malformed;
const MAC_MISMATCH = V['mac-mismatch'];
const SOURCE = V.source;
const DHCP_OFFER = V['dhcp-offer'];
const REDIRECT = V.redirect;
const FENCE = V.fence;
const VMAC_HELD = V['vmac-held'];

const ICMP = 1;
/** What makes others send their packets elsewhere: redirect (RFC 792), router advertisement (RFC 1256). */
const ICMP_REDIRECT = 5;
const ICMP_ROUTER = 9;
const UDP = 17;
const AH = 51;
/** Ports of DHCP (RFC 2131, 4.1): a client's, and from and to. */
const DHCP_CLIENT = 68;
const CLIENT_TO_SERVER = (68 << 16) | 67;
/** CARP's 00:00:5e:00:00:VHID: the upper 24 bits of the lower half. */
const CARP_LOW = 0x5e00_00;
/** The source address has been captured; what is shorter is no IPv4 packet. */
const LEAST_BYTES = 30;

/** @param s as decode left it: `protocol` is VRRP where the packet carries that */
export function judgeIpv4(policy: Policy, view: DataView, at: number, captured: number, port: number, s: Sighting): number {
  if (captured < LEAST_BYTES) return MALFORMED;
  const { words } = policy;
  const portAt = policy.portsAt + port * PORT_WORDS;
  const high = view.getUint16(at + 6);
  const low = view.getInt32(at + 8);
  const own = high === words[portAt + PORT_MAC_HIGH] && low === words[portAt + PORT_MAC_LOW];
  if (!own && !mayUseMac(view, at, captured, words[portAt + PORT_FLAGS]!, high, low)) return MAC_MISMATCH;
  const source = view.getInt32(at + 26);
  const plain = own && source !== 0 && source === words[portAt + PORT_ADDRESS];
  const vrrp = s.protocol === VRRP;
  if (vrrp && s.fault !== NONE) return s.fault;
  const protocol = view.getUint8(at + 23);
  const laterAh = protocol === AH && (view.getUint16(at + 20) & 0x1fff) !== 0;
  const refused =
    vrrp || laterAh ? refuseVrrp(policy, view, at, captured, port, s) : refuseOther(policy, view, at, captured, port, plain, s);
  if (refused !== NONE) return refused;
  if (!plain) {
    const held = refuseHeld(policy, view, at, port, !own && isVirtualMac(high, low), vrrp, s);
    if (held !== NONE) return held;
  }
  return vrrp ? judgeNames(policy, view, at, captured, port, s) : OTHER_IP;
}

function mayUseMac(view: DataView, at: number, captured: number, flags: number, high: number, low: number): boolean {
  if ((flags & MAY_CLAIM) === 0) return false;
  if (isVirtualMac(high, low)) return true;
  if (high !== 0 || (low & 0xff) === 0) return false;
  return low >>> 8 === CARP_LOW && isCarp(view, at, captured) && view.getUint8(at + 35) === (low & 0xff);
}

/**
 * All but VRRP, by the rules that hold whoever has what; NONE: it may pass.
 * @param plain it comes from the port's own MAC and first address
 */
function refuseOther(
  policy: Policy,
  view: DataView,
  at: number,
  captured: number,
  port: number,
  plain: boolean,
  s: Sighting,
): number {
  const { words } = policy;
  const portAt = policy.portsAt + port * PORT_WORDS;
  const flags = words[portAt + PORT_FLAGS]!;
  const protocol = view.getUint8(at + 23);
  if ((flags & ROUTES) === 0) {
    if (protocol === UDP && isDhcpOffer(view, at, captured)) return DHCP_OFFER;
    if (protocol === ICMP && behindIs(view, at, captured, ICMP_REDIRECT, 24)) return REDIRECT;
    if (protocol === ICMP && behindIs(view, at, captured, ICMP_ROUTER, 24)) return REDIRECT;
  }
  if (plain || (flags & ANY_SOURCE) !== 0) return NONE;
  const source = view.getInt32(at + 26);
  if (source === 0) return protocol === UDP && behindIs(view, at, captured, CLIENT_TO_SERVER, 0) ? NONE : SOURCE;
  const meaning = lookUp(policy, words[portAt + PORT_VPC]!, source);
  if (meaning === ~port) return NONE;
  if (meaning < 0) return sharesAddress(policy, words[portAt + PORT_VPC]!, source, meaning, port) ? NONE : SOURCE;
  const havipAt = policy.havipsAt + meaning * HAVIP_WORDS;
  if (portMayClaim(policy, port, meaning)) return NONE;
  if (words[havipAt + HAVIP_FENCE] === 0 && words[havipAt + HAVIP_SUBNET] === words[portAt + PORT_SUBNET]) return NONE;
  s.havip = meaning;
  return SOURCE;
}

/**
 * Would a DHCP client take it? udhcpc, systemd's and ISC's dhclient listen for raw packets and ask for the port that it goes to, not for the one that
 * it comes from; and dhclient for neither version nor length of the packet, so it need not be sound.
 */
function isDhcpOffer(view: DataView, at: number, captured: number): boolean {
  const behind = at + 14 + (view.getUint8(at + 14) & 15) * 4;
  if (behind + 4 > at + captured || (view.getUint16(at + 20) & 0x1fff) !== 0) return false;
  return view.getUint16(behind + 2) === DHCP_CLIENT;
}

/** Are these the first 32 bits behind the IP header, less the last `shift` of them, and can they be read: in a sound packet's first fragment? */
function behindIs(view: DataView, at: number, captured: number, value: number, shift: number): boolean {
  const behind = at + 14 + (view.getUint8(at + 14) & 15) * 4;
  if (behind + 4 - (shift >>> 3) > at + captured) return false;
  const found = shift === 0 ? view.getInt32(behind) : view.getUint8(behind);
  return found === value && isSound(view, at, captured) && (view.getUint16(at + 20) & 0x1fff) === 0;
}

/** What others hold: a virtual MAC, and an address that is fenced. NONE: neither is in the way. */
function refuseHeld(
  policy: Policy,
  view: DataView,
  at: number,
  port: number,
  virtual: boolean,
  vrrp: boolean,
  s: Sighting,
): number {
  const { words, held } = policy;
  const portAt = policy.portsAt + port * PORT_WORDS;
  const vpc = words[portAt + PORT_VPC]!;
  if (virtual) {
    const vrid = view.getUint8(at + 11);
    const whose = whoseVmac(policy, port, vpc, vrid);
    if (whose === OTHERS || (whose !== MINE && !vrrp)) {
      s.havip = havipUnderVmac(policy, vpc, vrid);
      return VMAC_HELD;
    }
  }
  if ((words[portAt + PORT_FLAGS]! & ROUTES) !== 0) return NONE;
  const havip = lookUp(policy, vpc, view.getInt32(at + 26));
  if (havip < 0 || words[policy.havipsAt + havip * HAVIP_WORDS + HAVIP_FENCE] === 0) return NONE;
  const holder = held.ports[havip] ?? -1;
  if (holder === -1 || holder === port) return NONE;
  s.havip = havip;
  return FENCE;
}
