/**
 * The network as configured, resolved: every name looked up, every address parsed, everything numbered.
 *
 * An index is the identity of a thing in shared memory and in records between threads. It stays with its thing across reloads
 * (config/plan.ts sees to that), so lists may have holes: index i of `havips` is null once that HAVIP was released.
 */
import { cidrLast, type Cidr, type Ipv4 } from './address.ts';
import { type Cidr6, eui64, type Ipv6, isSlaacPrefix, LINK_LOCAL_PREFIX } from './ipv6.ts';
import type { Mac } from './mac.ts';

/** More ports than a hypervisor can run guests; the configuration refuses more. */
export const MAX_PORTS = 4096;
/** One for each VPC that a hypervisor can have guests of. */
export const MAX_UPLINKS = 1024;
/** Places where frames come in: ports at their index, uplinks behind them (elsewhere.ts). */
export const MAX_PLACES = MAX_PORTS + MAX_UPLINKS;

export interface Vpc {
  readonly index: number;
  readonly id: string;
  readonly cidr: Cidr;
}

export interface Subnet {
  readonly index: number;
  readonly id: string;
  readonly vpc: number;
  readonly cidr: Cidr;
  readonly gateway: Ipv4 | null;
  /** `checked`: a port sends IPv4 packets from its own addresses and its HAVIPs alone; `any`: from whatever it likes. */
  readonly sources: 'checked' | 'any';
  /** null: nothing is known of the subnet's IPv6. */
  readonly ipv6: SubnetIpv6 | null;
}

export interface SubnetIpv6 {
  readonly cidr: Cidr6;
  readonly gateway: Ipv6 | null;
  /** Link-local addresses of routers, which send router advertisements. */
  readonly routers: readonly Ipv6[];
  /** Which addresses a guest may speak for: `listed` its own alone; `slaac` also any of the prefix and link-local that is nobody's. */
  readonly addresses: 'listed' | 'slaac';
}

/** What an agent says in the name of a holder that is gone, and when. */
export interface Assist {
  /** `hung`: its adverts are overdue, and its machine answers no question. */
  readonly on: readonly AssistOn[];
  /** Version 3: its last advert with a short interval first, so that its backup waits milliseconds. */
  readonly hasten: boolean;
}

export const ASSIST_ON = ['link-down', 'hung'] as const;
export type AssistOn = (typeof ASSIST_ON)[number];

/** What is said of a HAVIP in a configuration and holds wherever it is. */
export interface HavipSettings {
  readonly id: string;
  readonly address: Ipv4;
  /** Instances that may claim it; null: every instance of the subnet. */
  readonly members: readonly string[] | null;
  /** Only the holder may send IP packets with it as source. false: every port of its subnet may. */
  readonly fence: boolean;
  /** The VRRP virtual router id that is its cluster's alone, said by the configuration; null: learned. */
  readonly vrid: number | null;
  /** Speak a dead holder's last advert once more, with priority 0; null: never. */
  readonly assist: Assist | null;
  /** Ask a silent holder by unicast ARP whether it still has the address. */
  readonly verify: Verify;
  /** Measure reachability by ICMP echo. */
  readonly probe: boolean;
}

export interface Havip extends HavipSettings {
  readonly index: number;
  readonly vpc: number;
  readonly subnet: number;
}

/** Whether a holder is asked if it still has the address. `auto`: once its period is known, so that silence and talk say something. */
export type Verify = boolean | 'auto';

export interface Port {
  readonly index: number;
  /** Name of the network interface on this host; the identity of the port. */
  readonly interface: string;
  readonly instance: string;
  readonly vpc: number;
  readonly subnet: number;
  readonly mac: Mac;
  readonly addresses: readonly Ipv4[];
  readonly addresses6: readonly Ipv6[];
  /**
   * A guest that routes, translates addresses or serves DHCP: it may send router advertisements, redirects and DHCP offers, and IPv4 packets
   * from any address.
   */
  readonly router: boolean;
}

/** What becomes of a port's interface: not there; there without a carrier or not set up; up. Their order is their number in shared memory. */
export const LINK_STATES = ['absent', 'down', 'up'] as const;
export type LinkState = (typeof LINK_STATES)[number];

/** Where frames of other hosts and networks enter. */
export interface Uplink {
  readonly index: number;
  readonly interface: string;
  readonly vpc: number;
  /** Who is believed that claims a HAVIP there: a member on another host (elsewhere.ts), or nobody. */
  readonly trust: 'members' | 'none';
  /** Who keeps its table of MACs, where it is a VXLAN device: itself by learning, the agent, or a routing daemon. */
  readonly fdb: 'learn' | 'program' | 'evpn';
  /** While the store is away, what is announced there is a claim. */
  readonly awayClaims: boolean;
}

/** A machine on another host, as far as the configuration knows it. */
export interface Peer {
  readonly instance: string;
  readonly vpc: number;
  readonly mac: Mac;
  readonly addresses: readonly Ipv4[];
  /** Its host's address in the underlay; null: not known. */
  readonly vtep: Ipv4 | null;
}

/** An address of the outside, and the HAVIP whose holder it leads to; `havip` by its index. */
export interface Eip {
  readonly id: string;
  readonly address: Ipv4;
  readonly havip: number;
}

/** Where the outside is. */
export interface External {
  readonly interface: string;
  readonly gateway: Ipv4;
  /** Destinations to which a HAVIP goes under its own address. */
  readonly notNat: readonly Cidr[];
}

export interface Network {
  readonly vpcs: readonly (Vpc | null)[];
  readonly subnets: readonly (Subnet | null)[];
  readonly havips: readonly (Havip | null)[];
  readonly ports: readonly (Port | null)[];
  readonly uplinks: readonly (Uplink | null)[];
  readonly peers: readonly Peer[];
  readonly eips?: readonly Eip[];
  readonly external?: External | null;
}

export const NO_NETWORK: Network = { vpcs: [], subnets: [], havips: [], ports: [], uplinks: [], peers: [] };

const eipsByHavip = new WeakMap<readonly Eip[], ReadonlyMap<number, Eip>>();

/** The address outside of a HAVIP, by its index; sorted out once for each list of them. */
export function eipOf({ eips = [] }: Network, havip: number): Eip | null {
  if (eips.length === 0) return null;
  let sorted = eipsByHavip.get(eips);
  if (sorted === undefined) eipsByHavip.set(eips, (sorted = new Map(eips.map((eip) => [eip.havip, eip]))));
  return sorted.get(havip) ?? null;
}

/** May this port claim this HAVIP? The one statement of the rule; the judge's policy and the kernel's guard are rendered from it. */
export function mayClaim(port: Port, havip: Havip): boolean {
  return port.subnet === havip.subnet && (havip.members === null || havip.members.includes(port.instance));
}

/** May ports share a MAC or an address: those of one instance in one subnet, which its bond makes one of? */
export function mayBond(
  a: { readonly instance?: string | undefined; readonly subnet?: unknown },
  b: { readonly instance?: string | undefined; readonly subnet?: unknown },
): boolean {
  return a.instance !== undefined && a.instance === b.instance && a.subnet !== undefined && a.subnet === b.subnet;
}

/** The other ports of a bond: of the same instance in the same subnet, with the same MAC or one of the same addresses. */
export function bondedWith(network: Network, port: Port): readonly Port[] {
  return portsOfInstance(network, port.instance).filter(
    (other) =>
      other !== port &&
      mayBond(other, port) &&
      (other.mac === port.mac || other.addresses.some((address) => port.addresses.includes(address))),
  );
}

/** The IPv6 addresses that are a port's alone: those listed, and those that it makes of its MAC. */
export function ownIpv6(port: Port, subnet: Subnet): Ipv6[] {
  const own = new Set([eui64(LINK_LOCAL_PREFIX, port.mac), ...port.addresses6]);
  if (subnet.ipv6 !== null && isSlaacPrefix(subnet.ipv6.cidr)) own.add(eui64(subnet.ipv6.cidr.base, port.mac));
  return [...own];
}

/** Those that no port may speak for unless it has them itself. */
export function routerIpv6({ ipv6 }: Subnet): Ipv6[] {
  if (ipv6 === null) return [];
  return ipv6.gateway === null ? [...ipv6.routers] : [ipv6.gateway, ...ipv6.routers];
}

/** Which other addresses a port may speak for, as long as nobody has them: none; those of `prefixes`; all. */
export function spareIpv6({ ipv6 }: Subnet): { readonly any: boolean; readonly prefixes: readonly Ipv6[] } {
  if (ipv6 === null) return { any: true, prefixes: [] };
  return { any: false, prefixes: ipv6.addresses === 'slaac' ? [LINK_LOCAL_PREFIX, ipv6.cidr.base] : [] };
}

/**
 * May this port send IPv4 packets with this HAVIP as source? Who may claim it, as long as nobody else holds it; and, where it is not
 * fenced, every port of its subnet (LVS direct return).
 */
export function mayUse(port: Port, havip: Havip): boolean {
  return mayClaim(port, havip) || (!havip.fence && port.subnet === havip.subnet);
}

/** Who shares a HAVIP with whom in a subnet: they may send VRRP to each other. */
export interface Fellows {
  /** Some HAVIP is everybody's: so all of the subnet are fellows. */
  readonly all: boolean;
  /** Else, by instance: those with which it shares one, itself among them. */
  readonly of: ReadonlyMap<string, ReadonlySet<string>>;
}

const NO_FELLOWS: Fellows = { all: false, of: new Map() };
/** By the subnet's list of HAVIPs. */
const knownFellows = new WeakMap<readonly Havip[], Fellows>();

export function fellowsIn(network: Network, subnet: number): Fellows {
  const havips = sortedHavips(network)[subnet];
  if (havips === undefined || havips.length === 0) return NO_FELLOWS;
  let fellows = knownFellows.get(havips);
  if (fellows === undefined) knownFellows.set(havips, (fellows = findFellows(havips)));
  return fellows;
}

function findFellows(havips: readonly Havip[]): Fellows {
  const of = new Map<string, Set<string>>();
  // HAVIPs of the same machines share one list (config/config.ts).
  const seen = new Set<readonly string[]>();
  for (const { members } of havips) {
    if (members === null) return { all: true, of: new Map() };
    if (seen.has(members)) continue;
    seen.add(members);
    for (const member of members) {
      let fellows = of.get(member);
      if (fellows === undefined) of.set(member, (fellows = new Set()));
      for (const fellow of members) fellows.add(fellow);
    }
  }
  return { all: false, of };
}

/** The addresses of a subnet that are no machine's, and its gateway's. */
export function reservedIn({ cidr, gateway }: Subnet): Ipv4[] {
  const reserved = cidr.bits <= 30 ? [cidr.base, cidrLast(cidr)] : [];
  return gateway === null ? reserved : [...reserved, gateway];
}

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
