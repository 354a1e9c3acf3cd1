/** A verdict about IPv6 in words: the twin of explain.ts. Main thread. */
import { formatCidr6, type Ipv6, readIpv6 } from '../base/ipv6.ts';
import { formatMac, readMac } from '../base/mac.ts';
import type { Network, Port } from '../base/network.ts';
import { ownIpv6, routerIpv6, spareIpv6 } from '../base/rights.ts';
import { portsOf } from '../base/sorted.ts';
import type { Reason } from '../base/verdict.ts';
import { ND, type Sighting, VRRP } from '../decode/sighting.ts';

const TYPES: Readonly<Record<number, string>> = {
  133: 'router solicitation',
  134: 'router advertisement',
  135: 'neighbour solicitation',
  136: 'neighbour advertisement',
  137: 'redirect',
  138: 'router renumbering',
  141: 'inverse neighbour solicitation',
  142: 'inverse neighbour advertisement',
};

/** Is it whole enough to have addresses? */
export function isIpv6(frame: Uint8Array): boolean {
  return frame.length >= 54 && frame[12] === 0x86 && frame[13] === 0xdd;
}

export function describeIpv6(s: Sighting, frame: Uint8Array): string {
  const source = `Ethernet source ${formatMac(readMac(frame, 6))}`;
  const route = `${readIpv6(frame, 22)} to ${readIpv6(frame, 38)}, ${source}`;
  if (s.protocol === VRRP) return `VRRP, ${route}`;
  if (s.protocol !== ND) return `IPv6 packet, ${route}`;
  const hasTarget = frame[20] === 58 && (s.operation === 135 || s.operation === 136) && frame.length >= 78;
  const about = hasTarget ? ` for ${readIpv6(frame, 62)}` : '';
  const option = s.optionMacAt === 0 || frame.length < s.optionMacAt + 6 ? '' : ` at ${formatMac(readMac(frame, s.optionMacAt))}`;
  return `${TYPES[s.operation] ?? 'neighbour discovery'}${about}${option}, ${route}`;
}

/** The values that decided, for the reasons that depend on the configuration. */
export function because6(reason: Reason, network: Network, port: Port, s: Sighting, frame: Uint8Array): string[] {
  const here = `port ${port.interface} (${port.instance})`;
  const spoken = s.protocol === VRRP ? [22] : [s.targetAt, s.sourceAt].filter((at) => at !== 0);
  const addresses = [...new Set(spoken.map((at) => readIpv6(frame, at)))];
  const whose = addresses.map((address) => whoseIpv6(network, port, address));
  switch (reason) {
    case 'own-address':
    case 'not-havip':
    case 'probe':
      return whose;
    case 'vrrp-source':
      return [...whose, `${here} may use its own addresses, and link-local ones that are nobody else's`];
    case 'vrrp-ttl':
      return [`the hop limit is ${s.ttl}`];
    case 'mac-mismatch':
      return [`the MAC of ${here} is ${formatMac(port.mac)}; a virtual MAC holds no IPv6 address yet`];
    case 'dhcp-offer':
    case 'router-advert':
    case 'redirect':
      return port.router ? [] : [`${here} is no \`router\``];
    case 'foreign-vrrp':
      return [`there is no HAVIP that ${here} may claim`];
    default:
      return [];
  }
}

function whoseIpv6(network: Network, port: Port, address: Ipv6): string {
  const subnet = network.subnets[port.subnet];
  if (!subnet) return `${address}: the port's subnet is not known`;
  for (const place of network.subnets) {
    if (place?.vpc !== port.vpc) continue;
    for (const other of portsOf(network, place.index)) {
      if (!ownIpv6(other, place).includes(address)) continue;
      const how = other.addresses6.includes(address) ? 'is one of the `addresses` of' : 'is made of the MAC of';
      return `${address} ${how} port ${other.interface} (${other.instance})`;
    }
    if (routerIpv6(place).includes(address)) return `${address} is a router of ${place.id}`;
  }
  const { any, prefixes } = spareIpv6(subnet);
  if (any) return `${address} is nobody's, and ${subnet.id} has no \`ipv6\` that would say who may use it`;
  if (prefixes.length === 0) return `${address} is not listed, and ${subnet.id} has \`addresses: listed\``;
  const where = prefixes.map((base) => formatCidr6({ base, bits: 64 })).join(' and ');
  return `${address} is nobody's, and ${subnet.id} lets guests use what is nobody's of ${where}`;
}
