import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/base/clock.ts';
import { OnceLog, RateLimit } from '../../src/base/log.ts';

describe('what is left out of a log', () => {
  it('says an operating error when it starts and when it clears', () => {
    const lines: object[] = [];
    const at = (level: string) => (fields: object, message: string) => void lines.push({ level, ...fields, message });
    const once = new OnceLog({ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') });
    once.worked('commit');
    for (let i = 0; i < 3; i++) once.failed('commit', 'the kernel refused it');
    once.worked('commit');
    once.worked('commit');
    expect(lines).toEqual([
      { level: 'error', what: 'commit', message: 'the kernel refused it' },
      { level: 'info', what: 'commit', failures: 3, message: 'works again' },
    ]);
  });

  it('limits per reason: the first at once, then one per second with the number left out', () => {
    const clock = new ManualClock();
    const limit = new RateLimit(clock);
    expect([limit.allow('a'), limit.allow('a'), limit.allow('a'), limit.allow('b')]).toEqual([0, null, null, 0]);
    clock.advanceMs(1000);
    expect([limit.allow('a'), limit.allow('b')]).toEqual([2, 0]);
  });

  it('remembers the reasons said last, however many are made up', () => {
    const clock = new ManualClock();
    const limit = new RateLimit(clock);
    for (let i = 0; i < 100_000; i++) expect(limit.allow(`made up ${i}`)).toBe(0);
    expect([limit.allow('made up 99999'), limit.allow('made up 99000'), limit.allow('made up 0')]).toEqual([null, null, 0]);
  });
});
