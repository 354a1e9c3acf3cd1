import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { codeOf, failureOf, messageOf } from '../../src/base/failure.ts';

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('what an error says of itself', () => {
  it('is read from its fields, whatever its class', () => {
    const missing = thrownBy(() => readFileSync('/nowhere'));
    expect([codeOf(missing), failureOf(missing)]).toEqual(['ENOENT', 'system-call']);
    const ours = Object.assign(new RangeError('the table is taken'), { failure: 'virtual-switch' });
    expect([codeOf(ours), failureOf(ours), messageOf(ours)]).toEqual([null, 'virtual-switch', 'the table is taken']);
  });

  it('is nothing for a defect, or for what is no error', () => {
    const argument = thrownBy(() => readFileSync(Number.NaN));
    expect([codeOf(argument), failureOf(argument)]).toEqual(['ERR_INVALID_ARG_TYPE', null]);
    for (const odd of [null, undefined, 'ENOENT', { code: 'ENOENT', failure: 'listen', syscall: 'open' }])
      expect([codeOf(odd), failureOf(odd)]).toEqual([null, null]);
    expect([messageOf(null), messageOf('a text')]).toEqual(['null', 'a text']);
    expect(codeOf(Object.assign(new Error('x'), { code: 7 }))).toBeNull();
  });
});
