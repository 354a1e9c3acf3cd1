import { expect, it } from 'vitest';
import { Census, type Finding } from '../../src/ledger/findings.ts';
import { newRecord, type HavipRecord } from '../../src/ledger/record.ts';
import type { Havip } from '../../src/base/network.ts';

const HAVIP: Havip = {
  index: 0,
  id: 'havip-1',
  vpc: 0,
  subnet: 0,
  address: 0,
  members: null,
  fence: true,
  vrid: null,
  assist: null,
  verify: false,
  probe: false,
};
const oneEach = (): Finding[] => [{ kind: 'one-host', havip: 'havip-1', text: '' }];

function recordsOf(count: number): (HavipRecord | null)[] {
  return Array.from({ length: count }, () => newRecord(HAVIP));
}

it('counts a few records at once', () => {
  const census = new Census();
  census.advance(recordsOf(3), oneEach);
  expect(census.counts).toMatchObject({ 'one-host': 3, 'no-refresh': 0 });
});

it('counts many in rounds of bounded calls, and tells the last full round', () => {
  const census = new Census();
  const records: (HavipRecord | null)[] = [...recordsOf(1200), ...Array.from({ length: 20_000 }, () => null), ...recordsOf(7)];
  let looked = 0;
  const counts: number[] = [];
  for (let call = 0; call < 20; call++) {
    const before = looked;
    census.advance(records, () => {
      looked++;
      return oneEach();
    });
    expect(looked - before).toBeLessThanOrEqual(512);
    counts.push(census.counts['one-host']);
  }
  expect(counts[0]).toBe(0);
  expect(new Set(counts)).toEqual(new Set([0, 1207]));
});
