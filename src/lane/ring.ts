/**
 * A ring of slots (slot.ts) in shared memory: one worker writes, the main thread reads. Neither waits for the other; a full ring
 * refuses, and the refusal is counted.
 *
 * `head` counts slots written, `tail` slots read, both for ever; their difference is what waits. The writer publishes a slot by
 * storing head after it, so a reader that sees head sees the slot.
 */
import { assert } from '../base/assert.ts';
import { type ClaimSink, SLOT_BYTES } from './slot.ts';

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
  giveBack(): void {
    Atomics.store(this.#ends, TAIL, (this.#ends[TAIL]! + 1) | 0);
  }
}
