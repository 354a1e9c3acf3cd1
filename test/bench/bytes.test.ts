/** The small form of the bench: what it measures is there, and is in the order of what is expected. */
import { expect, test } from 'vitest';
import { bench } from '../../bench/bytes.ts';

test('a HAVIP and a field have a size', async () => {
  const lines: string[] = [];
  await bench.run({ small: true, print: (line) => lines.push(line) });
  const bytes = (what: string) => Number(/(\d+) bytes each/.exec(lines.find((line) => line.includes(what)) ?? '')?.[1]);
  // The policy's words are counted, not guessed: 16 a HAVIP, and 4 to 8 for each place of a look-up table that is at most half full.
  expect(bytes('policy')).toBeGreaterThanOrEqual(96);
  expect(bytes('record of the ledger')).toBeGreaterThan(100);
  expect(bytes('any other number')).toBeGreaterThan(bytes('small integer'));
  expect(lines.at(-1)).toMatch(/hash [0-9a-f]{8}/);
});
