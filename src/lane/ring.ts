/**
 * A ring of fixed slots in shared memory: one worker writes, the main thread reads. Neither waits for the other; a full ring
 * refuses, and the refusal is counted.
 *
 * One slot, 512 bytes:
 *
 *     word 0 verdict | 1 port | 2 havip | 3 kind | 4 mac high | 5 mac low | 6 address | 7 frame bytes
 *     word 8-9 capturedNs, a double | 10 version, auth, checksum, unicast: 8 bits each | 11 vrid, priority: 8 bits each
 *     word 12 intervalMs | 13 IP source | 14 IP destination | 15 where the 8 password bytes and the VRRP message start in the frame: 16 bits each, or 0
 *     bytes 64..511 the frame's first bytes
 *
 * `head` counts slots written, `tail` slots read, both for ever; their difference is what waits. The writer publishes a slot by
 * storing head after it, so a reader that sees head sees the slot.
 */
import { assert } from '../base/assert.ts';

export const SLOT_BYTES = 512;
export const FRAME_AT = 64;
export const FRAME_BYTES = SLOT_BYTES - FRAME_AT;

/** What claims are read from, three views of the same memory; a slot is its byte offset. */
export interface ClaimSlots {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly bytes: Uint8Array;
}

/** What claims are written to. */
export interface ClaimSink extends ClaimSlots {
  /** Byte offset of a free slot; -1: there is none. The views are valid after it. */
  reserve(): number;
  /** Makes the reserved slot visible. */
  publish(): void;
}

const HEAD = 0;
const TAIL = 1;
const HEADER_BYTES = 64;

export class ClaimRing implements ClaimSink {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly bytes: Uint8Array;
  readonly #ends: Int32Array;
  readonly #mask: number;

  /** Bytes of shared memory for so many slots. */
  static bytesFor(slots: number): number {
    return HEADER_BYTES + slots * SLOT_BYTES;
  }

  constructor(memory: SharedArrayBuffer, at: number, slots: number) {
    assert(slots > 0 && (slots & (slots - 1)) === 0, 'a ring has a power of two of slots');
    this.#ends = new Int32Array(memory, at, 2);
    this.#mask = slots - 1;
    this.words = new Int32Array(memory, at + HEADER_BYTES, (slots * SLOT_BYTES) / 4);
    this.doubles = new Float64Array(memory, at + HEADER_BYTES, (slots * SLOT_BYTES) / 8);
    this.bytes = new Uint8Array(memory, at + HEADER_BYTES, slots * SLOT_BYTES);
  }

  /** Writer: byte offset of a free slot, or -1 when the ring is full. */
  reserve(): number {
    const head = this.#ends[HEAD]!;
    if (((head - Atomics.load(this.#ends, TAIL)) | 0) > this.#mask) return -1;
    return (head & this.#mask) * SLOT_BYTES;
  }

  /** Writer: makes the reserved slot visible. */
  publish(): void {
    Atomics.store(this.#ends, HEAD, (this.#ends[HEAD]! + 1) | 0);
  }

  /** Reader: byte offset of the oldest slot, or -1 when nothing waits. */
  peek(): number {
    const tail = this.#ends[TAIL]!;
    return tail === Atomics.load(this.#ends, HEAD) ? -1 : (tail & this.#mask) * SLOT_BYTES;
  }

  /** Reader: gives the slot back. */
  release(): void {
    Atomics.store(this.#ends, TAIL, (this.#ends[TAIL]! + 1) | 0);
  }
}
