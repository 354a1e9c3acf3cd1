import { expect, it } from 'vitest';
import { Inbox } from '../../src/lane/inbox.ts';
import type { ClaimSource, LinkChange } from '../../src/lane/claim.ts';

/** A source of link changes at these times. */
function source(...times: number[]): ClaimSource {
  const waiting = times.map((atNs): LinkChange => ({ port: 0, state: 'up', ifindex: 1, atNs }));
  return {
    drain: (_onClaim, onLink, most) => waiting.splice(0, most).forEach(onLink),
    wait: () => new Promise(() => {}),
  };
}

function take(inbox: Inbox, most: number): number[] {
  const times: number[] = [];
  for (let left = most; left > 0; left--) {
    const one = inbox.next();
    if (one === null) break;
    times.push((one as LinkChange).atNs);
  }
  return times;
}

it('puts the sources in order of capture, and knows up to when all is done', () => {
  const inbox = new Inbox([source(1, 4, 6), source(2, 3, 5)]);
  inbox.fill();
  expect(take(inbox, 4)).toEqual([1, 2, 3, 4]);
  expect([inbox.hasMore, inbox.doneUntilNs(100)]).toEqual([true, 5]);
  inbox.fill();
  expect(take(inbox, 4)).toEqual([5, 6]);
  expect([inbox.hasMore, inbox.doneUntilNs(100)]).toEqual([false, 100]);
  expect(inbox.next()).toBeNull();
});

it('does not take for done what a source may still have', () => {
  const times = Array.from({ length: 1500 }, (_, i) => i);
  const inbox = new Inbox([source(...times)]);
  inbox.fill();
  expect(take(inbox, 2000).length).toBe(1024);
  expect(inbox.doneUntilNs(5000)).toBe(1023);
  inbox.fill();
  expect(take(inbox, 2000).length).toBe(476);
  expect(inbox.doneUntilNs(5000)).toBe(5000);
});
