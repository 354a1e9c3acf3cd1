/** The benches of assisted resigns in their short form: who is spoken for, and who is not. No figure is asserted. Needs root. */
import { describe, expect, test } from 'vitest';
import { bench as hung } from '../../bench/hung.ts';
import { bench as living } from '../../bench/living.ts';
import { bench as notice } from '../../bench/notice.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('assisted resigns in the lab: skipped, they need root to make network namespaces');

describe.runIf(root)('assisted resigns in the lab', () => {
  test('nobody is spoken for who lives, and the one that dies is, once', async () => {
    const lines: string[] = [];
    await living.run({ small: true, print: (line) => lines.push(line) });
    expect(lines.filter((line) => / 0 of 2(,|$)/.test(line))).toHaveLength(7);
    expect(lines.at(-1)).toContain('really dead, after all that: 1 of 1');
  });

  test('a backup is told however its master dies', async () => {
    const lines: string[] = [];
    await notice.run({ small: true, print: (line) => lines.push(line) });
    expect(lines.filter((line) => line.includes('(3 guests)'))).toHaveLength(6);
  });

  test('one that stands still is resigned for, and a slow one that answers is not', async () => {
    const lines: string[] = [];
    await hung.run({ small: true, print: (line) => lines.push(line) });
    expect(lines).toContainEqual(expect.stringContaining('resigned for 0 times in 6'));
    expect(lines).toContainEqual(expect.stringContaining('stands still: 3 of 3'));
  });
});
