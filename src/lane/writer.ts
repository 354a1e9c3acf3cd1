/** The worker's end of a lane: verdicts that matter become slots of a ring. Hot: no allocation. */
import { V, VERDICTS } from '../base/verdict.ts';
import { NONE, OTHER, type Sighting, VRRP, VRRP_GROUP } from '../decode/sighting.ts';
import type { Lane } from './lane.ts';
import * as LANE from './lane.ts';
import type { ClaimSink } from './slot.ts';
import * as SLOT from './slot.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { RING_FULL } = LANE;
const { ADVERT, ANNOUNCE, REFUSED, RESIGN, RELOCATE } = SLOT;
const { CAPTURED_NS, CARRIERS, FRAME_AT, FRAME_BYTES, HAVIP, IFINDEX, INTERVAL_MS, KIND, LENGTH, LINK, MAC_HIGH, MAC_LOW } = SLOT;
const { PASSWORD, PORT, STATE, VERDICT, VRID, VRRP_FORM } = SLOT;

/**
 * Writes one claim; false when there is no room (counted).
 * @param tallies of the lane
 * @param havip index or -1
 * @param s the frame's, decoded
 * @param at offset of the frame in `bytes`
 */
export function pushClaim(
  tallies: Float64Array,
  sink: ClaimSink,
  kind: number,
  verdict: number,
  port: number,
  havip: number,
  capturedNs: number,
  s: Sighting,
  bytes: Uint8Array,
  at: number,
  captured: number,
): boolean {
  const slot = sink.reserve();
  if (slot < 0) {
    tallies[RING_FULL]!++;
    return false;
  }
  const { words } = sink;
  const w = slot >> 2;
  const isVrrp = s.protocol === VRRP;
  // What a frame does not say the sighting still says of an earlier one.
  const saysSender = !isVrrp && s.protocol !== OTHER && s.fault === NONE;
  // A message that could not be read may still hold a password somewhere: keep its IP header only.
  const isUnread = isVrrp && s.vrrpVersion === 0;
  const headers = bytes[at + 12] === 0x86 ? 54 : 34;
  const length = Math.min(captured, isUnread ? headers : FRAME_BYTES);
  words[w + VERDICT] = verdict;
  words[w + PORT] = port;
  words[w + HAVIP] = havip;
  words[w + KIND] = kind;
  words[w + MAC_HIGH] = saysSender ? s.senderHigh : s.sourceHigh;
  words[w + MAC_LOW] = saysSender ? s.senderLow : s.sourceLow;
  words[w + LENGTH] = length;
  sink.doubles[w / 2 + CAPTURED_NS] = capturedNs;
  if (isVrrp && !isUnread) {
    const unicast = s.ipDestination === VRRP_GROUP ? 0 : 1;
    words[w + VRRP_FORM] = s.vrrpVersion | (s.vrrpAuth << 8) | (s.vrrpChecksum << 16) | (unicast << 24);
    words[w + VRID] = s.vrid | (s.priority << 8);
    words[w + INTERVAL_MS] = s.intervalMs;
    words[w + PASSWORD] = s.vrrpVersion === 2 ? (s.addressesAt + 4 * s.addressCount) | ((s.addressesAt - 8) << 16) : 0;
  } else {
    words[w + VRRP_FORM] = 0;
  }
  // Not set(subarray()): that would make a view for each claim, to copy 42 bytes.
  const to = sink.bytes;
  for (let i = 0; i < length; i++) to[slot + FRAME_AT + i] = bytes[at + i]!;
  sink.publish();
  return true;
}

/** Writes a link change; the state is an index into LINK_STATES. False when the ring is full: the caller tries again. */
export function pushLink(lane: Lane, port: number, state: number, ifindex: number, carriers: number, atNs: number): boolean {
  const ring = lane.urgent;
  const slot = ring.reserve();
  if (slot < 0) return false;
  const w = slot >> 2;
  ring.words[w + STATE] = state;
  ring.words[w + PORT] = port;
  ring.words[w + IFINDEX] = ifindex;
  ring.words[w + CARRIERS] = carriers;
  ring.words[w + KIND] = LINK;
  ring.doubles[w / 2 + CAPTURED_NS] = atNs;
  ring.publish();
  return true;
}

/** By verdict: the kind of claim that tells of it, or -1. A table: asking V by name costs four lookups for every frame. */
const KINDS = Int8Array.from(VERDICTS, ({ name, pass }) => (pass || name === 'unknown-port' ? -1 : REFUSED));
KINDS[V['havip-claim']] = ANNOUNCE;
KINDS[V['vrrp-advert']] = ADVERT;
KINDS[V['vrrp-resign']] = RESIGN;
// It lists no HAVIP: evidence of its sender's instance, not of a HAVIP.
KINDS[V['vrrp-not-havip']] = ADVERT;
KINDS[V['rarp-announce']] = RELOCATE;

/** -1: nobody is told of what is accepted and no claim, nor of what came from no known port. Of refusals samples are told. */
export function kindOf(verdict: number): number {
  return KINDS[verdict]!;
}
