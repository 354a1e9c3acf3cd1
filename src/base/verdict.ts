/**
 * The only list of verdicts. A row's index is its counter slot in shared memory, its name the metric label, the rest what people
 * read. Verdicts always add up to frames seen.
 *
 * base/ holds the values that every folder may speak of: this list, address.ts and mac.ts, the network as numbers in network.ts and who
 * may what in it in rights.ts, time in clock.ts; and the three things that anybody may do, believe (assert.ts), fail (failure.ts) and log
 * (log.ts).
 */
export interface VerdictRow {
  readonly name: string;
  /** Whether it goes on; true too of what is not judged. */
  readonly pass: boolean;
  /** false: no answer about a guest's frame; counted apart. */
  readonly judged: boolean;
  /**
   * Who acts on a drop: `kernel`: the guard drops the frame. `agent`: the frame goes on like any IP packet, but drives no
   * decision; the guard cannot read what is wrong with it (a checksum, a list inside the advert).
   */
  readonly by: 'kernel' | 'agent';
  readonly means: string;
  /** What would have to change for the opposite verdict. */
  readonly opposite: string;
}

export const VERDICTS = [
  row(
    'own-address',
    true,
    'kernel',
    'ARP or neighbour discovery for one of the port’s own addresses, or, over IPv6, for one that is nobody’s where the subnet allows it',
    'Remove the address from the port’s `addresses`.',
  ),
  row(
    'probe',
    true,
    'kernel',
    'ARP probe with sender address 0.0.0.0 (RFC 5227), or its twin of neighbour discovery (RFC 4862, 5.4): asks, claims nothing',
    'None: a port may ask for its own addresses, its HAVIPs, and what is nobody’s.',
  ),
  row(
    'havip-claim',
    true,
    'kernel',
    'ARP for a HAVIP that this instance may claim',
    'Leave the instance out of the HAVIP’s `members`.',
  ),
  row(
    'vrrp-advert',
    true,
    'kernel',
    'VRRP advertisement for a HAVIP that this instance may claim',
    'Leave the instance out of the HAVIP’s `members`.',
  ),
  row(
    'vrrp-resign',
    true,
    'kernel',
    'VRRP advertisement with priority 0: the sender gives the HAVIP up',
    'Leave the instance out of the HAVIP’s `members`.',
  ),
  row(
    'rarp-announce',
    true,
    'kernel',
    'RARP for the port’s own MAC, as QEMU sends after a live migration',
    'None: a port may always announce its own MAC.',
  ),
  row(
    'carp-advert',
    true,
    'kernel',
    'CARP advertisement (ucarp) of an instance that may claim a HAVIP',
    'Leave the instance out of the HAVIP’s `members`.',
  ),
  row(
    'other-ip',
    true,
    'kernel',
    'IPv4 or IPv6 that speaks for no address: not judged',
    'None: ordinary IP packets are not this agent’s business.',
  ),
  row(
    'not-havip',
    false,
    'kernel',
    'ARP or neighbour discovery for an address that is neither the port’s own nor a HAVIP',
    'Add the address to the port’s `addresses`, or make it a HAVIP of the port’s subnet.',
  ),
  row(
    'foreign-subnet',
    false,
    'kernel',
    'claim of a HAVIP that belongs to another subnet',
    'Only machines of the HAVIP’s own subnet may claim it.',
  ),
  row(
    'not-member',
    false,
    'kernel',
    'claim of a HAVIP whose members do not include this instance',
    'Add the instance to the HAVIP’s `members`.',
  ),
  row(
    'mac-mismatch',
    false,
    'kernel',
    'sender MAC is neither the port’s own nor a legal VRRP virtual MAC',
    'Send from the MAC configured for the port, or correct the port’s `mac`.',
  ),
  row(
    'malformed',
    false,
    'kernel',
    'not a well-formed ARP or RARP packet over Ethernet and IPv4, or too short for what it says it is',
    'Send well-formed ARP (RFC 826) with a unicast sender.',
  ),
  row('tagged', false, 'kernel', 'a VLAN tag on a guest’s frame, VID 0 and 802.1ad included', 'Send the frame untagged.'),
  row(
    'encapsulated',
    false,
    'kernel',
    'an LLC or SNAP frame, which may hide what EtherType filters look for, ARP too',
    'Send Ethernet II frames.',
  ),
  row(
    'ethertype',
    false,
    'kernel',
    'an EtherType that guests may not send (allowed: IPv4, IPv6, ARP, RARP)',
    'None: default deny.',
  ),
  row(
    'rate-limited',
    false,
    'agent',
    'more frames about one address or VRID than the agent looks at; the guard decides about each of them all the same',
    'Send at most 250 a second; each address and VRID has a budget of its own.',
  ),
  row(
    'vrrp-source',
    false,
    'kernel',
    'VRRP whose IP source is not the port’s own',
    'Set the source to an address of the port (keepalived: unicast_src_ip, mcast_src_ip).',
  ),
  row('vrrp-checksum', false, 'agent', 'VRRP with a wrong checksum: no evidence', 'Send a correct checksum (RFC 9568, 5.2.8).'),
  row(
    'vrrp-ttl',
    false,
    'kernel',
    'multicast VRRP with a TTL other than 255: it may have been routed',
    'Send multicast adverts with TTL 255 (RFC 9568, 5.1.1.3).',
  ),
  row(
    'vrrp-malformed',
    false,
    'agent',
    'VRRP whose message is not in order: its version, type, VRID, length, addresses or interval; `explain` says which',
    'Send VRRP version 2 or 3 as RFC 3768 and RFC 9568 have it.',
  ),
  row(
    'vrrp-not-havip',
    false,
    'agent',
    'VRRP that lists no HAVIP which this instance may claim',
    'List a HAVIP of the port’s subnet in virtual_ipaddress.',
  ),
  row(
    'foreign-vrrp',
    false,
    'kernel',
    'VRRP into somebody else’s cluster: from a port that may claim nothing, under another cluster’s virtual router id, to a machine that is no fellow member, or about a HAVIP that is not the sender’s',
    'Make the instance a member of the HAVIP, or give its own cluster a `virtual_router_id` and unicast peers of its own.',
  ),
  row(
    'vrrp-hidden',
    false,
    'kernel',
    'VRRP with IP options, in a fragment, or behind an unusual AH header: in a form that no guard can read and no VRRP daemon sends',
    'Send it unfragmented, without IP options.',
  ),
  row(
    'probe-taken',
    false,
    'kernel',
    'ARP probe for an address that is somebody else’s: it would keep its owner from using it (RFC 5227, 2.1.1)',
    'Add the address to the port’s `addresses`, or make the instance a member of the HAVIP.',
  ),
  row(
    'source',
    false,
    'kernel',
    'IPv4 packet whose source address is neither the port’s own nor one of its HAVIPs',
    'Add the address to the port’s `addresses`; `router: true` for a port that routes or translates; `fence: false` for a HAVIP with LVS direct return; `sources: any` for a whole subnet.',
  ),
  row(
    'dhcp-offer',
    false,
    'kernel',
    'a DHCP server’s packet: UDP to port 68, over IPv6 to 546, which is all that clients ask for',
    'Give a port whose guest serves DHCP `router: true`.',
  ),
  row(
    'nd-malformed',
    false,
    'kernel',
    'neighbour discovery that is not in the one form that every sender uses: hop limit 255, code 0, no option but the sender’s MAC or a nonce',
    'Send it in that form (RFC 4861, 4; RFC 4862, 5.4.2).',
  ),
  row(
    'nd-hidden',
    false,
    'kernel',
    'neighbour discovery or VRRP behind an extension header or in a fragment (RFC 6980), or IPv6 whose headers cannot be read to their end',
    'Send it directly behind the IPv6 header.',
  ),
  row(
    'router-advert',
    false,
    'kernel',
    'a router advertisement or renumbering: it would make the guest everybody’s router',
    'Give a port whose guest routes `router: true`.',
  ),
  row(
    'redirect',
    false,
    'kernel',
    'an ICMP or ICMPv6 redirect, or an ICMP router advertisement (RFC 1256): it would turn others’ packets to the guest',
    'Give a port whose guest routes `router: true`.',
  ),
  row(
    'fence',
    false,
    'kernel',
    'IPv4 packet whose source address is a HAVIP that another port holds',
    'Claim the HAVIP first; `fence: false` for LVS direct return, or arp_announce=2 where the guest only asks by ARP.',
  ),
  row(
    'vmac-held',
    false,
    'kernel',
    'a VRRP virtual MAC that another port holds: the bridge would send its holder’s packets here',
    'Give each cluster a `virtual_router_id` of its own; a member sends from it what is ARP or VRRP, and the rest when it holds it.',
  ),
  row(
    'nd-checksum',
    false,
    'agent',
    'neighbour discovery with a wrong checksum: receivers drop it',
    'Send a correct checksum (RFC 4443, 2.3).',
  ),
  row(
    'elsewhere',
    true,
    'agent',
    'came in by an uplink and is about no HAVIP: not judged',
    'None: what other hosts send is not this agent’s business.',
  ),
  row(
    'stranger',
    false,
    'agent',
    'a HAVIP claimed through an uplink by a machine that is no member of it on another host, as far as is known',
    'Add the machine to the HAVIP’s `members`, and its MAC to `peers`.',
  ),
  row('unknown-port', false, 'agent', 'a frame that belongs to no configured port', 'Add the port to the configuration.'),
  row(
    'link-control',
    false,
    'kernel',
    'what bridges and links say to each other (spanning tree, LACP, LLDP): guests send it in good faith, and it ends here',
    'None: a guest is no part of the host’s links.',
  ),
  apart(
    'cut',
    'a frame of which the capture did not keep what decides; the sender is not to blame',
    'Capture more of each frame (tcpdump -s 0); a live agent keeps 504 bytes.',
  ),
  apart(
    'towards-guest',
    'a frame on its way to the guest: only what guests send is judged',
    'None: judged is the port that sent it.',
  ),
] as const satisfies readonly VerdictRow[];

export type Reason = (typeof VERDICTS)[number]['name'];

function row<const N extends string>(name: N, pass: boolean, by: VerdictRow['by'], means: string, opposite: string) {
  return { name, pass, judged: true, by, means, opposite } as const;
}

function apart<const N extends string>(name: N, means: string, opposite: string) {
  return { name, pass: true, judged: false, by: 'agent', means, opposite } as const;
}

export type Answer = 'accept' | 'drop' | 'not judged';

export function answerOf({ pass, judged }: VerdictRow): Answer {
  return judged ? (pass ? 'accept' : 'drop') : 'not judged';
}

/** Index of each reason: `V['probe']`. Hot code copies what it needs into constants. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.fromEntries forgets its keys
export const V = Object.fromEntries(VERDICTS.map((verdict, index) => [verdict.name, index])) as Readonly<Record<Reason, number>>;

export function reasonOf(verdict: number): Reason {
  const found = VERDICTS[verdict];
  if (found === undefined) throw new RangeError(`no verdict ${verdict}`);
  return found.name;
}

/** Labels of `havip_frames_total{protocol}`; the index is the counter slot. */
export const PROTOCOLS = ['other', 'arp', 'rarp', 'vrrp', 'nd'] as const;
