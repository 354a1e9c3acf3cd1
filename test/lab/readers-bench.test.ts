/** The small form of the bench: everything is exercised, nothing is timed. Needs root. */
import { expect, test } from 'vitest';
import { bench } from '../../bench/readers.ts';

test.skipIf(process.getuid?.() !== 0)('claims are taken while sixteen read and a page scrolls', { timeout: 60_000 }, async () => {
  const lines: string[] = [];
  await bench.run({ small: true, print: (line) => lines.push(line) });
  expect(lines.at(-1)).toMatch(/1 turns of 10 claims each; readers had [1-9]\d* events, the page [1-9]\d* pages/);
});
