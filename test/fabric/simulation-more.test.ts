/** The second half of the histories of simulation.test.ts. */
import { expect, it } from 'vitest';
import { HISTORIES, runHistories } from './histories.ts';

it(`many hosts and a store keep the invariants in ${HISTORIES / 2} more histories`, { timeout: 900_000 }, () => {
  expect(() => runHistories(HISTORIES / 2, HISTORIES)).not.toThrow();
});
