/** The main thread's end of a lane: slots become claims, in order of capture across both rings. A ClaimSource. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { joinMac } from '../base/mac.ts';
import type { Claim, ClaimKind, ClaimSource, LinkChange, VrrpFacts } from './claim.ts';
import type { Lane } from './lane.ts';
import { type ClaimRing, type ClaimSlots, FRAME_AT } from './ring.ts';
import { LINK } from './writer.ts';

/** In the order of the writer's constants. */
const CLAIM_KINDS: readonly ClaimKind[] = ['announce', 'advert', 'release', 'relocate', 'refused'];
const LINK_STATES: readonly LinkChange['state'][] = ['absent', 'down', 'up'];
const AUTHS: readonly VrrpFacts['auth'][] = ['none', 'pass', 'ah', 'hmac'];
const CHECKSUMS: readonly VrrpFacts['checksum'][] = ['v2', 'v2', 'pseudo', 'plain', 'pseudo-multicast'];

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
      if (ring.words[word + 3] === LINK) {
        const change = readLink(ring, word);
        ring.release();
        onLink(change);
      } else {
        const claim = readClaim(ring, slot);
        ring.release();
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
  return b.doubles[inB / 8 + 4]! < a.doubles[inA / 8 + 4]! ? b : a;
}

function readLink(ring: ClaimRing, word: number): LinkChange {
  return {
    port: ring.words[word + 1]!,
    state: LINK_STATES[ring.words[word]!]!,
    ifindex: ring.words[word + 2]!,
    atNs: ring.doubles[word / 2 + 4]!,
  };
}

/** One slot as a claim, copied out. */
export function readClaim({ words, doubles, bytes }: ClaimSlots, slot: number): Claim {
  const w = slot >> 2;
  const frame = bytes.slice(slot + FRAME_AT, slot + FRAME_AT + words[w + 7]!);
  const vrrp = words[w + 10] === 0 ? null : readVrrp(words, w);
  const passwordAt = vrrp === null ? 0 : words[w + 15]! & 0xffff;
  const rawFrame = passwordAt > 0 && vrrp?.auth === 'pass' ? frame.slice() : null;
  if (passwordAt > 0) blankPassword(frame, passwordAt, words[w + 15]! >>> 16);
  const claim = {
    kind: CLAIM_KINDS[words[w + 3]!]!,
    verdict: words[w]!,
    port: words[w + 1]!,
    havip: words[w + 2]!,
    mac: joinMac(words[w + 4]!, words[w + 5]!),
    address: words[w + 6]! >>> 0,
    capturedNs: doubles[w / 2 + 4]!,
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

function readVrrp(words: Int32Array, w: number): VrrpFacts {
  const facts = words[w + 10]!;
  return {
    version: (facts & 0xff) === 2 ? 2 : 3,
    vrid: words[w + 11]! & 0xff,
    priority: (words[w + 11]! >> 8) & 0xff,
    intervalMs: words[w + 12]!,
    auth: AUTHS[(facts >> 8) & 0xff]!,
    checksum: CHECKSUMS[(facts >> 16) & 0xff]!,
    unicast: facts >> 24 !== 0,
    source: words[w + 13]! >>> 0,
    destination: words[w + 14]! >>> 0,
  };
}
