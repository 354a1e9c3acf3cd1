/** The worker's end of a lane: verdicts that matter become slots of a ring. Hot: no allocation. */
import { V, VERDICTS } from '../base/verdict.ts';
import { type Sighting, VRRP } from '../decode/sighting.ts';
import type { Lane } from './lane.ts';
import { type ClaimSink, FRAME_AT, FRAME_BYTES } from './ring.ts';

/** Kinds of a slot; the first five are claims in the order of CLAIM_KINDS, the last is a link change. */
export const ANNOUNCE = 0;
export const ADVERT = 1;
export const RELEASE = 2;
export const RELOCATE = 3;
export const REFUSED = 4;
export const LINK = 5;

const VRRP_GROUP = 0xe000_0012 | 0;

/**
 * Writes one claim; false when the ring is full (counted).
 * @param havip index or -1
 * @param at offset of the frame in `bytes`
 */
export function pushClaim(
  lane: Pick<Lane, 'tallies'>,
  ring: ClaimSink,
  kind: number,
  verdict: number,
  port: number,
  havip: number,
  address: number,
  capturedNs: number,
  s: Sighting,
  bytes: Uint8Array,
  at: number,
  captured: number,
): boolean {
  const slot = ring.reserve();
  if (slot < 0) {
    lane.tallies[1]!++;
    return false;
  }
  const { words } = ring;
  const w = slot >> 2;
  const isVrrp = s.protocol === VRRP;
  // A message that could not be read may still hold a password somewhere: keep its IP header only.
  const length = Math.min(captured, isVrrp && s.vrrpVersion === 0 ? 34 : FRAME_BYTES);
  words[w] = verdict;
  words[w + 1] = port;
  words[w + 2] = havip;
  words[w + 3] = kind;
  words[w + 4] = isVrrp ? s.sourceHigh : s.senderHigh;
  words[w + 5] = isVrrp ? s.sourceLow : s.senderLow;
  words[w + 6] = address;
  words[w + 7] = length;
  ring.doubles[w / 2 + 4] = capturedNs;
  if (isVrrp) {
    const unicast = s.ipDestination === VRRP_GROUP ? 0 : 1;
    words[w + 10] = s.vrrpVersion | (s.vrrpAuth << 8) | (s.vrrpChecksum << 16) | (unicast << 24);
    words[w + 11] = s.vrid | (s.priority << 8);
    words[w + 12] = s.intervalMs;
    words[w + 13] = s.ipSource;
    words[w + 14] = s.ipDestination;
    words[w + 15] = s.vrrpVersion === 2 ? (s.addressesAt + 4 * s.addressCount) | ((s.addressesAt - 8) << 16) : 0;
  } else {
    words[w + 10] = 0;
  }
  // Not set(subarray()): that would make a view for each claim, to copy 42 bytes.
  const to = ring.bytes;
  for (let i = 0; i < length; i++) to[slot + FRAME_AT + i] = bytes[at + i]!;
  ring.publish();
  return true;
}

/** Writes a link change; the state is an index into LINK_STATES. False when the ring is full: the caller tries again. */
export function pushLink(lane: Lane, port: number, state: number, ifindex: number, atNs: number): boolean {
  const ring = lane.urgent;
  const slot = ring.reserve();
  if (slot < 0) return false;
  const w = slot >> 2;
  ring.words[w] = state;
  ring.words[w + 1] = port;
  ring.words[w + 2] = ifindex;
  ring.words[w + 3] = LINK;
  ring.doubles[w / 2 + 4] = atNs;
  ring.publish();
  return true;
}

/** By verdict: what kind of claim it makes, or -1. A table: asking V by name costs four lookups for every frame. */
const KINDS = new Int8Array(VERDICTS.length).fill(-1);
KINDS[V['havip-claim']] = ANNOUNCE;
KINDS[V['vrrp-advert']] = ADVERT;
KINDS[V['vrrp-resign']] = RELEASE;
KINDS[V['rarp-announce']] = RELOCATE;

/** Accepted verdicts that make no claim need no words. */
export function kindOf(verdict: number): number {
  return KINDS[verdict]!;
}
