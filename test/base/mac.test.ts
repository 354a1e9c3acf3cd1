import { describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { must } from '../../src/base/assert.ts';
import { formatMac, isUnicastMac, joinMac, macHigh, macLow, parseMac, readMac, writeMac } from '../../src/base/mac.ts';

const MACS = fc.nat(0xffff_ffff).chain((low) => fc.nat(0xffff).map((high) => high * 2 ** 32 + low));

describe('a MAC address', () => {
  it.each([
    ['00:00:00:00:00:00', 0],
    ['02:00:ac:11:10:07', 0x0200_ac11_1007],
    ['FF:FF:ff:ff:fF:Ff', 0xffff_ffff_ffff],
  ])('%s', (text, mac) => {
    expect(parseMac(text)).toBe(mac);
    expect(formatMac(mac)).toBe(text.toLowerCase());
  });

  it.each([
    '',
    '02:00:ac:11:10',
    '02:00:ac:11:10:0',
    '02-00-ac-11-10-07',
    '0200ac111007',
    '02:00:ac:11:10:0g',
    '02:00:ac:11:10:07:',
    ' 2:00:ac:11:10:07',
    '02:00:ac:11:10:0７',
  ])('%j is none', (text) => {
    expect(parseMac(text)).toBeNull();
  });

  it('is the same number as text, as bytes and as two halves', () => {
    fc.assert(
      fc.property(MACS, (mac) => {
        const bytes = new Uint8Array(8);
        writeMac(bytes, 1, mac);
        expect(readMac(bytes, 1)).toBe(mac);
        expect([bytes[0], bytes[7]]).toEqual([0, 0]);
        expect(must(parseMac(formatMac(mac)), 'a MAC')).toBe(mac);
        expect(joinMac(macHigh(mac), macLow(mac))).toBe(mac);
        expect(macLow(mac)).toBe(macLow(mac) | 0);
      }),
    );
  });

  it('is unicast unless it is zero or its first octet is odd', () => {
    expect(['02:00:00:00:00:01', '00:00:5e:00:01:33'].map((text) => isUnicastMac(must(parseMac(text), text)))).toEqual([
      true,
      true,
    ]);
    const others = ['00:00:00:00:00:00', '01:00:5e:00:00:12', 'ff:ff:ff:ff:ff:ff', '33:33:00:00:00:01'];
    expect(others.map((text) => isUnicastMac(must(parseMac(text), text)))).toEqual([false, false, false, false]);
  });
});
