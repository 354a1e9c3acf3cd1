/**
 * Where a subnet's gateway is an interface of this host, the host itself talks to the HAVIP: its neighbour entry must follow the
 * holder as the flow map does for everyone else. Main thread, through rtnetlink, 6 us each. Entries are STALE, never PERMANENT:
 * the kernel verifies them when it uses them, so a mistake here does not last.
 *
 * And the bridge is told behind which port a virtual MAC is, as if it had learned it: where a VPC has uplinks its new holder speaks under
 * its own MAC until the switch knows, and what the host itself sends passes no rule of ours.
 */
import { BridgeTable } from '../abi/bridge-table.ts';
import { SystemError } from '../abi/libc.ts';
import { errnoName } from '../abi/native.ts';
import { NUD_STALE, Rtnetlink } from '../abi/rtnetlink.ts';
import { formatIpv4, type Ipv4 } from '../base/address.ts';
import type { Binding } from '../base/binding.ts';
import { uplinksOf } from '../base/elsewhere.ts';
import { type Mac, vridOf } from '../base/mac.ts';
import type { Network } from '../base/network.ts';

export interface NeighbourChange {
  readonly ifindex: number;
  readonly address: Ipv4;
  readonly mac: Mac;
}

/** What is to be set when this MAC holds the HAVIP. Pure; null: nothing, no interface of this host is its subnet's gateway. */
export function neighbourOf(
  network: Network,
  gateways: ReadonlyMap<number, number>,
  havipIndex: number,
  mac: Mac | null,
): NeighbourChange | null {
  const havip = network.havips[havipIndex];
  const ifindex = havip ? (gateways.get(havip.subnet) ?? 0) : 0;
  // Unbound: the entry stays and ages. To delete it would make the host ask, and the dead holder's silence costs seconds.
  return havip && mac !== null && ifindex !== 0 ? { ifindex, address: havip.address, mac } : null;
}

export class GatewayNeighbours {
  readonly #rtnetlink = new Rtnetlink();
  readonly #bridge = new BridgeTable();
  #network: Network | null = null;
  /** Subnet index to interface index. */
  #gateways = new Map<number, number>();

  /** Looks for the gateways among this host's addresses; again whenever addresses may have changed. */
  configure(network: Network): void {
    this.#network = network;
    this.#gateways = new Map();
    // Asked once: a dump for each of 1,000 gateways took 0.3 s.
    const addresses = this.#rtnetlink.addresses();
    for (const subnet of network.subnets) {
      const ifindex = subnet?.gateway ? addresses.get(subnet.gateway) : undefined;
      if (subnet && ifindex !== undefined) this.#gateways.set(subnet.index, ifindex);
    }
  }

  /** Points the host's own entry at the holder. Returns what went wrong in one line, null when nothing did. */
  hold(havipIndex: number, binding: Binding | null): string | null {
    if (this.#network === null) return null;
    const change = neighbourOf(this.#network, this.#gateways, havipIndex, binding?.mac ?? null);
    try {
      this.#teach(this.#network, havipIndex, binding);
      if (change === null) return null;
      const answer = this.#rtnetlink.setNeighbour(change.ifindex, change.address, change.mac, NUD_STALE);
      return answer === 0 ? null : `neighbour entry of ${formatIpv4(change.address)}: ${errnoName(-answer)}`;
    } catch (error) {
      if (error instanceof SystemError) return error.message;
      throw error;
    }
  }

  #teach(network: Network, havipIndex: number, binding: Binding | null): void {
    if (binding === null || vridOf(binding.mac) === 0) return;
    const uplinks = uplinksOf(network, network.havips[havipIndex]?.vpc ?? -1);
    // A routing daemon would tell others of it.
    if (uplinks.length === 0 || uplinks.some(({ fdb }) => fdb === 'evpn')) return;
    const port = this.#rtnetlink.bridgePort(binding.interface);
    // Refused where the bridge learns nothing: then it is no matter of ours.
    if (port !== 0) this.#bridge.learn(port, binding.mac);
  }

  close(): void {
    this.#rtnetlink.close();
    this.#bridge.close();
  }
}
