/** The small form of the bench: everything is exercised, nothing is timed. Needs root. */
import { expect, test } from 'vitest';
import { bench } from '../../bench/eip.ts';

test.skipIf(process.getuid?.() !== 0)(
  'no packet goes to the old holder of an EIP after the transaction',
  { timeout: 120_000 },
  async () => {
    const lines: string[] = [];
    await bench.run({ small: true, print: (line) => lines.push(line) });
    expect(lines.join('\n')).toContain("after the kernel told of the transaction 0, after the new holder's first one 0");
  },
);
