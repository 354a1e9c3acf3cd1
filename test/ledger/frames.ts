/** VRRP frames as keepalived sends them, checksums computed from the RFCs and not by the code under test. */
interface Shape {
  version: 2 | 3;
  priority: number;
  destination: number;
  password: string;
  /** Version 3; a second by default. */
  centiseconds?: number;
  /** The checksum of version 3: with the pseudo-header (keepalived), without, or with 224.0.0.18 in it. */
  form?: 'pseudo' | 'plain' | 'pseudo-multicast';
}

/** The Internet checksum (RFC 1071); 0 over bytes that hold a right one. */
export function checksum(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export function vrrpFrame(shape: Shape): Uint8Array {
  const { version, priority, destination, password, centiseconds = 100, form = 'pseudo' } = shape;
  const message = new Uint8Array(version === 2 ? 20 : 12);
  const interval = version === 2 ? [1, 1] : [centiseconds >> 8, centiseconds & 0xff];
  message.set([version === 2 ? 0x21 : 0x31, 51, priority, 1, ...interval]);
  message.set([172, 17, 16, 3], 8);
  if (version === 2) message.set(new TextEncoder().encode(password), 12);
  const source = 0xac111007;
  const summed = form === 'pseudo' ? destination : 0xe000_0012;
  const pseudo =
    version === 2 || form === 'plain' ? 0 : (source >>> 16) + (source & 0xffff) + (summed >>> 16) + (summed & 0xffff) + 112 + 12;
  new DataView(message.buffer).setUint16(6, checksum(message, pseudo));
  const frame = new Uint8Array(34 + message.length);
  const view = new DataView(frame.buffer);
  frame.set([2, 0, 0xac, 0x11, 0x10, 0x0d, 2, 0, 0xac, 0x11, 0x10, 7, 8, 0, 0x45, 0xc0]);
  view.setUint16(16, 20 + message.length);
  frame.set([255, 112], 22);
  view.setUint32(26, source);
  view.setUint32(30, destination);
  view.setUint16(24, checksum(frame.subarray(14, 34)));
  frame.set(message, 34);
  return frame;
}
