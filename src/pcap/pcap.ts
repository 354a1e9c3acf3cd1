/**
 * The pcap format (draft-ietf-opsawg-pcap): a file header of 24 bytes, then records. Both byte orders, micro- and nanoseconds.
 *
 *      0      4         8        12     16
 *      | sec  | us / ns | caplen | len  | caplen bytes of frame
 *
 * Hot: `gather` turns once per frame. DataView reads become single unaligned loads in optimised code.
 */
import * as C from './section.ts';
import { cookedShift, uncook } from './cooked.ts';
import { type Batch, isReadable, nameLinkType, type Records, type Section } from './section.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { BAD, GOOD, MAX_FRAME_BYTES, MORE } = C;
export const PCAP_HEADER_BYTES = 24;
const RECORD_BYTES = 16;
const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
/** How far from the file's first timestamp a record may plausibly lie. */
const PLAUSIBLE_SPAN_SECONDS = 366 * 86_400;

/** The section that a file header declares; a string says why it cannot be read; null: this is no pcap file. */
export function readPcapHeader(bytes: Uint8Array): Section | string | null {
  if (bytes.length < 4) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const littleEndian = [MICROSECONDS, NANOSECONDS].includes(view.getUint32(0, true));
  const magic = view.getUint32(0, littleEndian);
  if (magic !== MICROSECONDS && magic !== NANOSECONDS) return null;
  if (bytes.length < PCAP_HEADER_BYTES) return `the file ends inside its header: ${bytes.length} of ${PCAP_HEADER_BYTES} bytes`;
  const linkType = view.getUint32(20, littleEndian) & 0xffff;
  if (!isReadable(linkType)) return `${nameLinkType(linkType)} is not Ethernet: capture on the guest's interface`;
  const snapLength = view.getUint32(16, littleEndian);
  const ticksPerSecond = magic === NANOSECONDS ? 1_000_000_000n : 1_000_000n;
  return { format: 'pcap', littleEndian, interfaces: [{ name: '', linkType, snapLength, ticksPerSecond, offsetSeconds: 0n }] };
}

export class PcapRecords implements Records {
  problem = '';
  readonly section: Section;
  readonly skipped: ReadonlyMap<string, number> = new Map();
  readonly untimed = 0;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #baseSeconds: number;
  readonly #ticksPerSecond: number;
  readonly #linkType: number;
  /** From a record's first byte to its frame's. */
  readonly #headBytes: number;

  constructor(view: DataView, section: Section, baseSeconds: number) {
    this.#view = view;
    this.section = section;
    this.#littleEndian = section.littleEndian;
    this.#baseSeconds = baseSeconds;
    this.#ticksPerSecond = Number(section.interfaces[0]?.ticksPerSecond);
    this.#linkType = section.interfaces[0]?.linkType ?? 0;
    this.#headBytes = RECORD_BYTES + cookedShift(this.#linkType);
  }

  gather(from: number, stop: number, end: number, batch: Batch): number {
    const { offsets, captured, seconds } = batch;
    const view = this.#view;
    const littleEndian = this.#littleEndian;
    let at = from;
    let count = 0;
    let reached = GOOD;
    while (at < stop && count < offsets.length) {
      if (at + RECORD_BYTES > end) {
        reached = MORE;
        break;
      }
      const bytes = view.getInt32(at + 8, littleEndian);
      const next = at + RECORD_BYTES + bytes;
      // As an unsigned number, 0 and what is negative are too great.
      if ((bytes - 1) >>> 0 >= MAX_FRAME_BYTES || next > end) {
        reached = this.step(at, end);
        break;
      }
      offsets[count] = at + RECORD_BYTES;
      captured[count] = bytes;
      seconds[count] = view.getInt32(at, littleEndian);
      count++;
      at = next;
    }
    batch.count = count;
    batch.next = at;
    batch.directed = false;
    if (this.#headBytes !== RECORD_BYTES) for (let i = 0; i < count; i++) uncook(view, batch, i, this.#linkType);
    return reached;
  }

  step(at: number, end: number): number {
    if (at + RECORD_BYTES > end) return MORE;
    const captured = this.#view.getInt32(at + 8, this.#littleEndian);
    if (captured <= 0 || captured > MAX_FRAME_BYTES) {
      this.problem = `the record says ${captured >>> 0} bytes; a frame has 1 to ${MAX_FRAME_BYTES}`;
      return BAD;
    }
    const next = at + RECORD_BYTES + captured;
    return next > end ? MORE : next;
  }

  plausible(at: number, end: number): boolean {
    if (at + RECORD_BYTES > end) return false;
    const [seconds, fraction, captured, length] = [0, 4, 8, 12].map((field) =>
      this.#view.getUint32(at + field, this.#littleEndian),
    );
    return (
      captured! > 0 &&
      captured! <= length! &&
      length! <= MAX_FRAME_BYTES &&
      fraction! < this.#ticksPerSecond &&
      Math.abs(seconds! - this.#baseSeconds) < PLAUSIBLE_SPAN_SECONDS
    );
  }

  timeNs(batch: Batch, index: number): number {
    const at = batch.offsets[index]! - this.#headBytes;
    // Half a second more and less makes them doubles from the start: V8 would compile for integers first, and anew after 2^31 ns.
    const seconds = this.#view.getUint32(at, this.#littleEndian) - this.#baseSeconds + 0.5;
    return seconds * 1e9 + (this.#view.getUint32(at + 4, this.#littleEndian) * (1e9 / this.#ticksPerSecond) - 0.5e9);
  }

  lengthOf(batch: Batch, index: number): number {
    const at = batch.offsets[index]! - this.#headBytes;
    return this.#view.getUint32(at + 12, this.#littleEndian) - (this.#headBytes - RECORD_BYTES);
  }
}
