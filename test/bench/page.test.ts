/** The small form of the bench: everything is exercised, nothing is timed. */
import { expect, test } from 'vitest';
import { bench } from '../../bench/page.ts';

test.skipIf(process.getuid?.() !== 0)(
  'pages of 1,000 HAVIPs say what the whole list says, also through the console',
  async () => {
    const lines: string[] = [];
    await bench.run({ small: true, print: (line) => lines.push(line) });
    expect(lines.at(-1)).toMatch(/hash of the answers [0-9a-f]{8}, equal to a search of the whole list/);
  },
);
