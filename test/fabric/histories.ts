/** Seeded histories of many hosts. CI runs 10,000 of them; `HAVIP_HISTORIES` says otherwise. */
import { expect } from 'vitest';
import { World } from './world.ts';

export const HISTORIES = Number(process.env['HAVIP_HISTORIES'] ?? (process.env['CI'] === undefined ? 500 : 10_000));
export const STEPS = 25;

/** Ends at the first that breaks an invariant, with what happened in it. */
export function runHistories(from: number, to: number): void {
  let commits = 0;
  for (let seed = from; seed < to; seed++) {
    const world = new World(seed);
    const failures = world.run(STEPS);
    if (failures.length > 0) expect.fail(`seed ${seed}\n${world.story}\n${failures.join('\n')}`);
    commits += world.check.commits;
  }
  // Each history has some six claims that reach the store.
  expect(commits).toBeGreaterThan(3 * (to - from));
}
