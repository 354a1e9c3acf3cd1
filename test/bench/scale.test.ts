/** The small form of the bench: everything is exercised, nothing is timed. */
import { expect, test } from 'vitest';
import { bench } from '../../bench/scale.ts';
import { plotPanels } from '../../bench/svg-plot.ts';

test.skipIf(process.getuid?.() !== 0)('a host of 10 ports and 1,000 HAVIPs starts, is claimed on, and reloads', async () => {
  const lines: string[] = [];
  await bench.run({ small: true, print: (line) => lines.push(line) });
  expect(lines).toHaveLength(3);
  expect(lines[2]).toMatch(/hash of who holds what [0-9a-f]{8}/);
});

test('a panel has both axes in powers of ten, and its limit', () => {
  const series = [{ name: 'one & only', points: [[10, 0.5] as const, [1000, 30] as const] }];
  const svg = plotPanels([{ title: 't', xLabel: 'x', series, limit: 50 }]);
  for (const tick of ['>10<', '>100<', '>1k<', '>0.1<', '>1<', 'one &amp; only', 'stroke-dasharray']) expect(svg).toContain(tick);
});
