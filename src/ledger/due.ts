/**
 * What the ledger has to do by itself when time passes or a holder is in trouble, and when to look again. Answers; consider.ts acts.
 * Main thread, pure.
 */
import { restAtNs } from './assist.ts';
import type { Book } from './book.ts';
import { lastSignNs, silentFromNs, type Claimant } from './claimant.ts';
import { bestRival, stillEntitled, troubleNs, type Ruling } from './contest.ts';
import { NEVER, NS_PER_MS, type Limits } from './limits.ts';
import type { Links } from './links.ts';
import { pulseNextNs } from './pulse.ts';
import { isSeatedElsewhere, portOf, type Contest, type HavipRecord } from './record.ts';
import { withdrawalNextNs } from './withdrawal.ts';

const CONTEST_CHECK_NS = 1000 * NS_PER_MS;

/** When something may be due for this record; Infinity: never, as things are. */
export function lookAgainNs(book: Book, record: HavipRecord, atNs: number): number {
  const { links, limits } = book;
  const { contest, holder, open } = record;
  let nextNs = Math.min(open?.untilNs ?? Infinity, withdrawalNextNs(record, links, limits, book.store === 'none'));
  if (contest !== null && contest.pending !== null) nextNs = Math.min(nextNs, contest.waitUntilNs);
  if (contest !== null && contest.repeated !== null) nextNs = Math.min(nextNs, repeatedDueNs(contest, limits));
  if (contest !== null && contest.contestedNs !== NEVER) nextNs = Math.min(nextNs, atNs + CONTEST_CHECK_NS);
  nextNs = Math.min(nextNs, assistAtNs(record, links, limits), restAtNs(record), pulseNextNs(book, record));
  if (holder !== null && record.claimants.length > 1 && bestRival(record, links, atNs) !== null) {
    nextNs = Math.min(nextNs, silentFromNs(holder));
  }
  return nextNs;
}

/** The claimant whose wait is over, and who waits no more; null: nobody's is. */
export function waitedOut({ contest }: HavipRecord, limits: Limits, atNs: number): Claimant | null {
  if (contest === null) return null;
  const { pending, repeated } = contest;
  if (pending !== null && atNs >= contest.waitUntilNs) {
    contest.pending = null;
    return pending;
  }
  if (repeated === null || atNs < repeatedDueNs(contest, limits)) return null;
  contest.repeated = null;
  repeated.startNs = Math.max(repeated.startNs, contest.repeatedNs);
  return repeated;
}

function repeatedDueNs(contest: Contest, limits: Limits): number {
  return contest.repeatedNs + limits.repeatMs * NS_PER_MS;
}

export function ruleWaited(record: HavipRecord, claimant: Claimant, links: Links, atNs: number): Ruling {
  if (claimant === record.holder) return isSeatedElsewhere(record, claimant) ? 'reseat' : 'keep';
  return stillEntitled(record, claimant, links, atNs) ? 'move' : 'keep';
}

/** Who gets the HAVIP of a holder in trouble: the one that waits for it, else the best of those that went on claiming it all along. */
export function heirOf(record: HavipRecord, links: Links, atNs: number): Claimant | null {
  if (record.holder === null || troubleNs(record, links, atNs) === NEVER) return null;
  const pending = record.contest?.pending ?? null;
  const waits = pending !== null && pending !== record.holder && stillEntitled(record, pending, links, atNs);
  return waits ? pending : bestRival(record, links, atNs);
}

/** When the guard time after the holder's loss is over, or Infinity. */
export function assistAtNs(record: HavipRecord, links: Links, limits: Limits): number {
  const { havip, holder } = record;
  const speaker = holder?.speaker ?? null;
  if (
    havip.assist?.on.includes('link-down') !== true ||
    holder === null ||
    speaker === null ||
    speaker.assistedNs > speaker.lastNs
  )
    return Infinity;
  const port = portOf(record);
  const goneNs = links.goneNs(port, lastSignNs(holder));
  return goneNs === NEVER || speaker.port !== port ? Infinity : goneNs + limits.assistGuardMs * NS_PER_MS;
}
