import { clockNs } from '../../src/abi/libc.ts';
import { describe, expect, it } from 'vitest';
import { ManualClock, systemClock } from '../../src/base/clock.ts';

const CLOCK_MONOTONIC = 1;

describe('the clock', () => {
  it('is the one that the kernel calls monotonic, which stamps of both threads are counted on', () => {
    const before = clockNs(CLOCK_MONOTONIC);
    const between = systemClock.nowNs();
    const after = clockNs(CLOCK_MONOTONIC);
    expect(before).toBeLessThanOrEqual(between);
    expect(between).toBeLessThanOrEqual(after);
  });

  it('of a test moves when told, and its monotonic side does not notice that somebody sets the time', () => {
    const clock = new ManualClock();
    const [ns, wallMs] = [clock.nowNs(), clock.wallMs()];
    clock.advanceMs(1.5);
    expect([clock.nowNs() - ns, clock.wallMs() - wallMs]).toEqual([1.5e6, 1.5]);
    clock.stepWallMs(-3_600_000);
    expect([clock.nowNs() - ns, clock.wallMs() - wallMs]).toEqual([1.5e6, 1.5 - 3_600_000]);
  });
});
