/**
 * Neighbour discovery (RFC 4861, RFC 4862) over Ethernet: bytes -> sighting; the twin of arp.ts.
 *
 *     14        18       20     21    22       38           54     55     56    58      62
 *     | version | length | next | hop | source | destination | type | code | sum | flags | target, 16 bytes | option: type | length | ...
 *
 * Exact forms alone are taken, so it does not matter which of two options a receiver prefers, or whether it checks lengths: one option at
 * most, the sender's MAC or a nonce. And nothing behind an extension header or in a fragment: Linux takes neighbour advertisements behind
 * hop-by-hop and destination options, and RFC 6980 forbids senders the rest.
 *
 * The chain of headers is walked as the kernel does for the guard (its ipv6_find_hdr, asked to stop at AH), within the captured bytes. Whose address it is, is the judge's business.
 */
import { SNAP_BYTES } from '../base/snap.ts';
import { V } from '../base/verdict.ts';
import * as S from './sighting.ts';
import type { Sighting } from './sighting.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { AUTH_NONE, CHECKSUM_WRONG, ND, NONE, VRRP } = S;
const ND_MALFORMED = V['nd-malformed'];
const ND_HIDDEN = V['nd-hidden'];
const SNAP = SNAP_BYTES;

const HOP_BY_HOP = 0;
const TCP = 6;
const UDP = 17;
const ESP = 50;
const ROUTING = 43;
const FRAGMENT = 44;
const AH = 51;
const ICMPV6 = 58;
const NO_NEXT_HEADER = 59;
const DESTINATION_OPTIONS = 60;
const PROTOCOL_VRRP = 112;
const RESERVED = 255;

const ROUTER_SOLICITATION = 133;
const NEIGHBOUR_SOLICITATION = 135;
const NEIGHBOUR_ADVERTISEMENT = 136;
export const ROUTER_ADVERTISEMENT = 134;
export const REDIRECT = 137;
export const ROUTER_RENUMBERING = 138;
/** Of an advertisement and a redirect without options. */
const ROUTER_ADVERTISEMENT_BYTES = 16;
const REDIRECT_BYTES = 40;

/** Type and length of an option: the sender's MAC, the target's MAC (RFC 4861, 4.6.1), a nonce (RFC 3971, 5.3.2; RFC 7527). */
const SOURCE_MAC = 0x0101;
const TARGET_MAC = 0x0201;
const NONCE = 0x0e01;

/** The port of a DHCPv6 client (RFC 8415, 7.2). */
const DHCPV6_CLIENT = 546;

const UNREADABLE = -1;
/** A fragment that is not the first: its bytes are no header. */
const LATER = 1 << 8;

/** Fills `protocol`, `fault` and what belongs to them; OTHER without a fault is plain IP. */
export function decodeIpv6(view: DataView, at: number, captured: number, out: Sighting): void {
  out.fault = NONE;
  if (captured < 21) {
    out.fault = ND_HIDDEN;
    return;
  }
  const next = view.getUint8(at + 20);
  if (next === TCP || next === UDP || next === ESP) return;
  const found = findTransport(view, at, captured);
  const protocol = found & 0xff;
  if (next === PROTOCOL_VRRP) decodeVrrp6(view, at, captured, out);
  if (found === UNREADABLE || protocol === RESERVED) out.fault = ND_HIDDEN;
  else if (protocol === AH) {
    const offset = found >>> 9;
    if (offset >= captured || mayHide(view.getUint8(at + offset))) out.fault = ND_HIDDEN;
  } else if (protocol === PROTOCOL_VRRP) {
    if (next !== PROTOCOL_VRRP) out.fault = ND_HIDDEN;
  } else if (protocol === ICMPV6) decodeIcmpv6(view, at, captured, next, found, out);
}

/** UDP to a DHCPv6 client, whatever stands in front of it but AH: who sends that calls itself a server or a relay. */
export function isDhcpv6Offer(view: DataView, at: number, captured: number): boolean {
  const found = findTransport(view, at, captured);
  const offset = found >>> 9;
  if (found === UNREADABLE || (found & (LATER | 0xff)) !== UDP || offset + 4 > captured) return false;
  return view.getUint16(at + offset + 2) === DHCPV6_CLIENT;
}

/** What AH may not protect, since nobody would look behind it: other headers, and what is judged. */
function mayHide(next: number): boolean {
  return isExtension(next) || next === NO_NEXT_HEADER || next === ICMPV6 || next === PROTOCOL_VRRP;
}

function isExtension(next: number): boolean {
  return next === HOP_BY_HOP || next === ROUTING || next === FRAGMENT || next === AH || next === DESTINATION_OPTIONS;
}

/** Protocol | LATER | its offset in the frame << 9; or UNREADABLE. */
function findTransport(view: DataView, at: number, captured: number): number {
  if (captured < 54 || view.getUint8(at + 14) >> 4 !== 6) return UNREADABLE;
  // What the ring captured may be the beginning of a longer frame.
  if (view.getUint16(at + 18) > captured - 54 && captured !== SNAP) return UNREADABLE;
  let next = view.getUint8(at + 20);
  let offset = 54;
  while (isExtension(next) && next !== AH) {
    if (offset + (next === ROUTING || next === FRAGMENT ? 4 : 2) > captured) return UNREADABLE;
    const inner = view.getUint8(at + offset);
    if (next !== FRAGMENT) offset += 8 * (view.getUint8(at + offset + 1) + 1);
    else {
      // The kernel cannot read a later fragment of such a packet; so the guard lets none of it pass.
      const first = (view.getUint16(at + offset + 2) & 0xfff8) === 0;
      if (isExtension(inner) && !(first && inner === AH)) return UNREADABLE;
      if (!first) return inner | LATER | (offset << 9);
      offset += 8;
    }
    next = inner;
  }
  return next | (offset << 9);
}

function decodeIcmpv6(view: DataView, at: number, captured: number, next: number, found: number, out: Sighting): void {
  if ((found & LATER) !== 0) return;
  const offset = found >>> 9;
  if (offset >= captured) {
    out.fault = ND_HIDDEN;
    return;
  }
  const type = view.getUint8(at + offset);
  if (type === RESERVED) out.fault = ND_MALFORMED;
  if (type < 133 || (type > 138 && type !== 141 && type !== 142)) return;
  out.protocol = ND;
  out.operation = type;
  out.senderHigh = out.sourceHigh;
  out.senderLow = out.sourceLow;
  out.senderAddress = out.sourceAt = out.targetAt = out.optionMacAt = 0;
  if (next !== ICMPV6) out.fault = ND_HIDDEN;
  else if (!isWellFormed(view, at, type, out)) out.fault = ND_MALFORMED;
}

/** Right behind the IPv6 header, whose length the packet has. */
function isWellFormed(view: DataView, at: number, type: number, out: Sighting): boolean {
  const length = view.getUint16(at + 18);
  if (length < 8 || view.getUint8(at + 55) !== 0 || view.getUint8(at + 21) !== 255) return false;
  const named = isNamed(view, at + 22);
  if (named) out.sourceAt = 22;
  switch (type) {
    case ROUTER_SOLICITATION:
      return length === 8 || (length === 16 && named && hasMac(view, at, 62, SOURCE_MAC, out));
    case NEIGHBOUR_SOLICITATION:
      if (named) return length === 24 || (length === 32 && hasMac(view, at, 78, SOURCE_MAC, out));
      out.targetAt = 62;
      return length === 24 || (length === 32 && view.getUint16(at + 78) === NONCE);
    case NEIGHBOUR_ADVERTISEMENT:
      out.targetAt = 62;
      out.sourceAt = 22;
      return length === 24 || (length === 32 && hasMac(view, at, 78, TARGET_MAC, out));
    case ROUTER_ADVERTISEMENT:
      out.sourceAt = 22;
      return length >= ROUTER_ADVERTISEMENT_BYTES;
    case REDIRECT:
      out.sourceAt = 22;
      return length >= REDIRECT_BYTES;
    default:
      return type === ROUTER_RENUMBERING;
  }
}

/** Not the unspecified address. */
function isNamed(view: DataView, at: number): boolean {
  return (view.getInt32(at) | view.getInt32(at + 4) | view.getInt32(at + 8) | view.getInt32(at + 12)) !== 0;
}

function hasMac(view: DataView, at: number, optionAt: number, option: number, out: Sighting): boolean {
  out.optionMacAt = optionAt + 2;
  return view.getUint16(at + optionAt) === option;
}

/** VRRP over IPv6 lists no HAVIP yet, so its message is not read; who may send it, the judge says. */
function decodeVrrp6(view: DataView, at: number, captured: number, out: Sighting): void {
  out.protocol = VRRP;
  out.vrrpVersion = 0;
  out.vrrpAuth = AUTH_NONE;
  out.vrrpChecksum = CHECKSUM_WRONG;
  out.ipSource = out.ipDestination = 0;
  out.ttl = captured < 22 ? 0 : view.getUint8(at + 21);
}

/** RFC 4443, 2.3, of a message right behind the IPv6 header. One that was captured in part cannot be summed: right. */
export function isChecksumRight(view: DataView, at: number, captured: number): boolean {
  const length = view.getUint16(at + 18);
  if (54 + length > captured) return true;
  let sum = length + ICMPV6;
  const end = at + 54 + (length & ~1);
  for (let i = at + 22; i < end; i += 2) sum += view.getUint16(i);
  if ((length & 1) !== 0) sum += view.getUint8(end) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum === 0xffff;
}
