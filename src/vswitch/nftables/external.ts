/**
 * Addresses of the outside, as nft text. Pure. No memory of connections: a packet is readdressed one to one, at the ingress of the interface that
 * leads outside and at that of its holder's, and sent on from there. Checksums are the kernel's work (nft_payload).
 *
 *     ingress of external  -> EIP? destination and both MACs by maps, straight into the holder's interface
 *     ingress of a port    -> guard, then: this port holds a HAVIP with an EIP? -> external_out
 *
 * `ip daddr` is the HAVIP's as soon as it is set, and HAVIPs of several VPCs may be the same: so the EIP is kept in the packet's mark, by which the way
 * is found. An ICMP error has the packet that it is about inside, which nft cannot readdress: these are dropped here, and the agent, which hears
 * them before, sends what they should be.
 */
export const EIP_SETS = [
  ['set', 'eips', 'type ipv4_addr;'],
  ['map', 'eip_mark', 'type ipv4_addr : mark;'],
  ['map', 'eip_mac', 'type ipv4_addr : ether_addr;'],
  ['map', 'eip_from', 'type ipv4_addr : ether_addr;'],
  ['map', 'eip_havip', 'type ipv4_addr : ipv4_addr;'],
  ['map', 'eip_port', 'type mark : iface_index;'],
  ['map', 'eip_out', 'type ifname . ipv4_addr : ipv4_addr;'],
  ['map', 'eip_go', 'type ifname . ipv4_addr : verdict;'],
] as const;

export const EIP_COUNTER = { in: 'eip_packets_in', out: 'eip_packets_out' } as const;
export const EIP_COUNTERS = Object.values(EIP_COUNTER);

/** Destination unreachable, time exceeded, parameter problem, source quench: what carries a packet. */
const ICMP_ERRORS = 'icmp type { 3, 4, 11, 12 }';

/** Behind the guard: who may not send from the HAVIP was dropped before. */
export const EIP_OUT_RULE = 'ether type ip iifname . ip saddr vmap @eip_go';

/** @param value of an entry `external`: IFINDEX MAC GATEWAY-MAC CIDR,... */
export function externalRules(value: string, unicast: string): { readonly into: string[]; readonly out: string[] } {
  const [ifindex = '0', mac = '', gateway = '', inside = ''] = value.split(' ');
  const set = 'ether saddr set ip daddr map @eip_from ether daddr set ip daddr map @eip_mac ip daddr set ip daddr map @eip_havip';
  return {
    into: [
      `ether type ip ${ICMP_ERRORS} ip daddr @eips drop`,
      `ether type ip ${unicast} meta mark set ip daddr map @eip_mark ${set} counter name ${EIP_COUNTER.in} fwd to meta mark map @eip_port`,
    ],
    out: [
      ...(inside === '' ? [] : [`ip daddr { ${inside.replaceAll(',', ', ')} } accept`]),
      `${ICMP_ERRORS} drop`,
      `ip saddr set iifname . ip saddr map @eip_out ether saddr set ${mac} ether daddr set ${gateway} counter name ${EIP_COUNTER.out} fwd to ${ifindex}`,
    ],
  };
}
