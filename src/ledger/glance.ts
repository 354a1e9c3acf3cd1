/** What lists are made of, found without drawing a HAVIP up. Main thread, pure. */
import { isHung, silentFromNs } from './claimant.ts';
import { NEVER } from './limits.ts';
import type { HavipRecord } from './record.ts';

export interface HavipGlance {
  /** Instance; null: nobody. */
  readonly holder: string | null;
  /** Its holder is on another host. */
  readonly elsewhere: boolean;
  /** Its holder kept a pace, and is missed; or it was found hung. */
  readonly silent: boolean;
  readonly contested: boolean;
  /** Of the last change of the binding; 0: there was none yet. */
  readonly sinceMs: number;
  readonly failovers: number;
}

export const UNKNOWN_GLANCE: HavipGlance = {
  holder: null,
  elsewhere: false,
  silent: false,
  contested: false,
  sinceMs: 0,
  failovers: 0,
};

export function glanceOf({ holder, contest, epoch, sinceMs, failovers }: HavipRecord, nowNs: number): HavipGlance {
  return {
    holder: holder?.instance ?? null,
    elsewhere: holder !== null && holder.elsewhere !== null,
    silent: holder !== null && (silentFromNs(holder) <= nowNs || isHung(holder)),
    contested: contest !== null && contest.contestedNs !== NEVER,
    sinceMs: epoch === 0 ? 0 : sinceMs,
    failovers,
  };
}
