/** Bindings across a reload: what the configuration ended is ended, what only changed its name goes on. Main thread. */
import { UNKNOWN } from '../base/binding.ts';
import { uplinkAt, uplinksOf } from '../base/elsewhere.ts';
import type { Mac } from '../base/mac.ts';
import { MAX_PORTS, type Assist, type Havip, type Network, type Port } from '../base/network.ts';
import { mayClaim } from '../base/rights.ts';
import { changedHavips } from '../base/sorted.ts';
import { ownerBeyond } from './adoption.ts';
import type { Claimant } from './claimant.ts';
import type { Evidence } from './evidence.ts';
import type { Links } from './links.ts';
import { forgetWait, isHeldElsewhere, portOf, type HavipRecord } from './record.ts';

/** What became of a HAVIP: `cut-off`, the holder's port may no longer claim it; `changed`, something that a binding depends on. */
export type Fate = 'released' | 'cut-off' | 'changed' | 'same';

/** What a HAVIP or a port that has another name now hands on. */
export interface Succession {
  /** The record of the port's old name; null: the HAVIP itself has another one. */
  readonly record: HavipRecord | null;
  readonly havip: number;
  readonly instance: string;
  /** Where its NIC is now; null: nobody can know, and the candidates are asked. */
  readonly port: Port | null;
  readonly candidates: readonly Port[];
  readonly mac: Mac;
  readonly sinceMs: number;
}

/** From one network to the next. */
export class Reload {
  readonly #before: Network;
  readonly #after: Network;
  readonly #portsStay: boolean;

  readonly #alone: boolean;

  /** @param alone there is no store: this host judges who may hold a HAVIP elsewhere */
  constructor(before: Network, after: Network, alone: boolean) {
    this.#before = before;
    this.#after = after;
    this.#alone = alone;
    this.#portsStay =
      before.peers === after.peers &&
      before.uplinks.every((uplink, i) => uplink === (after.uplinks[i] ?? null)) &&
      before.ports.every((port, index) => port === null || this.#isSamePort(index));
  }

  /** The records that may have to do with what changed. */
  concerned(records: readonly (HavipRecord | null)[]): HavipRecord[] {
    const indexes = this.#portsStay ? changedHavips(this.#before, this.#after) : records.keys();
    return [...indexes].flatMap((index) => records[index] ?? []);
  }

  /** Gives the record its HAVIP as configured now. */
  note(record: HavipRecord): Fate {
    const was = record.havip;
    const havip = this.#after.havips[was.index] ?? null;
    if (havip === null || !isSameHavip(was, havip)) return 'released';
    record.havip = havip;
    if (this.#portsStay && isSamePolicy(was, havip)) return 'same';
    const { holder, binding } = record;
    if (holder === null || binding === null) return 'changed';
    const stays = isHeldElsewhere(record)
      ? this.#mayStayBeyond(binding.interface, binding.mac, havip)
      : this.#mayStay(portOf(record), havip);
    return stays ? 'changed' : 'cut-off';
  }

  /** Of a record whose binding would end: the same address, held by the same instance, by whatever names; at most one. */
  successions(record: HavipRecord): Succession[] {
    const { holder, binding, havip: was } = record;
    const port = this.#before.ports[portOf(record)] ?? null;
    const { vpc, subnet, address } = was;
    const havip = this.#after.havips.find((one) => one?.vpc === vpc && one.subnet === subnet && one.address === address) ?? null;
    if (holder === null || binding === null || port === null || havip === null) return [];
    const candidates = this.#after.ports.flatMap((one) =>
      one !== null && one.instance === holder.instance && mayClaim(one, havip) ? [one] : [],
    );
    const same = candidates.filter((one) => one.mac === port.mac);
    const sure = same.length === 1 ? (same[0] ?? null) : null;
    if (candidates.length === 0) return [];
    const { instance } = holder;
    const stays = sure !== null && havip.index === was.index && havip.id === was.id;
    const { mac, sinceMs } = binding;
    return [{ record: stays ? record : null, havip: havip.index, instance, port: sure, candidates, mac, sinceMs }];
  }

  /** Claimants on ports that are no more claim nothing any more. */
  forgetStrangers(record: HavipRecord): void {
    for (let i = record.claimants.length - 1; i >= 0; i--) {
      const claimant = record.claimants[i];
      if (claimant === undefined || this.#mayStay(claimant.port, record.havip)) continue;
      if (claimant.elsewhere !== null && this.#mayStayBeyond(claimant.elsewhere.uplink, claimant.mac, record.havip)) continue;
      forgetWait(record, claimant);
      if (claimant === record.holder) {
        returnToSeat(record, claimant);
        continue;
      }
      record.claimants.splice(i, 1);
      if (record.former === claimant) record.former = null;
      if (record.advertiser === claimant) record.advertiser = null;
    }
  }

  forgetLinks(links: Links): void {
    for (const [index, port] of this.#before.ports.entries()) {
      if (port === null || this.#isSamePort(index)) continue;
      if (port.interface === this.#after.ports[index]?.interface) links.passOn(index);
      else links.forget(index);
    }
  }

  forgetSpeakers(evidence: Evidence): void {
    evidence.retain(({ port }) => (port < MAX_PORTS ? this.#isSamePort(port) : this.#isSameUplink(port)));
  }

  #mayStayBeyond(name: string, mac: Mac, havip: Havip): boolean {
    const uplink = uplinksOf(this.#after, havip.vpc).find((one) => one.interface === name);
    if (uplink === undefined) return false;
    return !this.#alone || ownerBeyond(this.#after, uplink, havip, mac) !== null;
  }

  #isSameUplink(place: number): boolean {
    const [was, is] = [uplinkAt(this.#before, place), uplinkAt(this.#after, place)];
    return was !== null && is !== null && was.interface === is.interface && was.vpc === is.vpc;
  }

  #mayStay(index: number, havip: Havip): boolean {
    const port = this.#after.ports[index] ?? null;
    return port !== null && this.#isSamePort(index) && mayClaim(port, havip);
  }

  #isSamePort(index: number): boolean {
    return isSamePort(this.#before.ports[index] ?? null, this.#after.ports[index] ?? null);
  }
}

/** The port to which the holder was about to move is gone: what the switch has stays true. */
function returnToSeat({ binding }: HavipRecord, holder: Claimant): void {
  if (binding === null) return;
  holder.port = binding.port ?? -1;
  holder.mac = binding.mac;
  if (binding.port === null) holder.elsewhere = { host: binding.host ?? UNKNOWN, uplink: binding.interface };
  holder.elsewhere = binding.host === null ? null : { host: binding.host, uplink: binding.interface };
}

function isSamePort(a: Port | null, b: Port | null): boolean {
  return a !== null && b !== null && a.interface === b.interface && a.instance === b.instance && a.subnet === b.subnet;
}

function isSameHavip(a: Havip, b: Havip): boolean {
  return a.id === b.id && a.vpc === b.vpc && a.subnet === b.subnet && a.address === b.address;
}

function isSameAssist(a: Assist | null, b: Assist | null): boolean {
  if (a === null || b === null) return a === b;
  return a.hasten === b.hasten && a.on.length === b.on.length && a.on.every((one, i) => one === b.on[i]);
}

/** Nothing that a binding depends on changed. */
function isSamePolicy(a: Havip, b: Havip): boolean {
  if (a === b) return true;
  if (!isSameAssist(a.assist, b.assist) || a.verify !== b.verify) return false;
  const { members } = b;
  if (a.members === null || members === null) return a.members === members;
  return a.members.length === members.length && a.members.every((instance, i) => instance === members[i]);
}
