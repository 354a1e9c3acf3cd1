/** Bindings across restarts and reloads: what the switch already holds is taken over, what the configuration ended is ended. */
import type { Mac } from '../base/mac.ts';
import { changedHavips, mayClaim, type Havip, type Network, type Port } from '../base/network.ts';
import type { Book } from './book.ts';
import { unbind, type Sign } from './changes.ts';
import { newClaimant } from './claimant.ts';
import type { HavipRecord } from './record.ts';
import { schedule } from './due.ts';

/** A holding as the switch keeps it. */
export interface Adoption {
  readonly port: number;
  readonly mac: Mac;
  readonly epoch: number;
  readonly sinceMs: number;
}

/** No effect on the switch: it has this already. When the holder was last heard is not known. */
export function adoptBinding(book: Book, record: HavipRecord, adoption: Adoption, atNs: number, wallMs: number): boolean {
  const port = book.port(adoption.port);
  if (record.holder !== null || port === null || !mayClaim(port, record.havip)) return false;
  const known = record.claimants.find(({ instance }) => instance === port.instance);
  const claimant = known ?? newClaimant(port.instance, port.index, adoption.mac);
  if (known === undefined) record.claimants.push(claimant);
  record.holder = claimant;
  record.port = port.index;
  record.mac = adoption.mac;
  record.epoch = Math.max(record.epoch, adoption.epoch);
  record.sinceMs = adoption.sinceMs;
  book.bound++;
  book.seat(record);
  schedule(book, record, atNs);
  const { mac, epoch, sinceMs } = adoption;
  book.recorder.adopted(record.havip.index, port.index, atNs, wallMs, { mac, epoch, sinceMs });
  book.event(record, 'adopted', wallMs, `${port.instance} holds it on ${port.interface}, as the switch says`, {
    to: port.instance,
  });
  return true;
}

export function replaceNetwork(book: Book, records: (HavipRecord | null)[], network: Network, sign: Sign): void {
  for (const [index, before] of book.network.ports.entries()) {
    if (before !== null && !isSamePort(before, network.ports[index] ?? null)) book.links.forget(index);
  }
  const before = book.network;
  const portsStay = before.ports.every((port, index) => port === null || isSamePort(port, network.ports[index] ?? null));
  for (const index of portsStay ? changedHavips(before, network) : records.keys()) {
    const record = records[index] ?? null;
    if (record === null) continue;
    const havip = network.havips[index] ?? null;
    if (havip === null || !isSameHavip(record.havip, havip)) {
      unbind(book, record, sign, 'the HAVIP was released');
      book.deadlines.remove(record);
      book.recorder.forget(index);
      if ((record.contest?.contestedNs ?? Number.NEGATIVE_INFINITY) !== Number.NEGATIVE_INFINITY) book.contested--;
      records[index] = null;
      continue;
    }
    const same = portsStay && isSamePolicy(record.havip, havip);
    record.havip = havip;
    if (same) continue;
    const stays = (port: number): boolean => {
      const now = network.ports[port] ?? null;
      return now !== null && isSamePort(now, before.ports[port] ?? null) && mayClaim(now, havip);
    };
    if (record.holder !== null && !stays(record.port)) unbind(book, record, sign, 'its port may no longer claim it');
    forgetStrangers(record, stays);
    schedule(book, record, sign.atNs);
  }
  book.configure(network);
  book.evidence.retain((speaker) => isSamePort(before.ports[speaker.port] ?? null, network.ports[speaker.port] ?? null));
}

/** Claimants on ports that are no more claim nothing any more. */
function forgetStrangers(record: HavipRecord, stays: (port: number) => boolean): void {
  for (let i = record.claimants.length - 1; i >= 0; i--) {
    const claimant = record.claimants[i];
    if (claimant === undefined || claimant === record.holder || stays(claimant.port)) continue;
    record.claimants.splice(i, 1);
    if (record.former === claimant) record.former = null;
    if (record.advertiser === claimant) record.advertiser = null;
    if (record.contest?.pending === claimant) record.contest.pending = null;
  }
}

function isSamePort(a: Port | null, b: Port | null): boolean {
  return a !== null && b !== null && a.interface === b.interface && a.instance === b.instance && a.subnet === b.subnet;
}

function isSameHavip(a: Havip, b: Havip): boolean {
  return a.id === b.id && a.vpc === b.vpc && a.subnet === b.subnet && a.address === b.address;
}

/** Nothing that a binding depends on changed. */
function isSamePolicy(a: Havip, b: Havip): boolean {
  if (a === b) return true;
  if (a.assist !== b.assist || a.verify !== b.verify) return false;
  const { members } = b;
  if (a.members === null || members === null) return a.members === members;
  return a.members.length === members.length && a.members.every((instance, i) => instance === members[i]);
}
