/**
 * VRRP version 3 over IPv6 (RFC 9568): who is master, under which VRID. What it lists is no HAVIP; of a cluster whose IPv4 addresses no
 * advert lists it is the only sign of life. Asked of packets that the judge lets pass, so the message stands behind the IPv6 header.
 */
import * as S from './sighting.ts';
import type { Sighting } from './sighting.ts';

const { AUTH_NONE, CHECKSUM_PSEUDO, VRRP, VRRP_GROUP } = S;
const PROTOCOL_VRRP = 112;
const MESSAGE_AT = 54;
const HEAD_BYTES = 8;

/** @returns whether it is an advert that receivers take */
export function decodeAdvert6(view: DataView, at: number, captured: number, out: Sighting): boolean {
  if (captured < MESSAGE_AT + HEAD_BYTES || view.getUint16(at + 12) !== 0x86dd || view.getUint8(at + 20) !== PROTOCOL_VRRP)
    return false;
  const length = view.getUint16(at + 18);
  const m = at + MESSAGE_AT;
  const count = view.getUint8(m + 3);
  if (view.getUint8(m) !== 0x31 || view.getUint8(m + 1) === 0 || count === 0) return false;
  if (length < HEAD_BYTES + 16 * count || MESSAGE_AT + length > captured) return false;
  const intervalMs = (view.getUint16(m + 4) & 0xfff) * 10;
  if (intervalMs === 0 || view.getUint8(at + 21) !== 255 || !isSumRight(view, at, length)) return false;
  out.protocol = VRRP;
  out.vrrpVersion = 3;
  out.vrid = view.getUint8(m + 1);
  out.priority = view.getUint8(m + 2);
  out.intervalMs = intervalMs;
  out.addressCount = 0;
  out.addressesAt = MESSAGE_AT + HEAD_BYTES;
  out.vrrpAuth = AUTH_NONE;
  out.vrrpChecksum = CHECKSUM_PSEUDO;
  out.ipDestination = view.getUint8(at + 38) === 0xff ? VRRP_GROUP : 0;
  return true;
}

/** Over the pseudo-header of RFC 8200, 8.1. */
function isSumRight(view: DataView, at: number, length: number): boolean {
  let sum = length + PROTOCOL_VRRP;
  const end = at + MESSAGE_AT + (length & ~1);
  for (let i = at + 22; i < end; i += 2) sum += view.getUint16(i);
  if ((length & 1) !== 0) sum += view.getUint8(end) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum === 0xffff;
}
