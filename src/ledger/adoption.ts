/** Bindings across restarts and reloads: what the switch already holds is taken over, what the configuration ended is ended. Main thread. */
import type { Binding } from '../base/binding.ts';
import { changedHavips, mayClaim, type Assist, type Havip, type Network, type Port } from '../base/network.ts';
import type { Book, Sign } from './book.ts';
import { newClaimant, type Claimant } from './claimant.ts';
import type { Evidence } from './evidence.ts';
import type { Links } from './links.ts';
import { forgetWait, isHeldElsewhere, portOf, type HavipRecord } from './record.ts';

/** False when it may not be there. When the holder was last heard is not known. */
export function noteAdoption(book: Book, record: HavipRecord, binding: Binding, { atNs, wallMs }: Sign): boolean {
  const port = binding.port === null ? null : book.port(binding.port);
  const isHere = port !== null && mayClaim(port, record.havip);
  if (record.holder !== null || !(isHere || (binding.port === null && binding.host !== null))) return false;
  const { instance, interface: name, host } = binding;
  const known = record.claimants.find((one) => one.instance === instance);
  const claimant = known ?? newClaimant(instance, port?.index ?? -1, binding.mac);
  if (host !== null) claimant.elsewhere = { host, uplink: name };
  if (known === undefined) record.claimants.push(claimant);
  record.holder = claimant;
  record.binding = binding;
  record.epoch = Math.max(record.epoch, binding.epoch);
  record.sinceMs = binding.sinceMs;
  book.bound++;
  book.seat(record);
  book.recorder.adopted(record.havip.index, port?.index ?? -1, atNs, wallMs, binding);
  const text =
    port === null
      ? `somebody holds it beyond ${name}, as the switch says`
      : `${instance} holds it on ${name}, as the switch says`;
  book.event(record, 'adopted', wallMs, text, { to: port === null ? null : instance });
  return true;
}

/** What became of a HAVIP: `cut-off`, the holder's port may no longer claim it; `changed`, something that a binding depends on. */
export type Fate = 'released' | 'cut-off' | 'changed' | 'same';

/** From one network to the next. */
export class Reload {
  readonly #before: Network;
  readonly #after: Network;
  readonly #portsStay: boolean;

  constructor(before: Network, after: Network) {
    this.#before = before;
    this.#after = after;
    this.#portsStay = before.ports.every((port, index) => port === null || this.#isSamePort(index));
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
      ? this.#mayStayElsewhere(binding.interface, havip)
      : this.#mayStay(portOf(record), havip);
    return stays ? 'changed' : 'cut-off';
  }

  /** Claimants on ports that are no more claim nothing any more. */
  forgetStrangers(record: HavipRecord): void {
    for (let i = record.claimants.length - 1; i >= 0; i--) {
      const claimant = record.claimants[i];
      if (claimant === undefined || this.#mayStay(claimant.port, record.havip) || claimant.elsewhere !== null) continue;
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
    evidence.retain(({ port }) => this.#isSamePort(port));
  }

  #mayStayElsewhere(uplink: string, { vpc }: Havip): boolean {
    return this.#after.uplinks.some((one) => one.interface === uplink && one.vpc === vpc);
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
