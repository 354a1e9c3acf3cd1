/**
 * The network as configured, resolved: every name looked up, every address parsed, everything numbered.
 *
 * An index is the identity of a thing in shared memory and in records between threads. It stays with its thing across reloads
 * (config/plan.ts sees to that), so lists may have holes: index i of `havips` is null once that HAVIP was released.
 *
 * rights.ts says who may what in it, sorted.ts what belongs together.
 */
import type { Cidr, Ipv4 } from './address.ts';
import type { Cidr6, Ipv6 } from './ipv6.ts';
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

/** Measure reachability by ICMP echo; and whether its service answers, by connecting to this port. */
export type Probe = boolean | { readonly tcp: number };

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
  readonly probe: Probe;
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
