/**
 * Writes pcapng (draft-ietf-opsawg-pcapng): named interfaces, nanosecond timestamps, a comment per frame. For the flight recorder,
 * whose files are small: the whole file is built in memory. Little-endian, one section.
 */
import { IF_NAME, IF_TSRESOL } from './pcapng-interface.ts';
import { BYTE_ORDER_MAGIC, ENHANCED_PACKET, INTERFACE, SECTION_HEADER } from './pcapng.ts';
import { type Note, writeNote } from './notes.ts';
import { ETHERNET } from './section.ts';

export interface WrittenFrame {
  /** Index into the interfaces. */
  readonly interface: number;
  /** Nanoseconds since 1970: more than a double holds. */
  readonly atNs: bigint;
  /** Bytes on the wire. */
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly comment: string;
}

const COMMENT = 1;
const USER_APPLICATION = 4;
const NANOSECOND_TICKS = 9;

/**
 * @param interfaces names, in the order that `WrittenFrame.interface` counts
 * @param notes what no frame says; they stand in front of all frames and carry their own times
 */
export function writePcapng(
  interfaces: readonly string[],
  frames: Iterable<WrittenFrame>,
  notes: Iterable<Note> = [],
): Uint8Array {
  const magic = words(BYTE_ORDER_MAGIC, 1 /* version 1.0 */, 0xffff_ffff, 0xffff_ffff /* section length unknown */);
  const blocks = [block(SECTION_HEADER, magic, options([USER_APPLICATION, text('havip-agent')]))];
  for (const name of interfaces) {
    const described = options([IF_NAME, text(name)], [IF_TSRESOL, Uint8Array.of(NANOSECOND_TICKS)]);
    blocks.push(block(INTERFACE, words(ETHERNET, 0 /* no snap length */), described));
  }
  for (const note of notes) blocks.push(writeNote(note));
  for (const frame of frames) blocks.push(packet(frame));
  return join(blocks);
}

function packet(frame: WrittenFrame): Uint8Array {
  const [high, low] = [Number(frame.atNs >> 32n), Number(frame.atNs & 0xffff_ffffn)];
  const header = words(frame.interface, high, low, frame.bytes.length, frame.length);
  const comment = frame.comment === '' ? new Uint8Array(0) : options([COMMENT, text(frame.comment)]);
  return block(ENHANCED_PACKET, header, padded(frame.bytes), comment);
}

function block(type: number, ...parts: Uint8Array[]): Uint8Array {
  const size = 12 + parts.reduce((sum, part) => sum + part.length, 0);
  return join([words(type, size), ...parts, words(size)]);
}

/** Ends with opt_endofopt. */
function options(...list: (readonly [code: number, value: Uint8Array])[]): Uint8Array {
  return join([...list.flatMap(([code, value]) => [words(code | (value.length << 16)), padded(value)]), words(0)]);
}

/** An option's length is 16 bits. */
function text(value: string): Uint8Array {
  return new TextEncoder().encode(value).subarray(0, 0xffff);
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(i * 4, value, true);
  return bytes;
}

function padded(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array((bytes.length + 3) & ~3);
  out.set(bytes);
  return out;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
