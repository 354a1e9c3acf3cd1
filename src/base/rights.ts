/**
 * Who may what in a network, said once: the judge's policy and the kernel's guard are rendered from these rules (filter/compile.ts,
 * vswitch/entries.ts), the ledger and the configuration's checks ask them as they are.
 */
import { cidrLast, type Ipv4 } from './address.ts';
import { eui64, type Ipv6, isSlaacPrefix, LINK_LOCAL_PREFIX } from './ipv6.ts';
import type { Havip, Network, Port, Subnet } from './network.ts';
import { portsOfInstance, sortedHavips } from './sorted.ts';

/** May this port claim this HAVIP? */
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
