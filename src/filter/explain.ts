/**
 * A verdict in words. Main thread. What the judge says in one integer is looked up again in the network, for a person.
 */
import { formatIpv4 } from '../base/address.ts';
import { formatMac, joinMac } from '../base/mac.ts';
import type { Havip, Network, Port } from '../base/network.ts';
import { mayClaim } from '../base/rights.ts';
import { havipsOf } from '../base/sorted.ts';
import { type Answer, answerOf, V, VERDICTS } from '../base/verdict.ts';
import type { Reason, VerdictRow } from '../base/verdict.ts';
import { must } from '../base/assert.ts';
import { viewOf } from '../decode/bytes.ts';
import { isCut } from '../decode/cut.ts';
import { decodeFrame } from '../decode/frame.ts';
import { isCarp } from '../decode/vrrp.ts';
import { ARP, RARP, Sighting, VRRP } from '../decode/sighting.ts';
import { because6, describeIpv6, isIpv6 } from './explain6.ts';
import { faultIn } from './faults.ts';
import { judge } from './judge.ts';
import { newHeld } from './held.ts';
import { compilePolicy } from './compile.ts';
import type { Policy } from './policy.ts';

export interface Explanation {
  readonly verdict: Answer;
  readonly reason: Reason;
  readonly means: string;
  /** What the frame is. */
  readonly frame: string;
  /** The HAVIP that the verdict is about. */
  readonly havip: string | null;
  /** What in the configuration led to it. */
  readonly because: readonly string[];
  /** Who would act on a drop: see VerdictRow. */
  readonly actsOnDrop: VerdictRow['by'];
  readonly opposite: string;
}

/** How a capture shows a frame. */
interface View {
  /** Bytes on the wire. */
  readonly length: number;
  /** On its way to a guest. */
  readonly away: boolean;
}

const WHOLE: View = { length: 0, away: false };

function unlessCut(verdict: number, frame: Uint8Array, length: number): number {
  return length > frame.length && isCut(verdict, viewOf(frame), 0, frame.length, length) ? V.cut : verdict;
}

/**
 * @param port null for an interface that is no configured port
 * @param policy the network's, with who holds what; without it nobody holds anything
 */
export function explainFrame(
  network: Network,
  port: Port | null,
  frame: Uint8Array,
  view: View = WHOLE,
  policy: Policy = compilePolicy(network).seeing(newHeld(network)),
): Explanation {
  const sighting = new Sighting();
  const said = judge(policy, frame, 0, frame.length, 0, port?.index ?? -1, sighting);
  const verdict = view.away ? V['towards-guest'] : unlessCut(said, frame, view.length);
  const row = must(VERDICTS[verdict], 'the judge knows its verdicts');
  decodeFrame(frame, 0, frame.length, 0, sighting);
  const six = isIpv6(frame);
  return {
    verdict: answerOf(row),
    reason: row.name,
    means: row.means,
    frame: six ? describeIpv6(sighting, frame) : describeFrame(sighting, isCarp(viewOf(frame), 0, frame.length)),
    havip: network.havips[sighting.havip]?.id ?? null,
    because:
      port === null ? [] : [...faults(row.name, frame), ...(six ? because6 : because)(row.name, network, port, sighting, frame)],
    actsOnDrop: row.by,
    opposite: row.opposite,
  };
}

function describeFrame(s: Sighting, carp: boolean): string {
  const source = mac(s.sourceHigh, s.sourceLow);
  if (s.protocol === ARP || s.protocol === RARP) {
    const name = s.protocol === RARP ? 'RARP' : `ARP ${['', 'request', 'reply'][s.operation] ?? `operation ${s.operation}`}`;
    const sender = `sender ${formatIpv4(s.senderAddress)} at ${mac(s.senderHigh, s.senderLow)}`;
    return `${name}, ${sender}, target ${formatIpv4(s.targetAddress)}, Ethernet source ${source}`;
  }
  if (s.protocol === VRRP) {
    const route = `${formatIpv4(s.ipSource)} to ${formatIpv4(s.ipDestination)}, Ethernet source ${source}`;
    if (carp) return `CARP, ${route}`;
    if (s.vrrpFault !== -1) return `VRRP, ${route}`;
    return `VRRP version ${s.vrrpVersion}, VRID ${s.vrid}, priority ${s.priority}, ${route}`;
  }
  return `frame with Ethernet source ${source}`;
}

function faults(reason: Reason, frame: Uint8Array): string[] {
  const fault = faultIn(reason, frame);
  return fault === null ? [] : [fault];
}

/** The values that decided, for the reasons that depend on the configuration. */
function because(reason: Reason, network: Network, port: Port, s: Sighting, frame: Uint8Array): string[] {
  const havip = network.havips[s.havip];
  const here = `port ${port.interface} (${port.instance})`;
  switch (reason) {
    case 'own-address':
      return [`${formatIpv4(s.senderAddress)} is one of the \`addresses\` of ${here}`];
    case 'havip-claim':
    case 'vrrp-advert':
    case 'vrrp-resign':
      return [
        `${havip?.id} is a HAVIP of the port's subnet, and ${havip?.members === null ? 'any instance there' : port.instance} may claim it`,
      ];
    case 'not-havip':
      return [whoseAddress(network, port, s.senderAddress)];
    case 'probe-taken':
      return [whoseAddress(network, port, s.targetAddress)];
    case 'source':
    case 'fence':
      return [whoseAddress(network, port, sourceOf(frame))];
    case 'foreign-vrrp':
      return whyForeign(network, port, frame, havip);
    case 'vmac-held':
      return [`${mac(s.sourceHigh, s.sourceLow)} is the virtual MAC under which ${havip?.id} is held`];
    case 'foreign-subnet':
      return [`${havip?.id} belongs to ${subnet(network, havip?.subnet)}, ${here} is in ${subnet(network, port.subnet)}`];
    case 'not-member':
      return [`members of ${havip?.id} are ${havip?.members?.join(', ') || 'none'}; ${here} is not among them`];
    case 'mac-mismatch':
      return [`the MAC of ${here} is ${formatMac(port.mac)}`];
    case 'vrrp-source':
      return [`${formatIpv4(s.ipSource)} is neither an address of ${here} nor a HAVIP that it may claim`];
    case 'vrrp-ttl':
      return [`the TTL is ${s.ttl}`];
    default:
      return [];
  }
}

function whyForeign(network: Network, port: Port, frame: Uint8Array, havip: Havip | null | undefined): string[] {
  if (!havipsOf(network, port.subnet).some((one) => mayClaim(port, one)))
    return [`port ${port.interface} (${port.instance}) may claim no HAVIP`];
  if (havip) return [`it names ${havip.id}, which port ${port.interface} (${port.instance}) may not claim`];
  return [whoseAddress(network, port, new DataView(frame.buffer, frame.byteOffset).getUint32(30))];
}

function sourceOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(26);
}

function whoseAddress(network: Network, port: Port, address: number): string {
  const text = formatIpv4(address >>> 0);
  const owner = network.ports.find((other) => other?.vpc === port.vpc && other.addresses.includes(address >>> 0));
  if (owner) return `${text} is the fixed address of port ${owner.interface} (${owner.instance})`;
  const havip = network.havips.find((other) => other?.vpc === port.vpc && other.address === address >>> 0);
  if (havip) return `${text} is ${havip.id}, a HAVIP of ${subnet(network, havip.subnet)}; its members: ${membersOf(havip)}`;
  const gateway = network.subnets.find((other) => other?.vpc === port.vpc && other.gateway === address >>> 0);
  if (gateway) return `${text} is the gateway of ${gateway.id}`;
  const own = port.addresses.map(formatIpv4).join(', ') || 'none';
  return `${text} is no HAVIP of ${network.vpcs[port.vpc]?.id}; the port's own addresses: ${own}`;
}

function membersOf({ members }: Havip): string {
  return members === null ? 'every instance of the subnet' : members.join(', ') || 'none';
}

function subnet(network: Network, index: number | undefined): string {
  return network.subnets[index ?? -1]?.id ?? 'no subnet';
}

function mac(high: number, low: number): string {
  return formatMac(joinMac(high, low));
}
