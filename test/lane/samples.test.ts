/** Which refused frames are told of: one of each port, reason, address and second, of few addresses. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { arp, arpProbe, vrrp } from '../../native-fixtures/frames.ts';
import { nd } from '../../native-fixtures/frames6.ts';
import { markOf, Samples } from '../../src/lane/samples.ts';
import { MAC3 } from '../network.ts';

const MOST = 8;
const spoof = (senderAddress: string) => arp({ source: MAC3, senderAddress });
const advertisement = (target: string) => nd({ icmpType: 136, source: MAC3, ipSource: 'fe80::9', target });
const mark = (frame: Uint8Array, havip = -1, captured = frame.length) => markOf(new DataView(frame.buffer), 0, captured, havip);

it('is one of a port, reason, address and second', () => {
  const samples = new Samples(3);
  expect([0, 0, 1, 1, 0].map((second) => samples.take(2, 5, 7, second))).toEqual([true, false, true, false, true]);
  expect([samples.take(1, 5, 7, 0), samples.take(2, 6, 7, 0), samples.take(2, 5, 8, 0)]).toEqual([true, true, true]);
  expect([samples.take(2, 5, 7, 0), samples.take(2, 5, 8, 0)]).toEqual([false, false]);
});

it('of who makes addresses up is so many, and what others do stays heard', () => {
  const samples = new Samples(3);
  let told = 0;
  for (let i = 0; i < 100_000; i++) if (samples.take(1, 5, i, 0)) told++;
  expect(told).toBe(MOST);
  expect([samples.take(2, 5, 1, 0), samples.take(1, 6, 1, 0), samples.take(1, 5, 1, 1)]).toEqual([true, true, true]);
});

it('is the same wherever a file was cut: what two ranges take together holds all that one takes', () => {
  const frame = fc.record({ mark: fc.integer({ min: 0, max: 12 }), second: fc.integer({ min: 0, max: 2 }) });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 120 }), fc.nat(120), (unsorted, cut) => {
      const frames = unsorted.toSorted((a, b) => a.second - b.second);
      const whole = new Samples(1);
      const expected = frames.filter(({ mark, second }) => whole.take(0, 0, mark, second));
      const [one, two, both] = [new Samples(1), new Samples(1), new Samples(1)];
      const told = [
        ...frames.slice(0, cut).filter(({ mark, second }) => one.take(0, 0, mark, second)),
        ...frames.slice(cut).filter(({ mark, second }) => two.take(0, 0, mark, second)),
      ];
      expect(told.filter(({ mark, second }) => both.take(0, 0, mark, second))).toEqual(expected);
    }),
  );
});

it('tells by what a frame speaks for, and by the HAVIP that it names', () => {
  const advert = vrrp({ source: MAC3, ipSource: '172.17.16.9', addresses: ['172.17.16.3'] });
  const different = [
    mark(spoof('172.17.16.200')),
    mark(spoof('172.17.16.1')),
    mark(arpProbe(MAC3, '172.17.16.7')),
    mark(advertisement('fd00:16::200')),
    mark(advertisement('fd00:16::1')),
    mark(advertisement('fd00:17::1')),
    mark(advert, 0),
    mark(advert, 1),
    mark(advert),
    mark(spoof('172.17.16.200'), -1, 20),
  ];
  expect(new Set(different).size).toBe(different.length);
  // As much of a frame as is kept of it says the same.
  expect(mark(advert, 0, 34)).toBe(mark(advert, 0));
});
