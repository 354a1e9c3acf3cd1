import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GUEST_CLAIMS, SKF_AD_PKTTYPE, SKF_AD_VLAN_TAG_PRESENT, UPLINK_CLAIMS } from '../../src/capture/bpf.ts';
import { type BpfInstruction, encodeBpf } from '../../src/abi/socket-filter.ts';
import { SNAP_BYTES } from '../../src/base/snap.ts';
import { decodeFrame } from '../../src/decode/frame.ts';
import { ND, Sighting, VRRP } from '../../src/decode/sighting.ts';
import { ipv6Frames } from '../vswitch/nd-generator.ts';
import { CLASSES } from './frames.ts';

interface Seen {
  /** The frame as a socket sees it: its outermost tag taken off. */
  readonly bytes: Uint8Array;
  readonly tagged: boolean;
  readonly packetType: number;
}

/** The part of classic BPF that the program uses, with the kernel's rule for loads beyond the end: the program returns 0. */
function run(program: readonly BpfInstruction[], seen: Seen): number {
  let accumulator = 0;
  let index = 0;
  for (let at = 0; at < program.length; at++) {
    const { code, jt, jf, k } = program[at] as BpfInstruction;
    if (code === 0x06) return k;
    if (code === 0x15) at += accumulator === k ? jt : jf;
    else if (code === 0x35) at += accumulator >= k ? jt : jf;
    else if (code === 0x45) at += (accumulator & k) !== 0 ? jt : jf;
    else if (code === 0x04) accumulator += k;
    else if (code === 0x64) accumulator <<= k;
    else if (code === 0x07) index = accumulator;
    else if (k === SKF_AD_PKTTYPE) accumulator = seen.packetType;
    else if (k === SKF_AD_VLAN_TAG_PRESENT) accumulator = seen.tagged ? 1 : 0;
    else if (code === 0xb1) index = ((seen.bytes[k] ?? 0) & 15) * 4;
    else {
      const size = { 0x20: 4, 0x28: 2, 0x30: 1, 0x50: 1 }[code] ?? 0;
      const from = code === 0x50 ? index + k : k;
      if (size === 0 || from + size > seen.bytes.length) return 0;
      accumulator = Buffer.from(seen.bytes).readUIntBE(from, size);
    }
  }
  throw new Error('the program ran past its end');
}

function asSocketSees(bytes: Uint8Array, tag: number): Seen {
  return {
    bytes: tag === 0 ? bytes : Buffer.concat([bytes.subarray(0, 12), bytes.subarray(16)]),
    tagged: tag !== 0,
    packetType: 0,
  };
}

describe('the capture filter', () => {
  it.each(CLASSES)('$name: pass $pass', ({ bytes, tag, pass }) => {
    expect(run(GUEST_CLAIMS, asSocketSees(bytes, tag))).toBe(pass ? SNAP_BYTES : 0);
  });

  it.each(CLASSES.filter((row) => row.tag !== 0))('$name: passes too where the tag is left in the frame', ({ bytes }) => {
    expect(run(GUEST_CLAIMS, { bytes, tagged: false, packetType: 0 })).toBe(SNAP_BYTES);
  });

  it.each(CLASSES)('$name: dropped when this host sends it', ({ bytes, tag }) => {
    expect(run(GUEST_CLAIMS, { ...asSocketSees(bytes, tag), packetType: 4 })).toBe(0);
  });

  it('passes whatever the judge takes for neighbour discovery or VRRP over IPv6, hidden or not', () => {
    const sighting = new Sighting();
    let judged = 0;
    const property = fc.property(ipv6Frames, (bytes) => {
      decodeFrame(bytes, 0, bytes.length, 0, sighting);
      if (sighting.protocol !== ND && sighting.protocol !== VRRP) return;
      judged++;
      expect(run(GUEST_CLAIMS, { bytes, tagged: false, packetType: 0 })).toBe(SNAP_BYTES);
    });
    fc.assert(property, { numRuns: 5000 });
    expect(judged).toBeGreaterThan(1000);
  });

  it('passes frames to other machines as well as to this one', () => {
    const seen = asSocketSees(CLASSES[0]?.bytes ?? new Uint8Array(), 0);
    for (const packetType of [0, 1, 2, 3]) expect(run(GUEST_CLAIMS, { ...seen, packetType })).toBe(SNAP_BYTES);
  });

  it('jumps forward and inside itself only, and is laid out as struct sock_filter', () => {
    for (const [at, { code, jt, jf }] of GUEST_CLAIMS.entries()) {
      if ([0x15, 0x35, 0x45].includes(code)) expect(at + 1 + Math.max(jt, jf)).toBeLessThan(GUEST_CLAIMS.length);
    }
    expect(encodeBpf(GUEST_CLAIMS.slice(0, 2)).toString('hex')).toMatch(/^2000000004f0ffff1500..0004000000$/);
  });
});

const isHeard = (bytes: Uint8Array) => {
  const [type, protocol, tunnelled] = [Buffer.from(bytes).readUInt16BE(12), bytes[23], bytes[14 + ((bytes[14] ?? 0) & 15) * 4]];
  if (type === 0x0806 || type === 0x8035) return true;
  return type === 0x0800 && bytes.length > 23 && (protocol === 112 || (protocol === 51 && tunnelled === 112));
};

describe('the filter of uplinks', () => {
  it.each(CLASSES)('$name', ({ bytes, tag, pass }) => {
    const seen = asSocketSees(bytes, tag);
    const heard = tag === 0 && pass && isHeard(bytes);
    expect(run(UPLINK_CLAIMS, seen)).toBe(heard ? SNAP_BYTES : 0);
    expect(run(UPLINK_CLAIMS, { ...seen, packetType: 4 })).toBe(0);
  });

  it('lets in ARP, RARP and VRRP among them, and not all that a guest’s filter does', () => {
    const heard = CLASSES.filter(({ bytes, tag }) => run(UPLINK_CLAIMS, asSocketSees(bytes, tag)) > 0);
    expect(new Set(heard.map(({ bytes }) => Buffer.from(bytes).readUInt16BE(12)))).toEqual(new Set([0x0806, 0x8035, 0x0800]));
    expect(heard.length).toBeLessThan(CLASSES.filter(({ pass }) => pass).length);
  });
});
