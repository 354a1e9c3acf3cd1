/** Signs that are neither announcement nor advert: a resignation, and a migrated guest's RARP. Main thread. */
import { mayClaim, type Port } from '../base/network.ts';
import type { Book } from './book.ts';
import { defer, mayReseat, reseat, type Sign } from './changes.ts';
import type { Claimant } from './claimant.ts';
import { NS_PER_MS } from './limits.ts';
import type { HavipRecord } from './record.ts';
import { replaceTroubled, schedule } from './due.ts';

/** A resignation is told once in this time: a guest that plays with priority 0 does not fill the log. */
const TOLD_NS = 1000 * NS_PER_MS;

/** VRRP priority 0. The binding stays until somebody claims or the grace time ends. */
export function takeRelease(book: Book, record: HavipRecord, claimant: Claimant, sign: Sign): void {
  book.claims.release++;
  const { contest, havip } = record;
  if (contest !== null && contest.pending === claimant) contest.pending = null;
  const text = `${claimant.instance} resigned`;
  if (claimant !== record.holder) {
    if (sign.claim !== null) book.recorder.routine(havip.index, sign.claim, sign.wallMs, text);
    return;
  }
  if (sign.atNs - claimant.resignToldNs >= TOLD_NS) {
    claimant.resignToldNs = sign.atNs;
    book.recorder.notable(havip.index, sign.claim, sign.atNs, record.port, sign.wallMs, text, false);
    book.event(record, 'release', sign.wallMs, `${text} and holds it until somebody claims it`, { from: claimant.instance });
  }
  replaceTroubled(book, record, sign);
  schedule(book, record, sign.atNs);
}

/**
 * RARP: the instance's NIC is behind this port now, and so are the HAVIPs that it holds. Never those of another instance: a
 * clone's RARP moves nothing. With both ports alive and different NICs it says nothing of the other NIC's addresses.
 */
export function takeRelocate(book: Book, port: Port, sign: Sign): void {
  const { claim } = sign;
  if (claim === null) return;
  for (const old of book.network.ports) {
    if (old === null || old.index === port.index || old.instance !== port.instance) continue;
    for (const record of book.heldBy(old.index)) {
      const { holder } = record;
      const sameNic = old.mac === claim.mac || record.mac === claim.mac;
      if (holder === null || !mayClaim(port, record.havip) || !(sameNic || !book.links.isUp(old.index))) continue;
      if (record.mac === old.mac) holder.mac = claim.mac;
      holder.port = port.index;
      if (mayReseat(book, record, holder, sign.atNs)) reseat(book, record, holder, sign);
      else defer(book, record, holder, sign);
      schedule(book, record, sign.atNs);
    }
  }
}
