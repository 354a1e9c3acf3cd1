/**
 * An ICMP error with another address in it, outside and in the packet that it carries (RFC 5508, 4.2): what an address translation must do, and
 * nft cannot. The checksum of the carried packet's TCP or UDP is left: nobody checks it, and often it is cut off. Pure.
 */
import { type Cidr, cidrContains, type Ipv4 } from '../base/address.ts';

const ETHERNET = 14;
const SOURCE = 12;
const DESTINATION = 16;

/**
 * `to`: one that was sent to `from` about a packet from it. `from`: one that `from` sends about a packet to it.
 * @param notNat destinations for which nothing is readdressed
 * @returns null: it is none of these, or broken
 */
export function readdressError(
  frame: Buffer,
  from: Ipv4,
  to: Ipv4,
  which: 'to' | 'from',
  notNat: readonly Cidr[],
): Buffer | null {
  const header = ((frame[ETHERNET] ?? 0) & 15) * 4;
  const icmp = ETHERNET + header;
  const inner = icmp + 8;
  if (header < 20 || frame.length < inner + 20) return null;
  const end = ETHERNET + frame.readUInt16BE(ETHERNET + 2);
  const innerHeader = ((frame[inner] ?? 0) & 15) * 4;
  if (end > frame.length || innerHeader < 20 || end < inner + innerHeader || (frame[inner] ?? 0) >> 4 !== 4) return null;
  const [outerAt, innerAt] = which === 'to' ? [DESTINATION, SOURCE] : [SOURCE, DESTINATION];
  if (frame.readUInt32BE(ETHERNET + outerAt) !== from || frame.readUInt32BE(inner + innerAt) !== from) return null;
  if (checksum(frame, icmp, end) !== 0) return null;
  const remote = frame.readUInt32BE(ETHERNET + DESTINATION);
  if (which === 'from' && notNat.some((cidr) => cidrContains(cidr, remote))) return null;
  const out = Buffer.from(frame.subarray(0, end));
  out.writeUInt32BE(to, ETHERNET + outerAt);
  out.writeUInt32BE(to, inner + innerAt);
  renew(out, ETHERNET + 10, ETHERNET, ETHERNET + header);
  renew(out, inner + 10, inner, inner + innerHeader);
  renew(out, icmp + 2, icmp, end);
  return out;
}

function renew(bytes: Buffer, at: number, start: number, end: number): void {
  bytes.writeUInt16BE(0, at);
  bytes.writeUInt16BE(checksum(bytes, start, end), at);
}

/** RFC 1071; 0 for what has its own right checksum inside. */
function checksum(bytes: Buffer, start: number, end: number): number {
  let sum = 0;
  for (let at = start; at + 1 < end; at += 2) sum += bytes.readUInt16BE(at);
  if ((end - start) % 2 === 1) sum += (bytes[end - 1] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
