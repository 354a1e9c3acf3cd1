/**
 * The network as configured, resolved: every name looked up, every address parsed, everything numbered.
 *
 * An index is the identity of a thing in shared memory and in records between threads. It stays with its thing across reloads
 * (plan.ts sees to that), so lists may have holes: index i of `havips` is null once that HAVIP was released.
 */
import type { Cidr, Ipv4 } from './address.ts';
import type { Mac } from './mac.ts';

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
}

export interface Havip {
  readonly index: number;
  readonly id: string;
  readonly vpc: number;
  readonly subnet: number;
  readonly address: Ipv4;
  /** Instances that may claim it; null: every instance of the subnet. */
  readonly members: readonly string[] | null;
  /** Only the holder may send IP packets with it as source. */
  readonly fence: boolean;
  /** `resign`: speak a dead holder's last advert once more, with priority 0. */
  readonly assist: 'resign' | null;
  /** Ask a silent holder by unicast ARP whether it still has the address. */
  readonly verify: boolean;
  /** Measure reachability by ICMP echo. */
  readonly probe: boolean;
}

export interface Port {
  readonly index: number;
  /** Name of the network interface on this host; the identity of the port. */
  readonly interface: string;
  readonly instance: string;
  readonly vpc: number;
  readonly subnet: number;
  readonly mac: Mac;
  readonly addresses: readonly Ipv4[];
}

export interface Uplink {
  readonly interface: string;
  readonly vpc: number;
}

export interface Network {
  readonly vpcs: readonly (Vpc | null)[];
  readonly subnets: readonly (Subnet | null)[];
  readonly havips: readonly (Havip | null)[];
  readonly ports: readonly (Port | null)[];
  readonly uplinks: readonly Uplink[];
}

/** May this port claim this HAVIP? The one statement of the rule; the judge's policy and the kernel's guard are rendered from it. */
export function mayClaim(port: Port, havip: Havip): boolean {
  return port.subnet === havip.subnet && (havip.members === null || havip.members.includes(port.instance));
}

const portsBySubnet = new WeakMap<Network, ReadonlyMap<number, readonly Port[]>>();

/** The ports of a subnet, by its index; sorted out once for each network. */
export function portsOf(network: Network, subnet: number): readonly Port[] {
  let sorted = portsBySubnet.get(network);
  if (sorted === undefined) {
    const bySubnet = new Map<number, Port[]>();
    for (const port of network.ports) {
      if (port === null) continue;
      const ports = bySubnet.get(port.subnet);
      if (ports === undefined) bySubnet.set(port.subnet, [port]);
      else ports.push(port);
    }
    portsBySubnet.set(network, (sorted = bySubnet));
  }
  return sorted.get(subnet) ?? [];
}
