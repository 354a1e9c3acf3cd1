/**
 * When a HAVIP stops having a holder although nobody else claims it. Main thread, pure.
 *
 *  - The holder's port is gone, or it resigned by VRRP: unbound when the grace time ends without a claim or a return.
 *  - `verify`: a holder whose adverts or even announcements stopped, or who resigned, is asked by unicast ARP whether it still has the
 *    address; with `true`, not `auto`, one that never kept a period too, each 30 s. Any claim of it answers. After three unanswered questions, one second apart, the HAVIP is unbound. One that talks is asked too, each
 *    10 s and after a change: adverts say that keepalived lives, not that the machine still has the address. If it does not
 *    answer, that is said (finding `holder-mute`), and it keeps the binding: it may be told not to answer.
 *  - A holder that was adopted at a start and gave no sign since is asked too, once its port is there; it loses the HAVIP only with
 *    `verify`, or where the start was so late that the binding is doubted.
 *
 * Of a holder elsewhere its own host judges, and nobody else; without a store, which would tell, its resignation counts here too.
 */
import { isSustained, lastSignNs, resignedNs, silentFromNs, type Claimant } from './claimant.ts';
import { isMaster } from './evidence.ts';
import { NEVER, NS_PER_MS, type Limits } from './limits.ts';
import type { Links } from './links.ts';
import { isHeldElsewhere, isUnheard, portOf, type HavipRecord } from './record.ts';

export type Withdrawal = 'ask' | 'answered' | 'answered-talking' | 'mute' | 'unanswered' | 'link-lost' | 'resigned' | null;

/** A resigned holder that went on claiming so long after still uses it: the guest's kernel clears the address within that. */
const CLEARED_NS = 100 * NS_PER_MS;

/** What is due at this time. Changes the round only for `ask` and `answered`. */
export function withdrawalDue(record: HavipRecord, links: Links, limits: Limits, atNs: number, alone: boolean): Withdrawal {
  const { holder } = record;
  if (holder === null || (isHeldElsewhere(record) && !alone)) return null;
  if (atNs >= graceEndNs(record, holder, links, limits)) {
    return links.goneNs(portOf(record), lastSignNs(holder)) === NEVER ? 'resigned' : 'link-lost';
  }
  if (atNs < verifyNextNs(record, holder, links, limits)) return null;
  const round = (record.round ??= { asks: 0, firstAskNs: NEVER, muteNs: NEVER, nextNs: NEVER, told: 'nothing' });
  const talks = isTalking(holder, atNs);
  if (talks) round.told = 'nothing';
  if (round.asks > 0 && holder.lastNs >= round.firstAskNs) {
    round.asks = 0;
    round.muteNs = NEVER;
    round.nextNs = atNs + (talks ? limits.verifyTalkingMs : limits.verifyAgainMs) * NS_PER_MS;
    return talks ? 'answered-talking' : 'answered';
  }
  if (round.asks >= limits.verifyAsks) {
    // A silence that began while a talking holder was asked is asked about anew.
    if (!talks) return isHeldToIt(record) ? 'unanswered' : null;
    round.asks = 0;
    round.nextNs = atNs + limits.verifyTalkingMs * NS_PER_MS;
    const isKnown = round.muteNs !== NEVER;
    round.muteNs = atNs;
    return isKnown ? 'answered-talking' : 'mute';
  }
  if (round.asks++ === 0) round.firstAskNs = atNs;
  round.nextNs = atNs + limits.verifyMs * NS_PER_MS;
  return 'ask';
}

/** When to look again; Infinity: never, as things are. */
export function withdrawalNextNs(record: HavipRecord, links: Links, limits: Limits, alone: boolean): number {
  const { holder } = record;
  if (holder === null || (isHeldElsewhere(record) && !alone)) return Number.POSITIVE_INFINITY;
  return Math.min(graceEndNs(record, holder, links, limits), verifyNextNs(record, holder, links, limits));
}

function graceEndNs(record: HavipRecord, holder: Claimant, links: Links, limits: Limits): number {
  const goneNs = links.goneNs(portOf(record), lastSignNs(holder));
  if (goneNs !== NEVER) return goneNs + limits.graceMs * NS_PER_MS;
  const resignNs = resignedNs(holder);
  if (resignNs === NEVER || holder.lastNs > resignNs + CLEARED_NS) return Number.POSITIVE_INFINITY;
  return resignNs + limits.graceMs * NS_PER_MS;
}

/** Its adverts or announcements go on. */
export function isTalking(holder: Claimant, atNs: number): boolean {
  const { speaker } = holder;
  const advertises = speaker !== null && isMaster(speaker, atNs);
  return (advertises || isSustained(holder)) && resignedNs(holder) === NEVER && silentFromNs(holder) > atNs;
}

function hasPeriod(holder: Claimant): boolean {
  return holder.speaker !== null || isSustained(holder);
}

/** A round that began goes on until it is answered; else one that talks is asked at its pace, one that falls silent with the silence. */
function verifyNextNs(record: HavipRecord, holder: Claimant, links: Links, limits: Limits): number {
  const { round, havip } = record;
  if (!limits.asks || isHeldElsewhere(record) || !links.isUp(portOf(record))) return Infinity;
  if (isUnheard(record)) return unheardNextNs(record, limits);
  if (havip.verify === false || (havip.verify === 'auto' && !hasPeriod(holder))) return Infinity;
  const stillMute = round !== null && holder.speaker !== null && holder.speaker.lastNs < round.firstAskNs;
  if (round !== null && (round.asks > 0 || stillMute)) return round.nextNs;
  const resignNs = resignedNs(holder);
  const silentNs = resignNs === NEVER ? silentFromNs(holder) : resignNs;
  const nextNs = round?.nextNs ?? record.sinceNs + limits.verifyMs * NS_PER_MS;
  return silentNs > (round?.firstAskNs ?? NEVER) ? Math.min(nextNs, silentNs) : nextNs;
}

/** At once, then at their pace; no more of them where nothing would follow. */
function unheardNextNs(record: HavipRecord, { verifyAsks }: Limits): number {
  const { round } = record;
  if (round === null) return NEVER;
  return round.asks < verifyAsks || isHeldToIt(record) ? round.nextNs : Number.POSITIVE_INFINITY;
}

/** Who does not answer loses it. */
function isHeldToIt({ havip, found }: HavipRecord): boolean {
  return havip.verify !== false || found === 'doubted';
}
