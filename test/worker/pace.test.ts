import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Pace } from '../../src/worker/pace.ts';

const wait = vi.spyOn(Atomics, 'wait');
beforeEach(() => void wait.mockClear());
afterEach(() => expect(wait.mock.results.every(({ value }) => value === 'timed-out')).toBe(true));

/** How many of so many turns, at this time each, were followed by a rest. */
function restsIn(pace: Pace, turns: number, nowNs: number): number {
  wait.mockClear();
  for (let i = 0; i < turns; i++) pace.rest(nowNs);
  return wait.mock.calls.length;
}

it('lets a burst of turns start at once, and rests in a flood', () => {
  const pace = new Pace();
  expect(restsIn(pace, 200, 1e9)).toBe(0);
  expect(restsIn(pace, 50, 1e9)).toBe(50);
});

it('earns 2,000 turns a second back, and no more than 200 in all', () => {
  const pace = new Pace();
  restsIn(pace, 200, 1e9);
  expect(restsIn(pace, 50, 1.01e9)).toBe(30);
  expect(restsIn(pace, 250, 60e9)).toBe(50);
});

it('rests for a tenth of a millisecond, longer after a change', () => {
  const pace = new Pace();
  pace.restAfterChange();
  restsIn(pace, 1, 1e9);
  restsIn(pace, 200, 1e9);
  const [rest] = wait.mock.calls.map(([, , , timeoutMs]) => timeoutMs);
  wait.mockClear();
  pace.restAfterChange();
  expect([rest, wait.mock.calls[0]?.[3]]).toEqual([0.1, 0.3]);
});
