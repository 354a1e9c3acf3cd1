import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readdressError } from '../../src/agent/icmp-error.ts';

const EIP = 0xcb00_710a;
const HAVIP = 0xac11_1003;
const CLIENT = 0xc633_6409;
const ROUTER = 0xcb00_7101;

function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function ip(source: number, destination: number, protocol: number, body: Uint8Array): Buffer {
  const packet = Buffer.concat([Buffer.alloc(20), body]);
  packet[0] = 0x45;
  packet.writeUInt16BE(packet.length, 2);
  packet[8] = 64;
  packet[9] = protocol;
  packet.writeUInt32BE(source, 12);
  packet.writeUInt32BE(destination, 16);
  packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
  return packet;
}

/** Fragmentation needed, with a packet of UDP inside. */
function errorFrame(source: number, destination: number, inner: readonly [from: number, to: number], rest = 9): Buffer {
  const carried = ip(inner[0], inner[1], 17, Buffer.alloc(rest, 7));
  const icmp = Buffer.concat([Buffer.from([3, 4, 0, 0, 0, 0, 5, 20]), carried]);
  icmp.writeUInt16BE(checksum(icmp), 2);
  return Buffer.concat([Buffer.alloc(12), Buffer.from([8, 0]), ip(source, destination, 1, icmp)]);
}

function expectRight(frame: Buffer): void {
  expect(checksum(frame.subarray(14, 34))).toBe(0);
  expect(checksum(frame.subarray(34))).toBe(0);
  expect(checksum(frame.subarray(42, 62))).toBe(0);
}

describe('readdressError', () => {
  it('readdresses an error about what an EIP sent, with the packet inside, and all checksums', () => {
    for (const rest of [8, 9, 40]) {
      const frame = readdressError(errorFrame(ROUTER, EIP, [EIP, CLIENT], rest), EIP, HAVIP, 'to', []);
      expect(frame?.readUInt32BE(30)).toBe(HAVIP);
      expect(frame?.readUInt32BE(54)).toBe(HAVIP);
      expect(frame?.readUInt32BE(26)).toBe(ROUTER);
      expectRight(frame!);
    }
  });

  it('and one that a holder sends about what came to it', () => {
    const frame = readdressError(errorFrame(HAVIP, CLIENT, [CLIENT, HAVIP]), HAVIP, EIP, 'from', []);
    expect(frame?.readUInt32BE(26)).toBe(EIP);
    expect(frame?.readUInt32BE(58)).toBe(EIP);
    expectRight(frame!);
  });

  it.each<[string, Buffer, 'to' | 'from']>([
    ['about somebody else’s packet', errorFrame(ROUTER, EIP, [CLIENT, EIP]), 'to'],
    ['to somebody else', errorFrame(ROUTER, CLIENT, [EIP, CLIENT]), 'to'],
    ['of somebody else', errorFrame(ROUTER, CLIENT, [CLIENT, HAVIP]), 'from'],
  ])('leaves one %s', (_, frame, which) => {
    expect(readdressError(frame, which === 'to' ? EIP : HAVIP, which === 'to' ? HAVIP : EIP, which, [])).toBeNull();
  });

  it('leaves what goes where nothing is translated', () => {
    const inside = [{ base: 0xc633_6400, bits: 24 }];
    expect(readdressError(errorFrame(HAVIP, CLIENT, [CLIENT, HAVIP]), HAVIP, EIP, 'from', inside)).toBeNull();
  });

  it('takes nothing that is cut or altered, and never throws', () => {
    const whole = errorFrame(ROUTER, EIP, [EIP, CLIENT]);
    for (let length = 14; length < whole.length; length++)
      expect(readdressError(whole.subarray(0, length), EIP, HAVIP, 'to', [])).toBeNull();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 14, maxLength: 90 }), (bytes) => {
        readdressError(Buffer.from(bytes), EIP, HAVIP, 'to', []);
      }),
    );
    const altered = Buffer.from(whole);
    altered[63] = 99;
    expect(readdressError(altered, EIP, HAVIP, 'to', [])).toBeNull();
  });
});
