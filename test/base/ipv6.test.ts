/** Every spelling of one IPv6 address becomes the same text, and what is none is refused. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import * as A from '../../src/base/ipv6.ts';
import { parseIpv6 } from '../../src/base/ipv6.ts';
import { parseMac } from '../../src/base/mac.ts';

const spelt = (groups: readonly number[]) => groups.map((group) => group.toString(16)).join(':');
const ip = (text: string) => must(parseIpv6(text), text);
const groupsOf8 = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });

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
    expect(parseIpv6(text)).toBe(expected);
    expect(parseIpv6(expected)).toBe(expected);
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
    '::01.1.1.1',
    '1.2.3.4::',
    ' ::1',
    '::1 ',
    '[::1]',
    '::1/64',
    '2001:db8::１',
  ])('%j is none', (text) => {
    expect(parseIpv6(text)).toBeNull();
  });

  it('has one value for all spellings, and another for every other address', () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, groups, (a, b) => {
        const padded = a.map((group) => group.toString(16).padStart(4, '0').toUpperCase()).join(':');
        expect(parseIpv6(padded)).toBe(parseIpv6(spelt(a)));
        expect(parseIpv6(must(parseIpv6(spelt(a)), 'an address'))).toBe(parseIpv6(spelt(a)));
        expect(parseIpv6(spelt(a)) === parseIpv6(spelt(b))).toBe(a.every((group, i) => group === b[i]));
      }),
    );
  });
});

describe('IPv6 in frames', () => {
  it('survives being written and read, as bytes and as words', () => {
    fc.assert(
      fc.property(groupsOf8, (groups) => {
        const address = ip(spelt(groups));
        const bytes = new Uint8Array(20);
        A.writeIpv6(bytes, 3, address);
        expect([...bytes.subarray(3, 19)]).toEqual(groups.flatMap((group) => [group >> 8, group & 255]));
        expect(A.readIpv6(bytes, 3)).toBe(address);
        const view = new DataView(bytes.buffer);
        expect(A.ipv6Words(address)).toEqual([3, 7, 11, 15].map((at) => view.getInt32(at)));
      }),
    );
  });

  it.each([
    ['fe80::', '02:00:ac:11:10:07', 'fe80::acff:fe11:1007'],
    ['fe80::', '00:00:5e:00:02:33', 'fe80::200:5eff:fe00:233'],
    ['fd00:16::', '34:56:78:9a:bc:de', 'fd00:16::3656:78ff:fe9a:bcde'],
    ['fe80::', 'fe:ff:ff:ff:ff:ff', 'fe80::fcff:ffff:feff:ffff'],
  ])('%s and %s make %s (RFC 4291, appendix A)', (prefix, mac, address) => {
    expect(A.eui64(ip(prefix), must(parseMac(mac), mac))).toBe(address);
  });

  it.each([
    ['fe80::1', true, true],
    ['fe80:0:0:1::1', false, true],
    ['fd00::1', false, true],
    ['ff02::1', false, false],
    ['::', false, false],
    ['::1', false, false],
    ['::ffff:192.0.2.1', false, false],
  ])('%s: link-local %s, a machine’s %s', (text, linkLocal, unicast) => {
    expect(A.isLinkLocal(ip(text))).toBe(linkLocal);
    expect(A.isUnicastIpv6(ip(text))).toBe(unicast);
  });
});

/** The first `bits` of one, the rest of another. */
const joined = (one: readonly number[], rest: readonly number[], bits: number) =>
  one.map((group, i) => {
    const kept = Math.min(16, Math.max(0, bits - 16 * i));
    const mask = kept === 0 ? 0 : (0xffff << (16 - kept)) & 0xffff;
    return (group & mask) | (rest[i]! & ~mask & 0xffff);
  });
const zeros = Array.from({ length: 8 }, () => 0);
const prefixOf = (groups: readonly number[], bits: number) => ({ base: ip(spelt(joined(groups, zeros, bits))), bits });
const bit = (groups: readonly number[], i: number) => (groups[i >> 4]! >> (15 - (i & 15))) & 1;

describe('an IPv6 prefix', () => {
  it.each(['::/0', 'fd00:16::/64', '2001:db8::/32', 'fd00::1/128', 'fd00::8000:0:0:0/66'])('%s is itself', (text) => {
    expect(A.formatCidr6(must(A.parseCidr6(text), text))).toBe(text);
  });

  it.each(['fd00::1/64', 'fd00::', 'fd00::/', 'fd00::/129', 'fd00::/064', 'fd00::/64/64', 'fd00::/-1', '10.0.0.0/8', '/64'])(
    '%s is none',
    (text) => expect(A.parseCidr6(text)).toBeNull(),
  );

  it('contains what has its first bits, and nothing else', () => {
    fc.assert(
      fc.property(groupsOf8, groupsOf8, fc.nat(128), fc.nat(128), (a, other, bits, same) => {
        // Alike in so many bits, so that both answers come.
        const b = joined(a, other, same);
        const cidr = prefixOf(a, bits);
        expect(A.parseCidr6(A.formatCidr6(cidr))).toEqual(cidr);
        const expected = Array.from({ length: bits }, (_, i) => bit(a, i) === bit(b, i)).every(Boolean);
        expect(A.cidr6Contains(cidr, ip(spelt(b)))).toBe(expected);
        const inner = prefixOf(b, Math.max(bits, same));
        expect(A.cidrs6Overlap(cidr, inner)).toBe(expected);
        expect(A.cidrs6Overlap(inner, cidr)).toBe(expected);
      }),
    );
  });
});
