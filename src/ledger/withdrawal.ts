/**
 * When a HAVIP stops having a holder although nobody else claims it. Main thread, pure.
 *
 *  - The holder's port is gone, or it resigned by VRRP: unbound when the grace time ends without a claim or a return.
 *  - `verify`: a holder whose adverts stopped, or who resigned, is asked by unicast ARP whether it still has the address. Any
 *    claim of it answers. After three unanswered questions, one second apart, the HAVIP is unbound.
 *
 * Of a holder elsewhere its own host judges, and nobody else; without a store, which would tell, its resignation counts here too.
 */
import { lastSignNs, resignedNs, silentFromNs, type Claimant } from './claimant.ts';
import { NEVER, NS_PER_MS, type Limits } from './limits.ts';
import type { Links } from './links.ts';
import { isHeldElsewhere, portOf, type HavipRecord } from './record.ts';

export type Withdrawal = 'ask' | 'answered' | 'unanswered' | 'link-lost' | 'resigned' | null;

/** A resigned holder that went on claiming so long after still uses it: the guest's kernel clears the address within that. */
const CLEARED_NS = 100 * NS_PER_MS;

/** What is due at this time. Changes the round only for `ask` and `answered`. */
export function withdrawalDue(record: HavipRecord, links: Links, limits: Limits, atNs: number, alone: boolean): Withdrawal {
  const { holder } = record;
  if (holder === null || (isHeldElsewhere(record) && !alone)) return null;
  if (atNs >= graceEndNs(record, holder, links, limits)) {
    return links.goneNs(portOf(record), lastSignNs(holder)) === NEVER ? 'resigned' : 'link-lost';
  }
  if (atNs < verifyNextNs(record, holder, links)) return null;
  const round = (record.round ??= { asks: 0, firstAskNs: NEVER, nextNs: NEVER });
  if (round.asks > 0 && holder.lastNs >= round.firstAskNs) {
    round.asks = 0;
    round.nextNs = atNs + limits.verifyAgainMs * NS_PER_MS;
    return 'answered';
  }
  if (round.asks >= limits.verifyAsks) return 'unanswered';
  if (round.asks++ === 0) round.firstAskNs = atNs;
  round.nextNs = atNs + limits.verifyMs * NS_PER_MS;
  return 'ask';
}

/** When to look again; Infinity: never, as things are. */
export function withdrawalNextNs(record: HavipRecord, links: Links, limits: Limits, alone: boolean): number {
  const { holder } = record;
  if (holder === null || (isHeldElsewhere(record) && !alone)) return Number.POSITIVE_INFINITY;
  return Math.min(graceEndNs(record, holder, links, limits), verifyNextNs(record, holder, links));
}

function graceEndNs(record: HavipRecord, holder: Claimant, links: Links, limits: Limits): number {
  const goneNs = links.goneNs(portOf(record), lastSignNs(holder));
  if (goneNs !== NEVER) return goneNs + limits.graceMs * NS_PER_MS;
  const resignNs = resignedNs(holder);
  if (resignNs === NEVER || holder.lastNs > resignNs + CLEARED_NS) return Number.POSITIVE_INFINITY;
  return resignNs + limits.graceMs * NS_PER_MS;
}

/** The first question comes with the silence, the rest at their pace; a round that began goes on until it is answered. */
function verifyNextNs(record: HavipRecord, holder: Claimant, links: Links): number {
  if (!record.havip.verify || holder.elsewhere !== null || !links.isUp(portOf(record))) return Number.POSITIVE_INFINITY;
  const { round } = record;
  const stillMute = round !== null && holder.speaker !== null && holder.speaker.lastNs < round.firstAskNs;
  if (round !== null && (round.asks > 0 || stillMute)) return round.nextNs;
  const resignNs = resignedNs(holder);
  const silentNs = resignNs === NEVER ? silentFromNs(holder) : resignNs;
  return Math.max(silentNs, round?.nextNs ?? NEVER);
}
