/** Addresses are compared parsed: every spelling of one address becomes the same value, and what is none is refused. */
import { describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import {
  cidrContains,
  cidrInside,
  cidrLast,
  formatAddress,
  formatCidr,
  formatIpv4,
  parseAddress,
  parseCidr,
  parseIpv4,
} from '../../src/base/address.ts';
import { must } from '../../src/base/assert.ts';

/** The canonical text of any spelling; null when it is no address. */
function canonical(text: string): string | null {
  const address = parseAddress(text);
  return address === null ? null : formatAddress(address);
}

const spelt = (groups: readonly number[]) => groups.map((group) => group.toString(16)).join(':');

describe('IPv4', () => {
  it.each(['0.0.0.0', '10.0.0.1', '10.0.0.10', '172.17.16.3', '255.255.255.255'])('%s is itself', (text) => {
    expect(formatIpv4(must(parseIpv4(text), text))).toBe(text);
    expect(canonical(text)).toBe(text);
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
    expect(canonical(text)).toBeNull();
  });

  it('survives being written and read', () => {
    fc.assert(fc.property(fc.nat(0xffff_ffff), (address) => parseIpv4(formatIpv4(address)) === address));
  });
});

describe('IPv6 (RFC 4291, 2.2), written as RFC 5952 says', () => {
  it.each([
    // RFC 5952, 4.1: no leading zeros.
    ['2001:0db8::0001', '2001:db8::1'],
    // 4.2.1: shortened as much as possible.
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8::0:1', '2001:db8::1'],
    // 4.2.2: not for one group alone.
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    // 4.2.3: the longest run, and the first of two that are equal.
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    // 4.3: lower case.
    ['2001:DB8::AAAA', '2001:db8::aaaa'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::', '::'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['fe80::', 'fe80::'],
    ['fe80:0:0:0:0:0:0:0', 'fe80::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['ff02::1:ff00:1', 'ff02::1:ff00:1'],
    // Dotted end (RFC 4291, 2.2, 3).
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
  ])('%s is %s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
    expect(canonical(expected)).toBe(expected);
  });

  it.each([
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '12345::',
    '::g',
    'fe80::1%eth0',
    '::1.2.3',
    '::1.2.3.4:5',
    '::256.1.1.1',
    '1.2.3.4::',
    ' ::1',
    '::1 ',
    '[::1]',
    '::1/64',
    '2001:db8::１',
  ])('%j is none', (text) => {
    expect(canonical(text)).toBeNull();
  });

  it('has one value for all spellings, and another for every other address', () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, groups, (a, b) => {
        const padded = a.map((group) => group.toString(16).padStart(4, '0').toUpperCase()).join(':');
        expect(parseAddress(padded)).toBe(parseAddress(spelt(a)));
        expect(parseAddress(must(canonical(spelt(a)), 'an address'))).toBe(parseAddress(spelt(a)));
        expect(parseAddress(spelt(a)) === parseAddress(spelt(b))).toBe(a.every((group, i) => group === b[i]));
      }),
    );
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
