/**
 * The failover bench in its short form: one real failover of each kind, VRRP version 2 without and 3 with assistance. It throws when
 * a cause is wrong or phases do not add up; no figure is asserted. Needs root.
 */
import { describe, expect, test } from 'vitest';
import { bench } from '../../bench/failover.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('failovers in the lab: skipped, it needs root to make network namespaces');

describe.runIf(root)('failovers in the lab', () => {
  test('every kind is told by its right cause, and its phases add up to total', async () => {
    const lines: string[] = [];
    await bench.run({ small: true, print: (line) => lines.push(line) });
    for (const kind of ['crash with link loss', 'crash without link loss', 'clean stop', 'preemption']) {
      for (const setting of ['v2', 'v3, assisted']) {
        expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^ *${kind}, ${setting} +1/1 `)));
      }
    }
    expect(lines).toContainEqual(expect.stringMatching(/^ *hung machine, v3, assisted +1\/1 /));
    expect(lines).toContainEqual(expect.stringMatching(/^ *crash with link loss, v3, three members, assisted +2\/2 /));
    expect(lines.at(-1)).toMatch(/ 11 of 11 {2}hash [0-9a-f]{8}$/);
  });

  test('the rehearsal of the first failover leaves nothing behind', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1'] });
    const agent = await lab.startAgent();
    expect(await lab.host.exec(['nft', 'list', 'tables'])).toBe('table netdev havip\n');
    expect(await agent.events()).toEqual([]);
    expect(await agent.metric('havip_failovers_total')).toBe(0);
  });
});
