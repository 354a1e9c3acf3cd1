/**
 * What is known of machines on other hosts, and who of them is believed that claims a HAVIP through an uplink. Pure.
 *
 * A place is where a frame came in: a port, at its index, or an uplink, behind all ports. Who claims at a port is known by the port; who
 * claims through an uplink is known by its MAC, if at all: some other host's guard let the frame pass, or there is none.
 */
import { cidrContains } from './address.ts';
import { formatMac, type Mac, vridOf } from './mac.ts';
import { type Havip, MAX_PORTS, type Network, type Peer, type Port, type Uplink } from './network.ts';

export function placeOf(uplink: Uplink): number {
  return MAX_PORTS + uplink.index;
}

/** null: the place is a port's, or there is none any more. */
export function uplinkAt(network: Network, place: number): Uplink | null {
  return network.uplinks[place - MAX_PORTS] ?? null;
}

/** Interface of a port or an uplink; null: it is no more. */
export function interfaceAt(network: Network, place: number): string | null {
  return (network.ports[place] ?? uplinkAt(network, place))?.interface ?? null;
}

/** The uplinks of a VPC. */
export function uplinksOf(network: Network, vpc: number): Uplink[] {
  return network.uplinks.filter((uplink): uplink is Uplink => uplink?.vpc === vpc);
}

/** What a network says of machines, sorted out on first use. */
class Known {
  readonly instancesHere: ReadonlySet<string>;
  readonly instancesOfPeers: ReadonlySet<string>;
  /** By VPC, then MAC. */
  readonly ports: ReadonlyMap<Mac, Port>[];
  readonly peers: ReadonlyMap<Mac, Peer>[];

  constructor({ vpcs, ports, peers }: Network) {
    const portMacs = vpcs.map(() => new Map<Mac, Port>());
    const peerMacs = vpcs.map(() => new Map<Mac, Peer>());
    for (const port of ports) if (port !== null) portMacs[port.vpc]?.set(port.mac, port);
    for (const peer of peers) peerMacs[peer.vpc]?.set(peer.mac, peer);
    this.instancesHere = new Set(ports.flatMap((port) => port?.instance ?? []));
    this.instancesOfPeers = new Set(peers.map(({ instance }) => instance));
    this.ports = portMacs;
    this.peers = peerMacs;
  }
}

const knownOf = new WeakMap<Network, Known>();

function known(network: Network): Known {
  let found = knownOf.get(network);
  if (found === undefined) knownOf.set(network, (found = new Known(network)));
  return found;
}

/** The port of this host whose MAC it is; null: none's. */
export function portWithMac(network: Network, vpc: number, mac: Mac): Port | null {
  return known(network).ports[vpc]?.get(mac) ?? null;
}

/** Members that have no port on this host; null: anybody of the subnet may claim it, so anybody may be elsewhere. */
export function membersElsewhere(network: Network, { members }: Havip): readonly string[] | null {
  const { instancesHere } = known(network);
  return members?.filter((member) => !instancesHere.has(member)) ?? null;
}

/** Machines that the configuration knows on other hosts and that may claim this HAVIP. */
export function peersOf(network: Network, havip: Havip): readonly Peer[] {
  const { instancesHere } = known(network);
  const cidr = network.subnets[havip.subnet]?.cidr;
  return network.peers.filter(({ instance, vpc, addresses }) => {
    if (vpc !== havip.vpc || instancesHere.has(instance)) return false;
    if (havip.members !== null) return havip.members.includes(instance);
    return cidr !== undefined && addresses.some((address) => cidrContains(cidr, address));
  });
}

/**
 * Who claims this HAVIP through this uplink with this MAC, which is no port's of this host; null: nobody who is believed. Where a
 * member's MAC is known, that alone is his; any other belongs to one whose MAC is not known, if there is such a member. The one
 * statement of the rule; the workers' table is rendered from it (filter/elsewhere.ts). Its name is the member's where there is but one
 * who it can be, else the MAC.
 */
export function claimantElsewhere(network: Network, uplink: Uplink, havip: Havip, mac: Mac): string | null {
  if (uplink.trust === 'none' || uplink.vpc !== havip.vpc) return null;
  const { peers, instancesOfPeers } = known(network);
  const absent = membersElsewhere(network, havip);
  const peer = peers[havip.vpc]?.get(mac);
  if (peer !== undefined) return absent === null || absent.includes(peer.instance) ? peer.instance : null;
  // A virtual MAC may be any member's.
  const candidates = vridOf(mac) > 0 ? absent : (absent?.filter((member) => !instancesOfPeers.has(member)) ?? null);
  if (candidates === null) return formatMac(mac);
  const [first, second] = candidates;
  return first === undefined ? null : second === undefined ? first : formatMac(mac);
}
