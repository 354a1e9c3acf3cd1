import { describe, expect, it } from 'vitest';
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
});
