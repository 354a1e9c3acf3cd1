/** Ids that are carried over from list to list are those that a walk finds, however many changes it were. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { carryIds, hasId, wouldClash } from '../../src/config/ids.ts';

const named = (ids: Iterable<string>) => Array.from(ids, (id) => ({ id }));

it('are those of the list, whatever came and went before', () => {
  const names = Array.from({ length: 12 }, (_, i) => `h${i}`);
  const some = fc.subarray(names);
  fc.assert(
    fc.property(some, fc.array(fc.tuple(some, some, fc.boolean()), { maxLength: 20 }), (first, steps) => {
      let list = named(first);
      for (const [leave, want, isAsked] of steps) {
        const gone = list.filter(({ id }) => leave.includes(id));
        const staying = list.filter(({ id }) => !leave.includes(id));
        expect(wouldClash(list, gone, named(want))).toBe(want.some((id) => staying.some((one) => one.id === id)));
        const came = named(want.filter((id) => !staying.some((one) => one.id === id)));
        const next = [...staying, ...came];
        carryIds(list, next, gone, came);
        if (isAsked) for (const id of names) expect(hasId(next, id)).toBe(next.some((one) => one.id === id));
        list = next;
      }
      for (const id of names) expect(hasId(list, id)).toBe(list.some((one) => one.id === id));
    }),
  );
});

it('are walked once more after many changes, and stay right', () => {
  let list = named(Array.from({ length: 100 }, (_, i) => `a${i}`));
  for (let i = 0; i < 3000; i++) {
    const [gone, came] = [list.slice(0, 1), named([`b${i}`])];
    const next = [...list.slice(1), ...came];
    expect(wouldClash(list, gone, came)).toBe(false);
    carryIds(list, next, gone, came);
    list = next;
  }
  expect([hasId(list, 'b2899'), hasId(list, 'b2900'), hasId(list, 'a99')]).toEqual([false, true, false]);
});
