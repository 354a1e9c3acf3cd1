import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/base/clock.ts';
import { OnceLog, RateLimit } from '../../src/base/log.ts';
import { createLog } from '../../src/agent/log.ts';
import { Output } from '../../src/agent/output.ts';

function capture() {
  const lines: Record<string, unknown>[] = [];
  const write = (bytes: Uint8Array) => {
    lines.push(JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>);
    return bytes.length;
  };
  return {
    lines,
    log: createLog({ host: 'host-a', level: 'info', journal: false, output: new Output({ poll: () => true, write }) }),
  };
}

describe('log', () => {
  it('writes one JSON object per line, with host and level', () => {
    const { lines, log } = capture();
    log.debug({}, 'too fine');
    log.info({ havip: 'x' }, 'bound');
    log.setLevel('debug');
    log.debug({}, 'fine');
    expect(lines).toMatchObject([
      { level: 'info', host: 'host-a', havip: 'x', msg: 'bound' },
      { level: 'debug', msg: 'fine' },
    ]);
  });

  it('says an operating error when it starts and when it clears', () => {
    const { lines, log } = capture();
    const once = new OnceLog(log);
    once.worked('commit');
    for (let i = 0; i < 3; i++) once.failed('commit', 'the kernel refused it');
    once.worked('commit');
    once.worked('commit');
    expect(lines).toMatchObject([
      { level: 'error', what: 'commit', msg: 'the kernel refused it' },
      { level: 'info', what: 'commit', failures: 3, msg: 'works again' },
    ]);
  });

  it('limits per reason: the first at once, then one per second with the number left out', () => {
    const clock = new ManualClock();
    const limit = new RateLimit(clock);
    expect([limit.allow('a'), limit.allow('a'), limit.allow('a'), limit.allow('b')]).toEqual([0, null, null, 0]);
    clock.advanceMs(1000);
    expect([limit.allow('a'), limit.allow('b')]).toEqual([2, 0]);
  });
});
