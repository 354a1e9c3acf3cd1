/** What a watch must ask for, has told already, and misses; and the layout of keys. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cursor } from '../../src/fabric/cursor.ts';
import { keyText, readItem, type RawItem } from '../../src/fabric/keys.ts';
import type { Key, Kind } from '../../src/fabric/records.ts';

const put = (key: string, revision: number, version: number): RawItem => ({ key, text: '{}', revision, version });
const deleted = (key: string, revision: number): RawItem => ({ key, text: null, revision, version: 0 });

function listed(items: readonly RawItem[], revision: number): Cursor {
  const cursor = new Cursor();
  cursor.listed(items, revision);
  return cursor;
}

describe('a cursor', () => {
  it('goes on after the last whole revision, and never after a header that is ahead of its events', () => {
    const cursor = listed([], 10);
    expect(cursor.resume).toBe(11);
    cursor.take({ events: [put('a', 12, 1)], fragment: true, header: 90 });
    expect(cursor.resume).toBe(11);
    cursor.take({ events: [put('b', 12, 1)], fragment: false, header: 90 });
    expect(cursor.resume).toBe(13);
    // A progress answer: a sign of life.
    cursor.take({ events: [], fragment: false, header: 200 });
    expect(cursor.resume).toBe(13);
  });

  it('drops what comes twice after a cut in the middle of a revision', () => {
    const cursor = listed([], 10);
    cursor.take({ events: [put('a', 12, 1)], fragment: true, header: 12 });
    const again = cursor.take({ events: [put('a', 12, 1), put('b', 12, 1)], fragment: false, header: 12 });
    expect(again).toEqual({ fresh: [put('b', 12, 1)], gap: false });
    expect(cursor.take({ events: [put('a', 11, 1)], fragment: false, header: 12 }).fresh).toEqual([]);
  });

  it.each([
    ['a version that skips one', [put('a', 5, 3)], [put('a', 12, 5)], true],
    ['the next version', [put('a', 5, 3)], [put('a', 12, 4)], false],
    ['a key that is new and has a past', [], [put('b', 12, 2)], true],
    ['a key that was deleted and made again', [put('a', 5, 3)], [deleted('a', 12), put('a', 13, 1)], false],
    ['one that was made again while its deletion was lost', [put('a', 5, 3)], [put('a', 13, 1)], true],
  ] as const)('says of %s whether something is missing', (_, list, events, gap) => {
    expect(listed(list, 10).take({ events, fragment: false, header: 13 }).gap).toBe(gap);
  });

  it('knows a list of a store that was restored', () => {
    const cursor = listed([put('a', 5, 3)], 10);
    cursor.take({ events: [put('a', 12, 4)], fragment: false, header: 12 });
    expect(cursor.isOlder([put('a', 12, 4)], 12)).toBe(false);
    expect(cursor.isOlder([put('a', 5, 3)], 10)).toBe(true);
    // It has gone on since, to revisions that were not seen.
    expect(cursor.isOlder([put('a', 5, 3)], 40)).toBe(true);
    expect(cursor.isOlder([put('a', 12, 9)], 40)).toBe(true);
    expect(cursor.isOlder([put('a', 30, 9)], 40)).toBe(false);
  });
});

describe('keys', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
  const kinds: Kind[] = ['binding', 'port', 'sign', 'host', 'net', 'subnet', 'havip', 'address', 'config-port'];

  it('have one reading, whatever is in their names', () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), text, text, text, (kind, vpc, id, host) => {
        const key: Key = {
          kind,
          vpc: kind === 'host' ? '' : vpc,
          id: kind === 'net' ? '' : id,
          ...(kind === 'port' && { host }),
        };
        const read = readItem('/p', { key: keyText('/p', key), text: null, revision: 7, version: 1 }, () => expect.fail('bad'));
        expect(read).toEqual({ ...key, value: null, revision: 7, version: 0 });
      }),
    );
  });

  it.each([
    '/other/state/v/binding/h',
    '/p/state/v/binding',
    '/p/state/v/later/x',
    '/p/config/v/havip/a/b',
    '/p/state/%zz/binding/h',
    '/p/',
  ])("of others are nobody's: %s", (key) => {
    expect(readItem('/p', { key, text: '{}', revision: 1, version: 1 }, () => expect.fail('bad'))).toBeNull();
  });
});
