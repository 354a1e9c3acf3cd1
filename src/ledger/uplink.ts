/**
 * What comes in by an uplink: who on another host claims a HAVIP there, and which guests of this host have left by it. Answers;
 * consider.ts acts. Main thread.
 *
 * Whose claim it is its MAC says (base/elsewhere.ts). The MAC of a port of this host comes in by an uplink for one of three reasons: its
 * guest runs on another host now; the fabric sends our own frame back; somebody has the same MAC. The last two must move nothing, so it
 * is believed once the port is down or RARP has said so.
 */
import { parseMac, type Mac, vridOf } from '../base/mac.ts';
import { UNKNOWN } from '../base/binding.ts';
import { claimantElsewhere, portWithMac } from '../base/elsewhere.ts';
import type { Uplink } from '../base/network.ts';
import { mayClaim } from '../base/rights.ts';
import type { Claim } from '../lane/claim.ts';
import type { Book } from './book.ts';
import { type Claimant, lastSignNs } from './claimant.ts';
import { NS_PER_MS } from './limits.ts';
import { claimantOf, type HavipRecord } from './record.ts';

/** What a fabric sends back is there within that; QEMU announces a guest for half a second. */
const REFLECTED_NS = 5 * NS_PER_MS;
const ANNOUNCED_HERE_NS = 1000 * NS_PER_MS;

/** Who claims this HAVIP through this uplink; null: nobody who is believed. */
export function claimantBeyond(book: Book, record: HavipRecord, uplink: Uplink, claim: Claim): Claimant | null {
  const { mac } = claim;
  const instance = instanceBeyond(book, record, uplink, mac);
  if (instance === null || isReflected(record, claim)) return null;
  rename(book, record, instance, mac);
  const claimant = claimantOf(record, instance, -1, mac, book.limits.claimants);
  seatBeyond(claimant, uplink);
  return claimant;
}

function instanceBeyond({ network, links }: Book, { havip, holder }: HavipRecord, uplink: Uplink, mac: Mac): string | null {
  const port = portWithMac(network, uplink.vpc, mac);
  if (port === null) return claimantElsewhere(network, uplink, havip, mac);
  const hasLeft = !links.isUp(port.index) || (holder?.instance === port.instance && holder.elsewhere !== null);
  return hasLeft && uplink.trust === 'members' && mayClaim(port, havip) ? port.instance : null;
}

/** A virtual MAC is every member's: our own holder's announcement, sent back, is nobody's claim. */
function isReflected({ holder, binding }: HavipRecord, { mac, capturedNs }: Claim): boolean {
  if (holder === null || holder.elsewhere !== null || binding?.mac !== mac || vridOf(mac) === 0) return false;
  return capturedNs - lastSignNs(holder) < REFLECTED_NS;
}

function seatBeyond(claimant: Claimant, { interface: name }: Uplink): void {
  claimant.port = -1;
  if (claimant.elsewhere?.uplink !== name) claimant.elsewhere = { host: UNKNOWN, uplink: name };
}

/** RARP by an uplink: what a guest of this host holds has gone there with it. */
export function goneAlong(book: Book, uplink: Uplink, { mac, capturedNs }: Claim): (readonly [HavipRecord, Claimant])[] {
  const port = uplink.trust === 'members' ? portWithMac(book.network, uplink.vpc, mac) : null;
  if (port === null) return [];
  const isHere = book.links.isUp(port.index) && capturedNs - book.announcedNs(port.index) < ANNOUNCED_HERE_NS;
  if (isHere) return [];
  return book.heldBy(port.index).flatMap((record) => {
    const { holder } = record;
    if (holder === null) return [];
    seatBeyond(holder, uplink);
    return [[record, holder] as const];
  });
}

/** A holder elsewhere that was known by its MAC alone, or not even by that, has a name now. */
export function rename(book: Book, record: HavipRecord, instance: string, mac: Mac): void {
  const { holder, binding } = record;
  if (holder === null || binding === null || holder.elsewhere === null || binding.mac !== mac) return;
  if (holder.instance === instance || !(holder.instance === UNKNOWN || parseMac(holder.instance) !== null)) return;
  const others = record.claimants.filter((one) => one !== holder);
  const named = others.find((one) => one.instance === instance) ?? { ...holder, instance };
  record.claimants.splice(0, Infinity, ...others.filter((one) => one !== named), named);
  book.unseat(record);
  record.holder = named;
  record.binding = { ...binding, instance };
  book.seat(record);
}
