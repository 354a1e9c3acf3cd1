/**
 * What is wrong with guests' ports and subnets, beside HAVIPs: IPv6 addresses that the configuration does not know, and what the switch
 * by itself refuses (agent/kernel-refusals.ts) or never sees (agent/strangers.ts). Main thread; computed when somebody asks.
 */
import { type Ipv6, readIpv6 } from '../base/ipv6.ts';
import type { Network } from '../base/network.ts';
import { ownIpv6, routerIpv6, spareIpv6 } from '../base/rights.ts';
import { portsOf } from '../base/sorted.ts';
import { V } from '../base/verdict.ts';
import type { Claim } from '../lane/claim.ts';
import { NS_PER_MS } from './limits.ts';

export const PORT_FINDING_KINDS = [
  'address-not-listed',
  'nd-unlisted',
  'source-refused',
  'unguarded-bridge-port',
  'guard-ineffective',
] as const;

export interface PortFinding {
  readonly kind: (typeof PORT_FINDING_KINDS)[number];
  /** Interface of the port, or id of the subnet. */
  readonly about: string;
  /** What was seen and what to change. */
  readonly text: string;
}

/** Of one port: a guest that makes up addresses shall not fill the memory. */
const MOST_ADDRESSES = 8;
const WINDOW_NS = 3600e3 * NS_PER_MS;
const NEIGHBOUR_SOLICITATION = 135;
const NEIGHBOUR_ADVERTISEMENT = 136;

export class Unlisted {
  /** By interface: when the port last spoke for which address and was refused. */
  readonly #refused = new Map<string, Map<Ipv6, number>>();

  note({ verdict, frame, capturedNs }: Claim, name: string): void {
    if (verdict !== V['not-havip']) return;
    const address = spokenFor(frame);
    if (address === null) return;
    let addresses = this.#refused.get(name);
    if (addresses === undefined) this.#refused.set(name, (addresses = new Map()));
    addresses.delete(address);
    if (addresses.size >= MOST_ADDRESSES) for (const oldest of addresses.keys()) if (addresses.delete(oldest)) break;
    addresses.set(address, capturedNs);
  }

  /** Addresses that are somebody's by now are no findings: listed, or taken on purpose. */
  findings(network: Network, nowNs: number): PortFinding[] {
    const found: PortFinding[] = [];
    for (const port of network.ports) {
      const addresses = port === null ? undefined : this.#refused.get(port.interface);
      if (port === null || addresses === undefined) continue;
      const unlisted = [...addresses]
        .filter(([address, atNs]) => nowNs - atNs < WINDOW_NS && !isSomebodys(network, port.vpc, address))
        .map(([address]) => address);
      if (unlisted.length === 0) continue;
      const are = unlisted.length === 1 ? 'is' : 'are';
      const text = `${port.instance} uses ${unlisted.join(', ')}, which ${are} not listed, and is refused; add to \`addresses\` of ${port.interface}, or set \`addresses: slaac\` in \`ipv6\` of its subnet`;
      found.push({ kind: 'address-not-listed', about: port.interface, text });
    }
    return found;
  }
}

/** Subnets in which a guest can take an address, since nobody says whose it is. */
export function openSubnets(network: Network): PortFinding[] {
  return network.subnets.flatMap((subnet): PortFinding[] => {
    if (subnet === null || !spareIpv6(subnet).any || portsOf(network, subnet.index).length === 0) return [];
    const text = `guests speak IPv6, and ${subnet.id} has no \`ipv6\`: a neighbour can take an address that nobody listed; give it \`ipv6: { cidr, addresses: listed }\``;
    return [{ kind: 'nd-unlisted', about: subnet.id, text }];
  });
}

/** Of a refused neighbour advertisement or solicitation. */
function spokenFor(frame: Uint8Array): Ipv6 | null {
  if (frame.length < 78 || frame[12] !== 0x86 || frame[13] !== 0xdd || frame[20] !== 58) return null;
  const source = readIpv6(frame, 22);
  if (frame[54] === NEIGHBOUR_ADVERTISEMENT || (frame[54] === NEIGHBOUR_SOLICITATION && source === '::'))
    return readIpv6(frame, 62);
  return frame[54] === NEIGHBOUR_SOLICITATION ? source : null;
}

function isSomebodys(network: Network, vpc: number, address: Ipv6): boolean {
  return network.subnets.some(
    (subnet) =>
      subnet?.vpc === vpc &&
      (routerIpv6(subnet).includes(address) ||
        portsOf(network, subnet.index).some((port) => ownIpv6(port, subnet).includes(address))),
  );
}
