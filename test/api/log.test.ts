import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/base/clock.ts';
import { OnceLog, RateLimit } from '../../src/base/log.ts';
import { createLog } from '../../src/agent/log.ts';

function capture() {
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  return { lines, stream };
}

describe('log', () => {
  it('writes one JSON object per line, with host and level', () => {
    const { lines, stream } = capture();
    const log = createLog('host-a', 'info', stream);
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
    const { lines, stream } = capture();
    const once = new OnceLog(createLog('h', 'info', stream));
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
