import { describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { Gather, Rest } from '../../src/agent/gather.ts';

/** How many transactions claims at these times (ms) become, when each turn commits all that came until then. */
function transactionsOf(claimsMs: readonly number[]): number[] {
  const gather = new Gather();
  const commits: number[] = [];
  for (const claimMs of claimsMs) {
    if (claimMs <= (commits.at(-1) ?? -1)) continue; // went with the last one
    const atNs = claimMs * 1e6;
    const commitMs = claimMs + gather.waitMs(atNs);
    gather.committed(commitMs * 1e6);
    commits.push(commitMs);
  }
  return commits;
}

describe('gather', () => {
  it('lets a claim that comes alone be committed at once', () => {
    expect(transactionsOf([20, 40, 60])).toEqual([20, 40, 60]);
  });

  it('makes three transactions of a group of 50 that takes 4 ms to announce, and keeps nobody waiting longer than 3 ms', () => {
    const claims = Array.from({ length: 50 }, (_, i) => 100 + i * 0.08);
    const commits = transactionsOf(claims);
    expect(commits.length).toBe(3);
    expect(commits[0]).toBe(100);
    for (const claim of claims) expect(commits.find((commit) => commit >= claim)! - claim).toBeLessThanOrEqual(3);
  });

  it('is at rest again after a pause', () => {
    expect(transactionsOf([100, 100.5, 101.5, 120])).toEqual([100, 101, 104, 120]);
  });

  it('waits until then, on a clock that is finer than timers are', async () => {
    const gather = new Gather();
    const startedNs = systemClock.nowNs();
    gather.committed(startedNs);
    await gather.wait(systemClock);
    expect(systemClock.nowNs() - startedNs).toBeGreaterThanOrEqual(1e6);
    expect(gather.waitMs(systemClock.nowNs())).toBe(0);
  });
});

describe('rest', () => {
  it('comes after many changes, once nothing happens any more', () => {
    vi.useFakeTimers();
    try {
      const onRest = vi.fn();
      const rest = new Rest(25, 20, onRest);
      rest.after(24);
      vi.advanceTimersByTime(1000);
      expect(onRest).toHaveBeenCalledTimes(0);
      rest.after(30);
      vi.advanceTimersByTime(15);
      rest.after(80);
      vi.advanceTimersByTime(15);
      expect(onRest).toHaveBeenCalledTimes(0);
      vi.advanceTimersByTime(5);
      expect(onRest).toHaveBeenCalledTimes(1);
      rest.after(104);
      vi.advanceTimersByTime(1000);
      expect(onRest).toHaveBeenCalledTimes(1);
      rest.after(105);
      rest.stop();
      vi.advanceTimersByTime(1000);
      expect(onRest).toHaveBeenCalledTimes(1);
    } finally {
      vi.useRealTimers();
    }
  });
});
