/**
 * Names that all ports of a VPC share, and what one holds or owns no other may use: virtual MACs under which HAVIPs are held, and VRIDs
 * of clusters. As entries, told to the tracker name by name: a failover touches its own virtual MAC alone. Pure but for the question
 * where a port can be forwarded to; main thread.
 */
import type { Binding } from '../base/binding.ts';
import { formatIpv4 } from '../base/address.ts';
import { formatMac, vridOf } from '../base/mac.ts';
import { uplinksOf } from '../base/elsewhere.ts';
import { type Havip, type Network, NO_NETWORK, type Port } from '../base/network.ts';
import { mayClaim } from '../base/rights.ts';
import { changedHavips, portsOf } from '../base/sorted.ts';
import { vpcLabel } from './entries.ts';
import type { EntryKind } from './vswitch.ts';

type Want = (kind: EntryKind, key: string, value: string | null) => void;
type Take = (kind: EntryKind, key: string, value: string) => void;
/** 00:00:5e:00:01:00, RFC 9568, 7.3 */
const VIRTUAL = 0x5e_00_01_00;

/** What one name stands for: its entries as told last, and the HAVIPs that it is about. */
class Name {
  readonly vpc: number;
  readonly number: number;
  readonly havips = new Set<number>();
  told = new Map<string, readonly [EntryKind, string, string]>();

  constructor(vpc: number, number: number) {
    this.vpc = vpc;
    this.number = number;
  }
}

export class Names {
  readonly #want: Want;
  readonly #bindings: ReadonlyMap<number, Binding>;
  /** Index of the interface by which the switch can send straight to a port; 0: it cannot. */
  readonly #forwardTo: (interfaceName: string) => number;
  #network: Network = NO_NETWORK;
  readonly #vmacs = new Map<number, Name>();
  readonly #vrids = new Map<number, Name>();
  /** By HAVIP. */
  readonly #namesOf = new Map<number, readonly Name[]>();
  /** By HAVIP: VRIDs that its cluster lives with. */
  readonly #learned = new Map<number, readonly number[]>();

  constructor(want: Want, bindings: ReadonlyMap<number, Binding>, forwardTo: (interfaceName: string) => number) {
    this.#want = want;
    this.#bindings = bindings;
    this.#forwardTo = forwardTo;
  }

  /** The map of bindings is that of the new network. */
  configure(network: Network): void {
    const before = this.#network;
    this.#network = network;
    const touched = new Set<Name>();
    const samePlaces = isSame(before.ports, network.ports) && isSame(before.uplinks, network.uplinks);
    if (!samePlaces) for (const name of [...this.#vmacs.values(), ...this.#vrids.values()]) touched.add(name);
    for (const index of changedHavips(before, network)) {
      if (!network.havips[index]) this.#learned.delete(index);
      this.#place(index, touched);
    }
    for (const name of touched) this.#tell(name);
  }

  /** The HAVIP's binding was another one; the map of bindings has the new one. */
  hold(havip: Havip, before: Binding | null, after: Binding | null): void {
    if ((before === null || vridOf(before.mac) === 0) && (after === null || vridOf(after.mac) === 0)) return;
    this.#replace(havip.index);
  }

  /** The VRIDs that a HAVIP's cluster lives with, where the configuration gives it none. */
  own(havip: Havip, vrids: readonly number[]): void {
    if (vrids.length === 0) this.#learned.delete(havip.index);
    else this.#learned.set(havip.index, vrids);
    if (havip.vrid === null) this.#replace(havip.index);
  }

  /** The interface came, went or changed its bridge. Returns whether something is to be told the switch. */
  moved(interfaceName: string | null): boolean {
    let moved = false;
    for (const name of this.#vmacs.values()) {
      const holders = this.#holdersOf(name);
      if (interfaceName === null || holders.some((binding) => binding.interface === interfaceName))
        moved = this.#tell(name) || moved;
    }
    return moved;
  }

  #replace(index: number): void {
    const touched = new Set<Name>();
    this.#place(index, touched);
    for (const name of touched) this.#tell(name);
  }

  /** Puts the HAVIP under the names that it has by now, and takes it from under those that it had. */
  #place(index: number, touched: Set<Name>): void {
    const havip = this.#network.havips[index] ?? null;
    const binding = this.#bindings.get(index);
    const vmac = binding === undefined ? 0 : vridOf(binding.mac);
    const names: Name[] = [];
    if (havip !== null) {
      const vrids = havip.vrid === null ? (this.#learned.get(index) ?? []) : [havip.vrid];
      for (const vrid of vrids) names.push(this.#nameOf(this.#vrids, havip.vpc, vrid));
      if (vmac > 0) names.push(this.#nameOf(this.#vmacs, havip.vpc, vmac));
    }
    for (const name of this.#namesOf.get(index) ?? []) {
      name.havips.delete(index);
      touched.add(name);
    }
    for (const name of names) {
      name.havips.add(index);
      touched.add(name);
    }
    if (names.length === 0) this.#namesOf.delete(index);
    else this.#namesOf.set(index, names);
  }

  #nameOf(names: Map<number, Name>, vpc: number, number: number): Name {
    const key = vpc * 256 + number;
    let name = names.get(key);
    if (name === undefined) names.set(key, (name = new Name(vpc, number)));
    return name;
  }

  /** Returns whether anything differs from what was told last. */
  #tell(name: Name): boolean {
    const names = this.#vmacs.get(name.vpc * 256 + name.number) === name ? this.#vmacs : this.#vrids;
    const entries = new Map<string, readonly [EntryKind, string, string]>();
    const take = (kind: EntryKind, key: string, value: string) => void entries.set(`${kind} ${key}`, [kind, key, value]);
    const havips = [...name.havips].flatMap((index) => this.#network.havips[index] ?? []);
    if (havips.length > 0 && names === this.#vmacs) this.#vmacEntries(name, havips, take);
    else if (havips.length > 0) this.#vridEntries(name, havips, take);
    let differs = false;
    for (const [id, [kind, key]] of name.told) {
      if (entries.has(id)) continue;
      this.#want(kind, key, null);
      differs = true;
    }
    for (const [id, [kind, key, value]] of entries) {
      if (name.told.get(id)?.[2] === value) continue;
      this.#want(kind, key, value);
      differs = true;
    }
    name.told = entries;
    if (entries.size === 0) names.delete(name.vpc * 256 + name.number);
    return differs;
  }

  #holdersOf(name: Name): Binding[] {
    return [...name.havips].flatMap((index) => this.#bindings.get(index) ?? []);
  }

  #vmacEntries(name: Name, havips: readonly Havip[], take: Take): void {
    const holders = this.#holdersOf(name);
    const interfaces = [...new Set(holders.map((binding) => binding.interface))].sort();
    const [only] = holders;
    // Where it stands on several ports, as for a moment in a failover of several HAVIPs, the bridge knows best.
    const straight = only !== undefined && interfaces.length === 1 ? this.#forwardTo(only.interface) : 0;
    const mac = formatMac(VIRTUAL + name.number);
    take('place', `${vpcLabel(this.#network, name.vpc)} ${mac}`, `${straight} ${interfaces.join(' ')}`);
    const isAlone = uplinksOf(this.#network, name.vpc).length === 0;
    this.#eachMember(havips, (port) => take('vmember', `${port.interface} ${mac}`, isAlone ? '-' : formatMac(port.mac)));
  }

  #vridEntries(name: Name, havips: readonly Havip[], take: Take): void {
    const configured = havips.filter(({ vrid }) => vrid === name.number);
    const owners = configured.length > 0 ? configured : havips;
    const [first] = owners;
    if (first === undefined) return;
    const owner = configured.length > 0 ? 'config' : formatIpv4(first.address);
    take('vrid', `${vpcLabel(this.#network, name.vpc)} ${name.number}`, owner);
    this.#eachMember(owners, (port) => take('vrider', `${port.interface} ${name.number}`, '-'));
  }

  #eachMember(havips: readonly Havip[], take: (port: Port) => void): void {
    for (const havip of havips) for (const port of portsOf(this.#network, havip.subnet)) if (mayClaim(port, havip)) take(port);
  }
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}
