/** The main thread's end of a lane: slots become claims, in order of capture across both rings. A ClaimSource. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { joinMac } from '../base/mac.ts';
import { LINK_STATES } from '../base/network.ts';
import type { Claim, ClaimSource, LinkChange, VrrpFacts } from './claim.ts';
import type { Lane } from './lane.ts';
import type { ClaimRing } from './ring.ts';
import { AUTHS, CHECKSUMS, CLAIM_KINDS, type ClaimSlots, FRAME_AT } from './slot.ts';
import * as SLOT from './slot.ts';

const { CAPTURED_NS, CARRIERS, HAVIP, IFINDEX, INTERVAL_MS, KIND, LENGTH, LINK, MAC_HIGH, MAC_LOW, PASSWORD, PORT, STATE } = SLOT;
const { VERDICT, VRID, VRRP_FORM } = SLOT;

export class LaneReader implements ClaimSource {
  readonly #lane: Lane;
  #seen: number;

  constructor(lane: Lane) {
    this.#lane = lane;
    this.#seen = lane.doorbell;
  }

  drain(onClaim: (claim: Claim) => void, onLink: (change: LinkChange) => void, most: number): void {
    const { urgent, routine } = this.#lane;
    this.#seen = this.#lane.doorbell;
    for (let count = 0; count < most; count++) {
      const ring = older(urgent, routine);
      if (ring === null) return;
      const slot = ring.peek();
      const word = slot >> 2;
      if (ring.words[word + KIND] === LINK) {
        const change = readLink(ring, word);
        ring.giveBack();
        onLink(change);
      } else {
        const claim = readClaim(ring, slot);
        ring.giveBack();
        onClaim(claim);
      }
    }
  }

  wait(): Promise<void> {
    const { urgent, routine } = this.#lane;
    // A bell that rang already is answered at once: without this a flood would keep the event loop in its promises.
    return older(urgent, routine) === null ? this.#lane.rung(this.#seen) : nextTurn();
  }
}

/** The ring whose oldest slot was captured first; null when both are empty. */
function older(a: ClaimRing, b: ClaimRing): ClaimRing | null {
  const inA = a.peek();
  const inB = b.peek();
  if (inA < 0) return inB < 0 ? null : b;
  if (inB < 0) return a;
  return b.doubles[inB / 8 + CAPTURED_NS]! < a.doubles[inA / 8 + CAPTURED_NS]! ? b : a;
}

function readLink(ring: ClaimRing, word: number): LinkChange {
  return {
    port: ring.words[word + PORT]!,
    state: LINK_STATES[ring.words[word + STATE]!]!,
    ifindex: ring.words[word + IFINDEX]!,
    carriers: ring.words[word + CARRIERS]!,
    atNs: ring.doubles[word / 2 + CAPTURED_NS]!,
  };
}

/** One slot as a claim, copied out. */
export function readClaim({ words, doubles, bytes }: ClaimSlots, slot: number): Claim {
  const w = slot >> 2;
  const frame = bytes.slice(slot + FRAME_AT, slot + FRAME_AT + words[w + LENGTH]!);
  const vrrp = words[w + VRRP_FORM] === 0 ? null : readVrrp(words, w, frame);
  const passwordAt = vrrp === null ? 0 : words[w + PASSWORD]! & 0xffff;
  const rawFrame = passwordAt > 0 && vrrp?.auth === 'pass' ? frame.slice() : null;
  if (passwordAt > 0) blankPassword(frame, passwordAt, words[w + PASSWORD]! >>> 16);
  const claim = {
    kind: CLAIM_KINDS[words[w + KIND]!]!,
    verdict: words[w + VERDICT]!,
    port: words[w + PORT]!,
    havip: words[w + HAVIP]!,
    mac: joinMac(words[w + MAC_HIGH]!, words[w + MAC_LOW]!),
    capturedNs: doubles[w / 2 + CAPTURED_NS]!,
    vrrp,
    frame,
  };
  return rawFrame === null ? claim : { ...claim, rawFrame };
}

/**
 * Zeroes the password and takes it out of the checksum (RFC 1624, equation 3), so that a right checksum stays right and a wrong one
 * wrong: a recorded frame replays as it was judged.
 */
function blankPassword(frame: Uint8Array, passwordAt: number, messageAt: number): void {
  if (frame.length < passwordAt + 8) {
    frame.fill(0, passwordAt);
    return;
  }
  const view = new DataView(frame.buffer, frame.byteOffset);
  let sum = ~view.getUint16(messageAt + 6) & 0xffff;
  for (let at = passwordAt; at < passwordAt + 8; at += 2) sum += ~view.getUint16(at) & 0xffff;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame.fill(0, passwordAt, passwordAt + 8);
  view.setUint16(messageAt + 6, ~sum & 0xffff);
}

/** Of a message that could be read, so its IP header is whole. */
function readVrrp(words: Int32Array, w: number, frame: Uint8Array): VrrpFacts {
  const form = words[w + VRRP_FORM]!;
  const view = new DataView(frame.buffer, frame.byteOffset);
  const six = view.getUint16(12) === 0x86dd;
  return {
    version: (form & 0xff) === 2 ? 2 : 3,
    vrid: words[w + VRID]! & 0xff,
    priority: (words[w + VRID]! >> 8) & 0xff,
    intervalMs: words[w + INTERVAL_MS]!,
    auth: AUTHS[(form >> 8) & 0xff]!,
    checksum: CHECKSUMS[(form >> 16) & 0xff]!,
    unicast: form >> 24 !== 0,
    ...(six && { family: 'ipv6' as const }),
    source: view.getUint32(six ? 34 : 26),
    destination: view.getUint32(six ? 50 : 30),
  };
}
