import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VERDICTS } from '../../src/base/verdict.ts';
import { decodeFrame } from '../../src/decode/frame.ts';
import * as S from '../../src/decode/sighting.ts';
import { judge } from '../../src/filter/judge.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { arp, rarp, vrrp, type VrrpFields } from '../../native-fixtures/frames.ts';
import { MAC1, seedNetwork } from '../network.ts';

function decode(frame: Uint8Array, tag = 0): S.Sighting {
  const sighting = new S.Sighting();
  decodeFrame(frame, 0, frame.length, tag, sighting);
  return sighting;
}

const advert: VrrpFields = {
  source: MAC1,
  ipSource: '172.17.16.7',
  addresses: ['172.17.16.3', '172.17.16.33'],
};

describe('decode', () => {
  it('reads every field of ARP', () => {
    const fields = {
      source: MAC1,
      operation: 2,
      senderMac: '00:00:5e:00:01:33',
      senderAddress: '172.17.16.3',
      targetMac: 'fe:dc:ba:98:76:54',
      targetAddress: '10.0.0.1',
    };
    expect(decode(arp(fields))).toMatchObject({
      protocol: S.ARP,
      fault: S.NONE,
      operation: 2,
      sourceHigh: 0x0200,
      sourceLow: 0xac11_1007 | 0,
      senderHigh: 0,
      senderLow: 0x5e00_0133,
      senderAddress: 0xac11_1003 | 0,
      targetHigh: 0xfedc,
      targetLow: 0xba98_7654 | 0,
      targetAddress: 0x0a00_0001,
    });
    expect(decode(rarp(MAC1))).toMatchObject({ protocol: S.RARP, fault: S.NONE, operation: 3 });
  });

  it('reads every field of VRRP version 2', () => {
    expect(
      decode(
        vrrp({
          ...advert,
          priority: 80,
          interval: 3,
          password: '1111',
          ttl: 7,
          ipDestination: '172.17.16.13',
        }),
      ),
    ).toMatchObject({
      protocol: S.VRRP,
      fault: S.NONE,
      vrrpFault: S.NONE,
      vrrpVersion: 2,
      vrid: 51,
      priority: 80,
      intervalMs: 3000,
      addressCount: 2,
      addressesAt: 42,
      vrrpAuth: S.AUTH_PASS,
      vrrpChecksum: S.CHECKSUM_V2,
      ttl: 7,
      ipSource: 0xac11_1007 | 0,
      ipDestination: 0xac11_100d | 0,
    });
  });

  it.each([
    ['pseudo', '224.0.0.18', S.CHECKSUM_PSEUDO],
    ['pseudo', '172.17.16.13', S.CHECKSUM_PSEUDO],
    ['plain', '172.17.16.13', S.CHECKSUM_PLAIN],
    ['pseudo-multicast', '172.17.16.13', S.CHECKSUM_PSEUDO_MULTICAST],
    ['wrong', '224.0.0.18', S.CHECKSUM_WRONG],
  ] as const)('tells the checksum of version 3 apart: %s to %s', (checksum, ipDestination, form) => {
    const seen = decode(vrrp({ ...advert, version: 3, interval: 25, checksum, ipDestination }));
    expect(seen).toMatchObject({ vrrpVersion: 3, intervalMs: 250, vrrpChecksum: form });
  });

  it('takes 12 bits of interval in version 3 and ignores the reserved ones', () => {
    expect(decode(vrrp({ ...advert, version: 3, interval: 0xf000 | 4095 })).intervalMs).toBe(40_950);
  });

  it.each([
    [{}, S.AUTH_NONE],
    [{ password: '1111' }, S.AUTH_PASS],
    [{ authType: 2 }, S.AUTH_AH],
    [{ signed: true }, S.AUTH_AH],
    [{ trailer: new Uint8Array(20) }, S.AUTH_HMAC],
  ])('tells the authentication of %j', (fields, auth) => {
    expect(decode(vrrp({ ...advert, ...fields })).vrrpAuth).toBe(auth);
  });

  it('takes Ethernet padding for padding, not for a trailer', () => {
    const frame = vrrp({ ...advert, version: 3, addresses: ['172.17.16.3'] });
    const padded = new Uint8Array(60);
    padded.set(frame);
    expect(decode(padded)).toMatchObject({ vrrpAuth: S.AUTH_NONE, vrrpFault: S.NONE });
  });

  it('gives every frame whatsoever one verdict, and reads nothing outside it', () => {
    const policy = compilePolicy(seedNetwork);
    const start = fc.constantFrom(
      arp({ source: MAC1, senderAddress: '172.17.16.3' }),
      vrrp(advert),
      vrrp({ ...advert, version: 3, signed: true }),
      rarp(MAC1),
    );
    const mutation = fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(start, mutation, fc.nat(90), fc.nat(6), (base, changes, length, port) => {
        const frame = new Uint8Array(length);
        frame.set(base.subarray(0, length));
        for (const [at, value] of changes) if (at < length) frame[at] = value;
        const verdicts = [0x00, 0xff].map((around) => {
          const memory = new Uint8Array(length + 400).fill(around);
          memory.set(frame, 100);
          const sighting = new S.Sighting();
          return judge(policy, memory, 100, length, 0, port, sighting);
        });
        expect(VERDICTS[verdicts[0]!]).toBeDefined();
        expect(verdicts[0]).toBe(verdicts[1]);
      }),
      { numRuns: 3000 },
    );
  });
});
