/**
 * VRRP over IPv4: version 2 (RFC 3768) and version 3 (RFC 5798, RFC 9568), also behind an AH header (RFC 4302).
 *
 *      0          1      2          3       4             5          6
 *      | ver type | VRID | priority | count | auth, int s | checksum | addresses, 4 bytes each | v2: 8 bytes of authentication
 *                                           | int, 12 bits of cs |
 *
 * What the kernel's guard sees too (addresses, TTL) is kept apart from what only the agent can read: the message's own faults
 * go to `vrrpFault`, so that the judge can answer in the guard's order.
 */
import { V } from '../base/verdict.ts';
import * as S from './sighting.ts';
import type { Sighting } from './sighting.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const {
  AUTH_AH,
  AUTH_HMAC,
  AUTH_NONE,
  AUTH_PASS,
  CHECKSUM_PLAIN,
  CHECKSUM_PSEUDO,
  CHECKSUM_PSEUDO_MULTICAST,
  CHECKSUM_V2,
  CHECKSUM_WRONG,
  VRRP,
} = S;
const MALFORMED = V.malformed;
const VRRP_MALFORMED = V['vrrp-malformed'];
const VRRP_CHECKSUM = V['vrrp-checksum'];

const PROTOCOL_AH = 51;
const PROTOCOL_VRRP = 112;
/** 224.0.0.18 as two 16-bit words, summed. */
const MULTICAST_SUM = 0xe000 + 0x0012;

/** VRRP, or something behind an AH header: worth decoding. */
export function mayBeVrrp(view: DataView, at: number, captured: number): boolean {
  if (captured < 24) return false;
  const protocol = view.getUint8(at + 23);
  return protocol === PROTOCOL_VRRP || protocol === PROTOCOL_AH;
}

/** The kernel reads what stands behind the IP header of such a packet alone (nft_set_pktinfo_ipv4_validate), and receivers drop others. */
export function isSound(view: DataView, at: number, captured: number): boolean {
  if (captured < 34 || view.getUint8(at + 14) >> 4 !== 4) return false;
  const headerLength = (view.getUint8(at + 14) & 15) * 4;
  const length = view.getUint16(at + 16);
  return headerLength >= 20 && length >= headerLength && length <= captured - 14;
}

/**
 * CARP, as ucarp sends it: also protocol 112 with 0x21 as first byte, its seven words of authentication where VRRP counts addresses,
 * and 36 bytes in all, too few for a VRRP message with seven addresses. The second byte is the VHID.
 */
export function isCarp(view: DataView, at: number, captured: number): boolean {
  return (
    captured >= 70 &&
    view.getUint8(at + 14) === 0x45 &&
    view.getUint16(at + 16) === 56 &&
    (view.getUint16(at + 20) & 0x3fff) === 0 &&
    view.getUint8(at + 23) === PROTOCOL_VRRP &&
    view.getUint8(at + 34) === 0x21 &&
    view.getUint8(at + 37) === 7
  );
}

/** Leaves `protocol` at OTHER unless the packet carries VRRP. */
export function decodeIpv4(view: DataView, at: number, captured: number, out: Sighting): void {
  if (!mayBeVrrp(view, at, captured)) return;
  const protocol = view.getUint8(at + 23);
  const headerLength = (view.getUint8(at + 14) & 15) * 4;
  const sound = isSound(view, at, captured);
  const fragment = captured >= 22 && (view.getUint16(at + 20) & 0x3fff) !== 0;
  let messageAt = 14 + headerLength;
  if (protocol === PROTOCOL_AH) {
    // The guard reads the next header where the kernel finds a transport header: in sound packets, in first fragments.
    const first = (view.getUint16(at + 20) & 0x1fff) === 0;
    if (!sound || !first || messageAt + 1 >= captured || view.getUint8(at + messageAt) !== PROTOCOL_VRRP) return;
    messageAt += (view.getUint8(at + messageAt + 1) + 2) * 4;
  }

  out.protocol = VRRP;
  out.vrrpVersion = 0;
  if (captured < 34) {
    out.fault = MALFORMED;
    return;
  }
  out.ttl = view.getUint8(at + 22);
  out.ipSource = view.getInt32(at + 26);
  out.ipDestination = view.getInt32(at + 30);
  if (!sound || fragment) out.vrrpFault = VRRP_MALFORMED;
  else decodeMessage(view, at, messageAt, 14 + view.getUint16(at + 16) - messageAt, protocol === PROTOCOL_AH, out);
}

/** @param length of the message with all that follows it inside the IP packet */
function decodeMessage(view: DataView, at: number, messageAt: number, length: number, signed: boolean, out: Sighting): void {
  const m = at + messageAt;
  out.vrrpFault = VRRP_MALFORMED;
  if (length < 8) return;
  const version = view.getUint8(m) >> 4;
  if ((view.getUint8(m) & 15) !== 1 || (version !== 2 && version !== 3)) return;
  const count = view.getUint8(m + 3);
  const exact = 8 + 4 * count + (version === 2 ? 8 : 0);
  if (length < exact || count === 0 || view.getUint8(m + 1) === 0) return;
  const intervalMs =
    version === 2 ? view.getUint8(m + 5) * 1000 : (((view.getUint8(m + 4) & 15) << 8) | view.getUint8(m + 5)) * 10;
  if (intervalMs === 0) return;

  out.vrrpVersion = version;
  out.vrid = view.getUint8(m + 1);
  out.priority = view.getUint8(m + 2);
  out.intervalMs = intervalMs;
  out.addressCount = count;
  out.addressesAt = messageAt + 8;
  out.vrrpAuth = authOf(signed, version === 2 ? view.getUint8(m + 4) : 0, length > exact);
  out.vrrpChecksum = checksumForm(view, m, exact, version, out);
  out.vrrpFault = out.vrrpChecksum === CHECKSUM_WRONG ? VRRP_CHECKSUM : -1;
}

function authOf(signed: boolean, authType: number, trailer: boolean): number {
  if (signed || authType === 2) return AUTH_AH;
  if (trailer) return AUTH_HMAC;
  return authType === 1 ? AUTH_PASS : AUTH_NONE;
}

/** Which of the checksums in use fits (docs/protocol-facts.md, 13). A right one makes the ones' complement sum 0xffff. */
function checksumForm(view: DataView, m: number, length: number, version: number, ip: Sighting): number {
  let sum = 0;
  // Every length is a multiple of 4.
  for (let i = m; i < m + length; i += 4) {
    const word = view.getInt32(i);
    sum += (word >>> 16) + (word & 0xffff);
  }
  if (fold(sum) === 0xffff) return version === 2 ? CHECKSUM_V2 : CHECKSUM_PLAIN;
  if (version === 2) return CHECKSUM_WRONG;
  sum += (ip.ipSource >>> 16) + (ip.ipSource & 0xffff) + PROTOCOL_VRRP + length;
  if (fold(sum + (ip.ipDestination >>> 16) + (ip.ipDestination & 0xffff)) === 0xffff) return CHECKSUM_PSEUDO;
  return fold(sum + MULTICAST_SUM) === 0xffff ? CHECKSUM_PSEUDO_MULTICAST : CHECKSUM_WRONG;
}

function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}
