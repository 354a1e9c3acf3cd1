/**
 * The pcapng format (draft-ietf-opsawg-pcapng): blocks whose length, a multiple of 4, stands at both ends. Sections of either byte
 * order, any number of interfaces, enhanced, simple and obsolete packet blocks; every other block is stepped over.
 *
 *      0      4        8                                                       length - 4
 *      | type | length | body                                                  | length |
 *      enhanced packet:  8 interface  12 time high  16 time low  20 caplen  24 len  28 frame, options
 *      obsolete packet:  the same, but 8 interface and 10 drops are 16 bits each
 *      simple packet:    8 len  12 frame
 *
 * A packet that cannot be judged, of a foreign link type or of an interface that the file has not declared, is stepped over and counted:
 * the blocks around it are none the worse.
 *
 * Warm: `step` runs once per block. Section and interface blocks are rare and may allocate.
 */
import { readInterface } from './pcapng-interface.ts';
import { cookedShift, uncook } from './cooked.ts';
import {
  BAD,
  type Batch,
  ETHERNET,
  GOOD,
  INBOUND,
  isReadable,
  MAX_FRAME_BYTES,
  MORE,
  nameLinkType,
  OUTBOUND,
} from './section.ts';
import type { Records, Section } from './section.ts';

export const SECTION_HEADER = 0x0a0d0d0a;
export const INTERFACE = 1;
const OBSOLETE_PACKET = 2;
const SIMPLE_PACKET = 3;
export const ENHANCED_PACKET = 6;
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Room for a frame of the greatest size and its options; a packet block that says more is garbage. */
const MAX_BLOCK_BYTES = MAX_FRAME_BYTES + 65_536;
/** epb_flags: the lowest two bits say inbound or outbound. */
const PACKET_FLAGS = 2;

/** What a pcapng file starts from; null: this is no pcapng file. The first block then says the rest. */
export function readPcapngMagic(bytes: Uint8Array): Section | null {
  const known = bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) === SECTION_HEADER;
  return known ? { format: 'pcapng', littleEndian: true, interfaces: [] } : null;
}

export class PcapngRecords implements Records {
  problem = '';
  section: Section;
  readonly #view: DataView;
  readonly #baseSeconds: number;
  #littleEndian: boolean;
  /** Per interface: its link type; 0 when frames of it cannot be judged. */
  #linkTypes: number[] = [];
  readonly skipped = new Map<string, number>();
  untimed = 0;
  #ticks: { high: number; low: number; nsPerTick: number }[] = [];
  // The frame that was stepped over last; #captured is -1 when it was another block.
  #offset = 0;
  #captured = -1;
  #interface = 0;
  #timeAt = -1;
  #direction = 0;

  constructor(view: DataView, section: Section, baseSeconds: number) {
    this.#view = view;
    this.#baseSeconds = baseSeconds;
    this.#littleEndian = section.littleEndian;
    this.section = section;
    this.#learn(section);
  }

  gather(from: number, stop: number, end: number, batch: Batch): number {
    let at = from;
    let count = 0;
    let reached = GOOD;
    batch.directed = false;
    while (at < stop && count < batch.offsets.length && !(count > 0 && this.#declares(at, end))) {
      const next = this.step(at, end);
      if (next < 0) {
        reached = next;
        break;
      }
      if (this.#captured >= 0) {
        batch.offsets[count] = this.#offset;
        batch.captured[count] = this.#captured;
        batch.interfaces[count] = this.#interface;
        batch.timesAt[count] = this.#timeAt;
        batch.seconds[count] = this.timeNs(batch, count) / 1e9;
        batch.directions[count] = this.#direction;
        batch.ifindexes[count] = 0;
        if (this.#direction !== 0) batch.directed = true;
        if (this.#timeAt < 0) this.untimed++;
        const linkType = this.#linkTypes[this.#interface]!;
        if (linkType !== ETHERNET) uncook(this.#view, batch, count, linkType);
        count++;
      }
      at = next;
    }
    batch.count = count;
    batch.next = at;
    return reached;
  }

  step(at: number, end: number): number {
    this.#captured = -1;
    if (at + 12 > end) return MORE;
    const type = this.#view.getInt32(at, this.#littleEndian);
    if (type === SECTION_HEADER) return this.#startSection(at, end);
    const size = this.#view.getUint32(at + 4, this.#littleEndian);
    if (size < 12 || (size & 3) !== 0) return this.#bad(`a block of ${size} bytes: not a multiple of 4 from 12 on`);
    if (type === ENHANCED_PACKET || type === OBSOLETE_PACKET || type === SIMPLE_PACKET) return this.#frame(at, end, type, size);
    if (type === INTERFACE) return this.#addInterface(at, end, size);
    if (at + size <= end && !this.#closes(at, size)) return BAD;
    return at + size;
  }

  /** A section or interface block: what comes before it must be understood before it is read. */
  #declares(at: number, end: number): boolean {
    if (at + 4 > end) return false;
    const type = this.#view.getInt32(at, this.#littleEndian);
    return type === SECTION_HEADER || type === INTERFACE;
  }

  #frame(at: number, end: number, type: number, size: number): number {
    const view = this.#view;
    const little = this.#littleEndian;
    const simple = type === SIMPLE_PACKET;
    const headerBytes = simple ? 12 : 28;
    if (size > MAX_BLOCK_BYTES || size < headerBytes + 4) return this.#bad(`a packet block of ${size} bytes`);
    if (at + size > end) return MORE;
    if (!this.#closes(at, size)) return BAD;

    const index = simple ? 0 : type === ENHANCED_PACKET ? view.getUint32(at + 8, little) : view.getUint16(at + 8, little);
    if ((this.#linkTypes[index] ?? 0) === 0) return this.#skip(this.#whyUnreadable(index), at + size);
    const captured = simple ? this.#simpleCaptured(at, size) : view.getUint32(at + 20, little);
    if (captured > size - headerBytes - 4 || captured > MAX_FRAME_BYTES)
      return this.#skip('packet blocks that say more bytes than they have', at + size);
    this.#interface = index;
    this.#offset = at + headerBytes;
    this.#captured = captured;
    this.#timeAt = simple ? -1 : at + 12;
    this.#direction = simple ? 0 : this.#directionIn(at + headerBytes + ((captured + 3) & ~3), at + size - 4);
    return at + size;
  }

  #skip(why: string, next: number): number {
    this.skipped.set(why, (this.skipped.get(why) ?? 0) + 1);
    return next;
  }

  /** What the options of a packet say of its direction; 0 when nothing. */
  #directionIn(from: number, end: number): number {
    for (let option = from; option + 8 <= end;) {
      const code = this.#view.getUint16(option, this.#littleEndian);
      const length = this.#view.getUint16(option + 2, this.#littleEndian);
      if (code === 0) return 0;
      if (code === PACKET_FLAGS && length === 4) {
        const flags = this.#view.getUint32(option + 4, this.#littleEndian) & 3;
        return flags === INBOUND || flags === OUTBOUND ? flags : 0;
      }
      option += 4 + ((length + 3) & ~3);
    }
    return 0;
  }

  /** A simple packet is cut at the snap length of interface 0 and does not say how much is left. */
  #simpleCaptured(at: number, size: number): number {
    const snap = this.section.interfaces[0]?.snapLength ?? 0;
    const length = this.#view.getUint32(at + 8, this.#littleEndian);
    return Math.min(length, snap === 0 ? length : snap, size - 16);
  }

  #startSection(at: number, end: number): number {
    if (at + 28 > end) return MORE;
    const little = this.#view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC;
    if (this.#view.getUint32(at + 8, little) !== BYTE_ORDER_MAGIC) return this.#bad('a section header without byte-order magic');
    const size = this.#view.getUint32(at + 4, little);
    if (size < 28 || (size & 3) !== 0 || size > MAX_BLOCK_BYTES) return this.#bad(`a section header of ${size} bytes`);
    if (at + size > end) return MORE;
    const major = this.#view.getUint16(at + 12, little);
    if (major !== 1) return this.#bad(`pcapng version ${major}; this reader knows version 1`);
    this.#littleEndian = little;
    if (!this.#closes(at, size)) return BAD;
    this.#learn({ format: 'pcapng', littleEndian: little, interfaces: [] });
    return at + size;
  }

  #addInterface(at: number, end: number, size: number): number {
    if (size < 20 || size > MAX_BLOCK_BYTES) return this.#bad(`an interface block of ${size} bytes`);
    if (at + size > end) return MORE;
    if (!this.#closes(at, size)) return BAD;
    const added = readInterface(this.#view, at, size, this.#littleEndian);
    this.#learn({ ...this.section, interfaces: [...this.section.interfaces, added] });
    return at + size;
  }

  #learn(section: Section): void {
    this.section = section;
    this.#linkTypes = section.interfaces.map(({ linkType }) => (isReadable(linkType) ? linkType : 0));
    this.#ticks = section.interfaces.map((one) => {
      // Ticks at the base second, so that differences are exact in doubles: nanoseconds since 1970 are not.
      const base = (BigInt(this.#baseSeconds) - one.offsetSeconds) * one.ticksPerSecond;
      return { high: Number(base >> 32n), low: Number(base & 0xffff_ffffn), nsPerTick: 1e9 / Number(one.ticksPerSecond) };
    });
  }

  #closes(at: number, size: number): boolean {
    const closing = this.#view.getUint32(at + size - 4, this.#littleEndian);
    if (closing === size) return true;
    this.problem = `a block opens with length ${size} and closes with ${closing}`;
    return false;
  }

  #bad(problem: string): number {
    this.problem = problem;
    return BAD;
  }

  #whyUnreadable(index: number): string {
    const known = this.section.interfaces[index];
    if (known === undefined) return `interface ${index}, of which the file has said nothing`;
    return `interface ${known.name || index}: ${nameLinkType(known.linkType)} is not Ethernet`;
  }

  plausible(at: number, end: number): boolean {
    if (at + 12 > end) return false;
    const type = this.#view.getUint32(at, this.#littleEndian);
    const size = this.#view.getUint32(at + 4, this.#littleEndian);
    const fits = size >= 12 && (size & 3) === 0 && size <= MAX_BLOCK_BYTES && at + size <= end;
    return fits && type > 0 && type <= 0xff && this.#view.getUint32(at + size - 4, this.#littleEndian) === size;
  }

  timeNs(batch: Batch, index: number): number {
    const at = batch.timesAt[index]!;
    if (at < 0) return Number.NaN;
    const { high, low, nsPerTick } = this.#ticks[batch.interfaces[index]!]!;
    const above = this.#view.getUint32(at, this.#littleEndian) - high;
    return (above * 0x1_0000_0000 + (this.#view.getUint32(at + 4, this.#littleEndian) - low)) * nsPerTick;
  }

  lengthOf(batch: Batch, index: number): number {
    const shift = cookedShift(this.#linkTypes[batch.interfaces[index]!]!);
    return this.#view.getUint32(batch.offsets[index]! - shift - 4, this.#littleEndian) - shift;
  }
}
