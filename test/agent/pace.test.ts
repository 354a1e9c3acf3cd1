import { describe, expect, it } from 'vitest';
import { Gather } from '../../src/pace.ts';

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

  it('makes three transactions of a group of 50 that takes 3 ms to announce, and keeps nobody waiting longer than 2 ms', () => {
    const claims = Array.from({ length: 50 }, (_, i) => 100 + i * 0.06);
    const commits = transactionsOf(claims);
    expect(commits.length).toBe(3);
    expect(commits[0]).toBe(100);
    for (const claim of claims) expect(commits.find((commit) => commit >= claim)! - claim).toBeLessThanOrEqual(2);
  });

  it('is at rest again after a pause', () => {
    expect(transactionsOf([100, 100.5, 101.5, 120])).toEqual([100, 101, 103, 120]);
  });
});
