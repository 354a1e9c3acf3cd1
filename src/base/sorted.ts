/**
 * What of a network belongs together, by subnet, instance or HAVIP: sorted out when it is first asked for, once for each network, and
 * kept as long as that is.
 */
import type { Eip, Havip, Network, Peer, Port } from './network.ts';

/** Things of one kind by the index of their subnet; a subnet without any may be missing. */
type BySubnet<T> = readonly (readonly T[] | undefined)[];

const portsBySubnet = new WeakMap<Network, BySubnet<Port>>();
const portsByInstance = new WeakMap<Network, ReadonlyMap<string, readonly Port[]>>();
const havipsBySubnet = new WeakMap<Network, BySubnet<Havip>>();

/** The ports of a subnet, by its index; sorted out once for each network. */
export function portsOf(network: Network, subnet: number): readonly Port[] {
  let sorted = portsBySubnet.get(network);
  if (sorted === undefined) portsBySubnet.set(network, (sorted = sortBySubnet(network.ports)));
  return sorted[subnet] ?? [];
}

/** The ports of the instances of this name, in whatever VPC; sorted out once for each network. */
export function portsOfInstance(network: Network, instance: string): readonly Port[] {
  let sorted = portsByInstance.get(network);
  if (sorted === undefined) portsByInstance.set(network, (sorted = sortByInstance(network)));
  return sorted.get(instance) ?? [];
}

function sortByInstance({ ports }: Network): Map<string, Port[]> {
  const sorted = new Map<string, Port[]>();
  for (const port of ports) {
    if (port === null) continue;
    const known = sorted.get(port.instance);
    if (known === undefined) sorted.set(port.instance, [port]);
    else known.push(port);
  }
  return sorted;
}

/** The HAVIPs of a subnet, by its index, in no particular order. */
export function havipsOf(network: Network, subnet: number): readonly Havip[] {
  return sortedHavips(network)[subnet] ?? [];
}

/** The same lists for all subnets. Of two networks, a subnet with the very same list has the same HAVIPs. */
export function sortedHavips(network: Network): BySubnet<Havip> {
  let sorted = havipsBySubnet.get(network);
  if (sorted === undefined) havipsBySubnet.set(network, (sorted = sortBySubnet(network.havips)));
  return sorted;
}

/** The same network with these machines of other hosts. */
export function withPeers(network: Network, peers: readonly Peer[]): Network {
  const other = { ...network, peers };
  keepSortedHavips(other, sortedHavips(network));
  return other;
}

/** For who makes a network out of another and knows these lists already. */
export function keepSortedHavips(network: Network, sorted: BySubnet<Havip>): void {
  havipsBySubnet.set(network, sorted);
}

export function countHavips(network: Network): number {
  return sortedHavips(network).reduce((count, havips = []) => count + havips.length, 0);
}

/** The indexes at which two networks have not the same HAVIP object; by what was sorted anew, not by what there is. */
export function changedHavips(before: Network, after: Network): number[] {
  const [were, are] = [sortedHavips(before), sortedHavips(after)];
  const changed: number[] = [];
  for (let subnet = 0; subnet < Math.max(were.length, are.length); subnet++) {
    if (were[subnet] === are[subnet]) continue;
    for (const havip of were[subnet] ?? []) if (after.havips[havip.index] !== havip) changed.push(havip.index);
    for (const havip of are[subnet] ?? []) if ((before.havips[havip.index] ?? null) === null) changed.push(havip.index);
  }
  return changed;
}

function sortBySubnet<T extends { readonly subnet: number }>(things: readonly (T | null)[]): (T[] | undefined)[] {
  const sorted: (T[] | undefined)[] = [];
  for (const thing of things) {
    if (thing === null) continue;
    // Grown in order: a hole would turn the list into a hash table.
    while (sorted.length <= thing.subnet) sorted.push(undefined);
    (sorted[thing.subnet] ??= []).push(thing);
  }
  return sorted;
}

const eipsByHavip = new WeakMap<readonly Eip[], ReadonlyMap<number, Eip>>();

/** The address outside of a HAVIP, by its index; sorted out once for each list of them. */
export function eipOf({ eips = [] }: Network, havip: number): Eip | null {
  if (eips.length === 0) return null;
  let sorted = eipsByHavip.get(eips);
  if (sorted === undefined) eipsByHavip.set(eips, (sorted = new Map(eips.map((eip) => [eip.havip, eip]))));
  return sorted.get(havip) ?? null;
}
