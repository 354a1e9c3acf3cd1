/**
 * Claims of one stretch of a capture file, one after the other: slots (slot.ts), each only as long as its frame.
 * Written whole by one thread and handed over to another that reads it.
 *
 * A tape holds 110 bytes for an ordinary claim, where a ring holds 512: of rings of their own, the claims of a file took four times
 * the memory, and their reader a third of its time to fetch them from the writer's core.
 */
import { type ClaimSink, FRAME_AT, LENGTH, SLOT_BYTES } from './slot.ts';

const FIRST_BYTES = 64 * 1024;

export class ClaimTape implements ClaimSink {
  words!: Int32Array;
  doubles!: Float64Array;
  bytes!: Uint8Array;
  #used = 0;

  constructor(memory = new ArrayBuffer(FIRST_BYTES)) {
    this.#attach(memory);
  }

  #attach(memory: ArrayBuffer): void {
    this.words = new Int32Array(memory);
    this.doubles = new Float64Array(memory);
    this.bytes = new Uint8Array(memory);
  }

  /** Writer: where the next slot will be. */
  get used(): number {
    return this.#used;
  }

  /** Writer: byte offset of a free slot. */
  reserve(): number {
    if (this.#used + SLOT_BYTES > this.bytes.length) {
      const { bytes } = this;
      this.#attach(new ArrayBuffer(bytes.length * 2));
      this.bytes.set(bytes);
    }
    return this.#used;
  }

  /** Writer: keeps the reserved slot. */
  publish(): void {
    this.#used = this.after(this.#used);
  }

  /** Writer: a copy of all that was kept, for another thread; the tape is blank again. */
  cut(): ArrayBuffer {
    const claims = this.bytes.slice(0, this.#used).buffer;
    this.#used = 0;
    return claims;
  }

  /** Byte offset of the slot behind this one. */
  after(slot: number): number {
    return slot + FRAME_AT + ((this.words[(slot >> 2) + LENGTH]! + 7) & ~7);
  }
}
