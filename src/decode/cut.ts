/**
 * Frames of which our own view lost the end: a capture with a snap length, or the 504 bytes that live capture keeps. What is missing is
 * not the sender's fault, so such a frame is not refused for it; and what stands in the part that is left may be used, unverified.
 *
 * Asked only of frames that are longer than what is there of them.
 */
import { V } from '../base/verdict.ts';
import * as S from './sighting.ts';
import type { Sighting } from './sighting.ts';

const { AUTH_AH, AUTH_NONE, AUTH_PASS, CHECKSUM_UNSEEN, VRRP } = S;
const OTHER_IP = V['other-ip'];
const ARP_BYTES = 42;
const IP_HEADER_BYTES = 34;
const IPV6_HEADER_BYTES = 54;
const PROTOCOL_VRRP = 112;
const PROTOCOL_AH = 51;
/** With the 96 bits that VRRP version 2 signs with. */
const AH_BYTES = 24;

/** By verdict: it may come of bytes that are not there. */
export const MAY_BE_CUT = new Uint8Array(256);
for (const name of ['malformed', 'vrrp-malformed', 'nd-malformed', 'nd-hidden', 'nd-checksum'] as const) MAY_BE_CUT[V[name]] = 1;

/**
 * Whether the bytes that the judge missed are those that our view lost.
 * @param captured bytes present
 * @param length bytes on the wire, more than those
 */
export function isCut(verdict: number, view: DataView, at: number, captured: number, length: number): boolean {
  if (verdict === OTHER_IP) return isCutSigned(view, at, captured, length);
  if (MAY_BE_CUT[verdict] !== 1) return false;
  if (captured < 14) return true;
  const type = view.getUint16(at + 12);
  if (type === 0x0806 || type === 0x8035) return captured < ARP_BYTES && length >= ARP_BYTES;
  if (type === 0x86dd) {
    if (captured < IPV6_HEADER_BYTES) return length >= IPV6_HEADER_BYTES;
    const end = IPV6_HEADER_BYTES + view.getUint16(at + 18);
    return end > captured && end <= length;
  }
  if (type !== 0x0800) return false;
  if (captured < IP_HEADER_BYTES) return length >= IP_HEADER_BYTES;
  // A fragment is refused for being one, and a packet that says more bytes than were sent for that.
  const total = view.getUint16(at + 16);
  return (view.getUint16(at + 20) & 0x3fff) === 0 && total > captured - 14 && total <= length - 14;
}

/** VRRP behind an AH header, of which the judge reads nothing where it is not whole: plain IP to it. */
function isCutSigned(view: DataView, at: number, captured: number, length: number): boolean {
  if (captured < IP_HEADER_BYTES + 2 || view.getUint16(at + 12) !== 0x0800 || view.getUint8(at + 23) !== PROTOCOL_AH)
    return false;
  if (view.getUint8(at + 14) !== 0x45 || (view.getUint16(at + 20) & 0x3fff) !== 0) return false;
  const total = view.getUint16(at + 16);
  return view.getUint8(at + 34) === PROTOCOL_VRRP && total > captured - 14 && total <= length - 14;
}

/**
 * What is left of a cut VRRP message, into a sighting that has the packet's IP header: its head, and as many addresses as are there.
 * @returns whether there is enough of it to be evidence
 */
export function decodeCutAdvert(view: DataView, at: number, captured: number, out: Sighting): boolean {
  if (captured < IP_HEADER_BYTES || view.getUint16(at + 12) !== 0x0800) return false;
  const protocol = view.getUint8(at + 23);
  const signed = protocol === PROTOCOL_AH && captured > 36 && view.getUint8(at + 34) === PROTOCOL_VRRP;
  if (!signed && (out.protocol !== VRRP || protocol !== PROTOCOL_VRRP)) return false;
  const messageAt = 14 + (view.getUint8(at + 14) & 15) * 4 + (signed ? AH_BYTES : 0);
  if (messageAt < IP_HEADER_BYTES || captured < messageAt + 8) return false;
  const m = at + messageAt;
  const version = view.getUint8(m) >> 4;
  if ((view.getUint8(m) & 15) !== 1 || (version !== 2 && version !== 3) || view.getUint8(m + 1) === 0) return false;
  const intervalMs =
    version === 2 ? view.getUint8(m + 5) * 1000 : (((view.getUint8(m + 4) & 15) << 8) | view.getUint8(m + 5)) * 10;
  if (intervalMs === 0) return false;
  out.protocol = VRRP;
  out.ttl = view.getUint8(at + 22);
  out.ipSource = view.getInt32(at + 26);
  out.ipDestination = view.getInt32(at + 30);
  out.vrrpVersion = version;
  out.vrid = view.getUint8(m + 1);
  out.priority = view.getUint8(m + 2);
  out.intervalMs = intervalMs;
  out.addressesAt = messageAt + 8;
  out.addressCount = Math.min(view.getUint8(m + 3), (captured - out.addressesAt) >> 2);
  const type = version === 2 ? view.getUint8(m + 4) : 0;
  out.vrrpAuth = signed || type === 2 ? AUTH_AH : type === 1 ? AUTH_PASS : AUTH_NONE;
  out.vrrpChecksum = CHECKSUM_UNSEEN;
  return true;
}
