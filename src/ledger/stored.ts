/** What other hosts say of a HAVIP through the store, as this ledger understands it. Main thread, pure. */
import type { Mac } from '../base/mac.ts';
import { MAX_PORTS, type Port } from '../base/network.ts';
import { mayClaim } from '../base/rights.ts';
import type { Claim } from '../lane/claim.ts';
import type { Book, Sign } from './book.ts';
import type { Claimant } from './claimant.ts';
import { isLivingMaster, newClaimant } from './claimant.ts';
import { rule } from './contest.ts';
import type { FailoverCause } from './effects.ts';
import { claimantOf, forgetWait, type HavipRecord } from './record.ts';
import { rename } from './uplink.ts';

/** A binding as the store has it, and believed. */
export interface StoredBinding {
  readonly instance: string;
  /** null: this one. */
  readonly host: string | null;
  /** Of this host, towards the holder's; null where the holder is here. */
  readonly uplink: string | null;
  readonly mac: Mac;
  readonly revision: number;
  readonly sinceMs: number;
  readonly holdMs: number;
  /** Why it took over, as its own host saw it. */
  readonly cause?: FailoverCause | null;
}

/** Who that is; null: an instance that has no port here any more, though the store says that it holds it here. */
export function noteStored(book: Book, record: HavipRecord, stored: StoredBinding, { atNs }: Sign): Claimant | null {
  const { instance, host, uplink, mac } = stored;
  const port = host === null ? portHere(book, record, stored) : null;
  if (host === null && port === null) return null;
  rename(book, record, instance, mac);
  const claimant = claimantOf(record, instance, port?.index ?? -1, mac, book.limits.claimants);
  claimant.port = port?.index ?? -1;
  claimant.mac = mac;
  if (host === null || uplink === null) claimant.elsewhere = null;
  else {
    claimant.elsewhere = { host, uplink };
    forgetWait(record, claimant);
    // What it sent here says nothing of the time after it left.
    if (claimant.speaker !== null && claimant.speaker.port >= 0 && claimant.speaker.port < MAX_PORTS) claimant.speaker = null;
    claimant.evenClaims = 0;
  }
  if (claimant !== record.holder) claimant.startNs = claimant.lastNs = atNs;
  return claimant;
}

/** It was known on another host, and is heard at a port of this one. A holder comes with its announcement, or with its NIC's. */
export function comeHere(claimant: Claimant, { port, mac }: Pick<Claim, 'port' | 'mac'>): void {
  claimant.elsewhere = null;
  claimant.port = port;
  claimant.mac = mac;
}

/** With this holder in place, would the claim of this instance, which holds the HAVIP here, still move it? */
export function wouldMove(book: Book, record: HavipRecord, instance: string, against: StoredBinding, atNs: number): boolean {
  const claimant = record.claimants.find((one) => one.instance === instance) ?? null;
  if (claimant === null || claimant.elsewhere !== null) return false;
  const other =
    record.claimants.find((one) => one.instance === against.instance) ?? newClaimant(against.instance, -1, against.mac);
  const binding = record.binding === null ? null : { ...record.binding, port: null };
  return rule({ ...record, holder: other, binding }, claimant, true, false, book.links, atNs) === 'move';
}

/** A VRRP master of this host that lost the HAVIP to one elsewhere, and has heard no advert of it since: its claim stands once more. */
export function unopposed(book: Book, record: HavipRecord, instance: string, sinceNs: number, atNs: number): Claimant | null {
  const claimant = record.claimants.find((one) => one.instance === instance) ?? null;
  const { holder } = record;
  if (claimant === null || claimant === holder || claimant.elsewhere !== null) return null;
  if (!isLivingMaster(claimant, book.links, atNs)) return null;
  return holder?.speaker !== null && holder?.speaker !== undefined && holder.speaker.lastNs > sinceNs ? null : claimant;
}

function portHere(book: Book, { havip, claimants }: HavipRecord, { instance, mac }: StoredBinding): Port | null {
  const own = book.network.ports.filter((port) => port !== null && port.instance === instance && mayClaim(port, havip));
  // Of the ports of a bond, that where it was heard last.
  const heard = claimants.find((one) => one.instance === instance)?.port;
  const last = own.find((port) => port?.index === heard);
  if (last?.mac === mac) return last;
  return own.find((port) => port?.mac === mac) ?? own[0] ?? null;
}
