/** What lists are made of, found without drawing a HAVIP up. Main thread, pure. */
import { isHung, silentFromNs } from './claimant.ts';
import { NEVER } from './limits.ts';
import type { HavipRecord } from './record.ts';

/** Filled anew for each HAVIP that is looked at: 100,000 of them would be 7 MB to collect. */
export interface HavipGlance {
  /** Instance; null: nobody. */
  holder: string | null;
  /** Its holder is on another host. */
  elsewhere: boolean;
  /** Its holder kept a pace, and is missed; or it was found hung. */
  silent: boolean;
  contested: boolean;
  /** Of the last change of the binding; 0: there was none yet. */
  sinceMs: number;
  failovers: number;
}

export function newGlance(): HavipGlance {
  return { holder: null, elsewhere: false, silent: false, contested: false, sinceMs: 0, failovers: 0 };
}

/** @param record null: nothing is known of it */
export function glanceAt(record: HavipRecord | null, nowNs: number, glance: HavipGlance): void {
  const holder = record?.holder ?? null;
  const contest = record?.contest ?? null;
  glance.holder = holder?.instance ?? null;
  glance.elsewhere = holder !== null && holder.elsewhere !== null;
  glance.silent = holder !== null && (silentFromNs(holder) <= nowNs || isHung(holder));
  glance.contested = contest !== null && contest.contestedNs !== NEVER;
  glance.sinceMs = record === null || record.epoch === 0 ? 0 : record.sinceMs;
  glance.failovers = record?.failovers ?? 0;
}
