/** IPv4 packets that are not VRRP, built from their documented formats as those of frames.ts. */
import { BROADCAST, ip, putMac, sum } from './frames.ts';

export interface Ipv4Fields {
  source: string;
  destinationMac?: string;
  ipSource: string;
  ipDestination: string;
  protocol: number;
  payload?: Uint8Array;
  ttl?: number;
  ipOptions?: number;
  fragment?: number;
  /** what is added to the right total length */
  longer?: number;
}

/** RFC 791 */
export function ipv4(fields: Ipv4Fields): Uint8Array {
  const payload = fields.payload ?? new Uint8Array(8);
  const options = (fields.ipOptions ?? 0) * 4;
  const frame = new Uint8Array(14 + 20 + options + payload.length);
  const view = new DataView(frame.buffer);
  putMac(frame, 0, fields.destinationMac ?? BROADCAST);
  putMac(frame, 6, fields.source);
  view.setUint16(12, 0x0800);
  view.setUint8(14, 0x45 + options / 4);
  view.setUint16(16, frame.length - 14 + (fields.longer ?? 0));
  view.setUint16(20, fields.fragment ?? 0);
  view.setUint8(22, fields.ttl ?? 64);
  view.setUint8(23, fields.protocol);
  view.setUint32(26, ip(fields.ipSource));
  view.setUint32(30, ip(fields.ipDestination));
  frame.fill(1, 34, 34 + options);
  view.setUint16(24, ~sum(frame.subarray(14, 34 + options)) & 0xffff);
  frame.set(payload, 34 + options);
  return frame;
}

/** The header of a UDP datagram without data (RFC 768), no checksum. */
export function udpHeader(from: number, to: number): Uint8Array {
  return Uint8Array.of(from >> 8, from & 255, to >> 8, to & 255, 0, 8, 0, 0);
}

/** CARP as ucarp 1.5.2 sends it: VRRP's protocol and first byte, 36 bytes, its own virtual MAC. */
export function carp(fields: {
  vhid: number;
  ipSource: string;
  source?: string;
  ipDestination?: string;
  bytes?: number;
}): Uint8Array {
  const { vhid, ipSource, ipDestination = '224.0.0.18' } = fields;
  const source = fields.source ?? `00:00:5e:00:00:${vhid.toString(16).padStart(2, '0')}`;
  const payload = new Uint8Array(fields.bytes ?? 36).fill(0xaa);
  payload.set([0x21, vhid, 0, 7, 0, 1]);
  return ipv4({ source, destinationMac: '01:00:5e:00:00:12', ipSource, ipDestination, protocol: 112, ttl: 255, payload });
}
