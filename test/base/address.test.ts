/** Addresses are compared parsed: every spelling of one address becomes the same value, and what is none is refused. */
import { describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { cidrContains, cidrInside, cidrLast, formatCidr, formatIpv4, parseCidr, parseIpv4 } from '../../src/base/address.ts';
import { must } from '../../src/base/assert.ts';

describe('IPv4', () => {
  it.each(['0.0.0.0', '10.0.0.1', '10.0.0.10', '172.17.16.3', '255.255.255.255'])('%s is itself', (text) => {
    expect(formatIpv4(must(parseIpv4(text), text))).toBe(text);
  });

  it.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '256.0.0.1',
    '1.2.3.04',
    '010.0.0.1',
    '1..2.3',
    '1.2.3.',
    '.1.2.3',
    ' 1.2.3.4',
    '1.2.3.4 ',
    '0x1.2.3.4',
    '1.2.3.-4',
    '1e1.2.3.4',
    '١.2.3.4',
  ])('%j is none', (text) => {
    expect(parseIpv4(text)).toBeNull();
  });

  it('survives being written and read', () => {
    fc.assert(fc.property(fc.nat(0xffff_ffff), (address) => parseIpv4(formatIpv4(address)) === address));
  });
});

describe('a prefix', () => {
  it.each(['0.0.0.0/0', '10.0.0.0/8', '172.17.16.0/24', '192.0.2.1/32', '128.0.0.0/1'])('%s is itself', (text) => {
    expect(formatCidr(must(parseCidr(text), text))).toBe(text);
  });

  it.each([
    '10.0.0.1/8',
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '0.0.0.1/0',
    '::/0',
  ])('%s is none', (text) => {
    expect(parseCidr(text)).toBeNull();
  });

  it('contains what lies between its first and its last address, and nothing else', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(32), fc.nat(0xffff_ffff), (address, bits, other) => {
        const size = 2 ** (32 - bits);
        const cidr = { base: Math.floor(address / size) * size, bits };
        expect(parseCidr(formatCidr(cidr))).toEqual(cidr);
        expect(cidrLast(cidr)).toBe(cidr.base + size - 1);
        expect(cidrContains(cidr, other)).toBe(other >= cidr.base && other <= cidrLast(cidr));
        expect(cidrInside({ base: address, bits: 32 }, cidr)).toBe(true);
        expect(cidrInside({ base: 0, bits: 0 }, cidr)).toBe(bits === 0);
      }),
    );
  });
});
